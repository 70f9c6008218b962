import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { AgentCaches } from '../../agent/caches.ts';
import { eventually } from '../api/eventually.ts';
import { silent, startTestApi } from './api-fixture.ts';

t.test('what the API said outlives the agent and the API', async (t) => {
  const test = await startTestApi(t);
  const { admin, config } = test;
  const { nodeName, stateDir } = config;
  const first = new AgentCaches({ client: admin, nodeName, stateDir, log: silent });
  first.start();
  await Promise.all(Object.values(first.caches).map((cache) => cache.whenSynced()));
  await first.stop();
  const file = join(stateDir, 'caches', 'services.json');
  t.equal(statSync(file).mode & 0o777, 0o600);
  await test.stop();

  const second = new AgentCaches({ client: admin, nodeName, stateDir, log: silent });
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

t.test('a copy that is damaged is none', async (t) => {
  const test = await startTestApi(t);
  const { admin, config } = test;
  await test.stop();
  const { nodeName, stateDir } = config;
  mkdirSync(join(stateDir, 'caches'), { recursive: true });
  writeFileSync(join(stateDir, 'caches', 'services.json'), '[{"metada');
  writeFileSync(join(stateDir, 'caches', 'namespaces.json'), '[{"metadata":{"name":"default"}}]');
  const caches = new AgentCaches({ client: admin, nodeName, stateDir, log: silent });
  t.teardown(() => caches.stop());
  caches.start();
  await eventually('the other one is restored', () => caches.caches.namespaces.restored);
  await eventually('the API was tried', () => !caches.health().ready && caches.caches.services);
  t.equal(caches.caches.services.restored, false);
});
