import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { AgentCaches } from '../../agent/caches.ts';
import { pods as podResource } from '../../api/client/resources.ts';
import { ApiError } from '../../api/client/api-error.ts';
import { eventually } from '../api/eventually.ts';
import { silent, startTestApi } from './api-fixture.ts';

t.test('what the API said outlives the agent and the API', async (t) => {
  const test = await startTestApi(t);
  const { admin, config } = test;
  const { nodeName, stateDir } = config;
  const first = new AgentCaches({ client: admin, server: config.server, nodeName, stateDir, log: silent });
  first.start();
  await Promise.all(Object.values(first.caches).map((cache) => cache.whenSynced()));
  await first.stop();
  const file = join(stateDir, 'caches', 'services.json');
  t.equal(statSync(file).mode & 0o777, 0o600);
  await test.stop();

  const second = new AgentCaches({ client: admin, server: config.server, nodeName, stateDir, log: silent });
  const { services, endpointSlices, namespaces, nodes, pods } = second.caches;
  const before = readFileSync(file, 'utf8');
  second.start();
  await eventually('all is restored', () =>
    [services, endpointSlices, namespaces].every(({ restored }) => restored),
  );
  t.ok(services.get('default/kubernetes')?.spec.clusterIP);
  t.ok(namespaces.get('kube-system'));
  t.ok([...endpointSlices.list()].length > 0);
  t.notOk([services, endpointSlices, namespaces, nodes, pods].some(({ synced }) => synced));
  await second.stop();
  t.equal(readFileSync(file, 'utf8'), before, 'what was restored is not written back');
});

t.test('of all pods it is kept who has which address, if that is asked for', async (t) => {
  const { admin, config } = await startTestApi(t);
  const { nodeName, stateDir } = config;
  const status = { phase: 'Running', podIP: '10.244.1.2', podIPs: [{ ip: '10.244.1.2' }, { ip: 'fd00::2' }] };
  for (const [name, phase] of [
    ['web', 'Running'],
    ['done', 'Succeeded'],
  ] as const) {
    await admin.create(podResource, {
      metadata: { name, namespace: 'default' },
      spec: { nodeName: 'node2', containers: [{ name: 'main', image: 'web' }] },
    });
    await admin.patchStatus(
      podResource,
      { name, namespace: 'default' },
      { status: { ...status, phase } },
      'merge',
    );
  }
  const none = new AgentCaches({ client: admin, server: config.server, nodeName, stateDir, log: silent });
  t.equal(none.caches.allPods, undefined);
  const caches = new AgentCaches({
    client: admin,
    server: config.server,
    nodeName,
    stateDir,
    allPods: true,
    log: silent,
  });
  t.teardown(() => caches.stop());
  caches.start();
  const { allPods } = caches.caches;
  await allPods?.whenSynced();
  const { metadata, ...rest } = allPods?.get('default/web') ?? { metadata: undefined };
  t.strictSame(rest, { status: { phase: 'Running', podIPs: status.podIPs } });
  t.strictSame(Object.keys(metadata ?? {}), ['name', 'namespace', 'resourceVersion']);
  t.equal(allPods?.get('default/done'), undefined, "its address may be another pod's");
  await admin.patchStatus(
    podResource,
    { name: 'web', namespace: 'default' },
    { status: { phase: 'Failed' } },
    'merge',
  );
  await eventually('it goes when it ends', () => allPods?.get('default/web') === undefined);
});

t.test('an API that refuses all pods is one that can be worked with', async (t) => {
  const { admin, config } = await startTestApi(t);
  const { nodeName, stateDir } = config;
  const refused = new ApiError('pods is forbidden', { code: 403, reason: 'Forbidden' });
  let refusals = 0;
  const client = new Proxy(admin, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key);
      if (typeof value !== 'function') return value;
      return (...args: [{ plural: string }, { fieldSelector?: string }]) => {
        if (args[0].plural === 'pods' && !args[1].fieldSelector?.startsWith('spec.nodeName=')) {
          refusals += 1;
          throw refused;
        }
        return Reflect.apply(value, target, args) as unknown;
      };
    },
  });
  const caches = new AgentCaches({
    client,
    server: config.server,
    nodeName,
    stateDir,
    allPods: true,
    log: silent,
  });
  t.teardown(() => caches.stop());
  caches.start();
  await eventually('all others are read', () => caches.health().ready);
  await eventually('it is tried again', () => refusals > 1);
  t.equal(caches.caches.allPods?.synced, false);
  t.strictSame(caches.health(), { ready: true });
});

t.test('a copy that is damaged is none', async (t) => {
  const test = await startTestApi(t);
  const { admin, config } = test;
  await test.stop();
  const { nodeName, stateDir } = config;
  mkdirSync(join(stateDir, 'caches'), { recursive: true });
  writeFileSync(join(stateDir, 'caches', 'services.json'), '[{"metada');
  writeFileSync(join(stateDir, 'caches', 'namespaces.json'), '[{"metadata":{"name":"default"}}]');
  const caches = new AgentCaches({ client: admin, server: config.server, nodeName, stateDir, log: silent });
  t.teardown(() => caches.stop());
  caches.start();
  await eventually('the other one is restored', () => caches.caches.namespaces.restored);
  await eventually('the API was tried', () => !caches.health().ready && caches.caches.services);
  t.equal(caches.caches.services.restored, false);
});
