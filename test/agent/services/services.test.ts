import { pino } from 'pino';
import { Registry } from 'prom-client';
import t from 'tap';
import type { Test } from 'tap';

import { ServiceRules } from '../../../agent/services/services.ts';
import type { AgentContext } from '../../../agent/subsystem.ts';
import type { EndpointSlice } from '../../../api/kinds/endpoint-slice.ts';
import type { Event } from '../../../api/kinds/event.ts';
import type { Node } from '../../../api/kinds/node.ts';
import type { Service } from '../../../api/kinds/service.ts';
import type { Backend, SyncResult } from '../../../iptables/backend.ts';
import { RulesError } from '../../../iptables/error.ts';
import type { Ruleset } from '../../../iptables/model.ts';
import type { Leftover } from '../../../iptables/leftovers.ts';
import type { Touch } from '../../../iptables/rule-watch.ts';
import type { ConntrackFilter, TrackedFlow } from '../../../netns/conntrack.ts';
import { FakeCache } from '../../../rig/fake-cache.ts';

/** A backend that writes down what it was asked. */
class FakeBackend implements Backend {
  readonly name = 'iptables';
  readonly syncs: { services: string; changed: string | undefined }[] = [];
  settings: Ruleset['settings'] | undefined;
  removals = 0;
  isFindingSockets = false;
  result: SyncResult = { changes: 0, refused: new Map() };
  error: Error | undefined;

  sync(rules: Ruleset, changed?: ReadonlySet<string>): Promise<SyncResult> {
    const services = [...rules.services.values()].map(
      ({ key, frontends }) =>
        `${key} ${frontends.flatMap(({ endpoints }) => endpoints.map(({ address }) => address)).join('+')}`,
    );
    this.settings = rules.settings;
    this.syncs.push({
      services: services.sort().join(', '),
      changed: changed && [...changed].sort().join(' '),
    });
    return this.error ? Promise.reject(this.error) : Promise.resolve(this.result);
  }

  findsSockets(): Promise<boolean> {
    return Promise.resolve(this.isFindingSockets);
  }

  remove(): Promise<boolean> {
    this.removals += 1;
    return Promise.resolve(false);
  }
}

const namespaced = ({ metadata }: { metadata: { name: string } }): string => `default/${metadata.name}`;

function setup(t: Test) {
  const caches = {
    services: new FakeCache<Service>(namespaced),
    endpointSlices: new FakeCache<EndpointSlice>(namespaced),
    nodes: new FakeCache<Node>(({ metadata }) => metadata.name),
  };
  const backend = new FakeBackend();
  const other = new FakeBackend();
  const events: Event[] = [];
  const forgotten: ConntrackFilter[] = [];
  const kernel = {
    foreign: [] as Leftover[],
    touch: (_: Touch): void => undefined,
    flows: [] as TrackedFlow[],
  };
  const context = {
    nodeName: 'node1',
    config: {
      backend: 'iptables',
      nodeIPs: ['192.0.2.1'],
      externalIPs: [],
      nodePortAddresses: [],
      nonMasqueradeCIDRs: [],
      vxlan: { port: 8472 },
    },
    cluster: {
      clusterCIDRs: ['10.244.0.0/16'],
      serviceCIDRs: ['10.96.0.0/16'],
      dnsIPs: ['10.96.0.10'],
      loadBalancerPools: ['192.0.2.16-192.0.2.18'],
    },
    client: {
      create: (_resource: unknown, event: Event) => {
        events.push(event);
        return Promise.resolve(event);
      },
    },
    caches,
    log: pino({ level: 'silent' }),
    metrics: new Registry(),
  } as unknown as AgentContext;
  const rules = new ServiceRules(context, {
    choose: () => Promise.resolve({ backend, others: [other], rules: 'nft' }),
    flows: {
      list: () => kernel.flows,
      forget: (filters) => {
        forgotten.push(...filters);
      },
      [Symbol.dispose]: () => undefined,
    },
    listForeign: () => Promise.resolve(kernel.foreign),
    watch: (_rules, { onTouch }) => {
      kernel.touch = onTouch;
      const nothing = (): void => undefined;
      return {
        tellsAll: true,
        beginOwn: nothing,
        noteProgram: nothing,
        endOwn: nothing,
        [Symbol.dispose]: nothing,
      };
    },
  });
  t.teardown(() => rules.stop());
  return { caches, backend, other, events, forgotten, kernel, context, rules };
}

/** Waits until `condition` holds; the test's own time limit is the only one. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

function service(name: string, ip: string, protocol = 'TCP'): Service {
  return {
    metadata: { name, namespace: 'default', uid: `uid-${name}` },
    spec: { clusterIP: ip, clusterIPs: [ip], ports: [{ port: 80, protocol }] },
  };
}

function slice(name: string, owner: string, addresses: string[], protocol = 'TCP'): EndpointSlice {
  return {
    metadata: { name, namespace: 'default', labels: { 'kubernetes.io/service-name': owner } },
    addressType: 'IPv4',
    ports: [{ name: '', port: 8080, protocol }],
    endpoints: addresses.map((address) => ({ addresses: [address] })),
  };
}

function syncAll({ services, endpointSlices, nodes }: ReturnType<typeof setup>['caches']): void {
  for (const cache of [services, endpointSlices, nodes]) cache.sync();
}

t.test('nothing is touched before everything is known', async (t) => {
  const { caches, backend, rules } = setup(t);
  caches.services.set(service('a', '10.96.0.1'));
  await rules.start();
  caches.services.sync();
  caches.nodes.sync();
  await new Promise((resolve) => setTimeout(resolve, 60));
  t.equal(backend.syncs.length, 0, 'the slices are missing');
  t.match(rules.health(), { ready: false });
  caches.endpointSlices.set(slice('a-1', 'a', ['10.244.1.2']));
  caches.endpointSlices.sync();
  await until(() => backend.syncs.length === 1);
  t.strictSame(
    backend.syncs,
    [{ services: 'default/a 10.244.1.2', changed: undefined }],
    'then all at once, compared in full',
  );
  await until(() => rules.health().ready);
});

/** A node with its pod range, Ready or not. */
function node(number: number, ready: boolean, heartbeat = ''): Node {
  return {
    metadata: { name: `node${String(number)}`, annotations: { heartbeat } },
    spec: { podCIDRs: [`10.244.${String(number)}.0/24`] },
    status: { conditions: [{ type: 'Ready', status: ready ? 'True' : 'Unknown' }] },
  };
}

t.test('DNS of other nodes follows who is Ready', async (t) => {
  const { caches, backend, rules, context } = setup(t);
  backend.isFindingSockets = true;
  caches.services.set(service('a', '10.96.0.1'));
  for (const number of [1, 2, 3]) caches.nodes.set(node(number, number < 3));
  syncAll(caches);
  await rules.start();
  await until(() => backend.syncs.length === 1);
  t.equal(backend.settings?.dnsFallback, true);
  const both = (addresses: string): string => `${addresses}+${addresses}`;
  t.equal(backend.syncs[0]?.services, `default/a , weft/DNS of other nodes ${both('10.244.2.1')}`);
  t.match(await context.metrics.getSingleMetricAsString('weft_services'), /^weft_services 1$/m);
  caches.nodes.set(node(2, true, 'alive'));
  caches.nodes.set(node(3, true));
  await until(() => backend.syncs.length === 2);
  t.equal(backend.syncs[1]?.changed, 'weft/DNS of other nodes', 'nothing else is looked at');
  t.match(backend.syncs[1]?.services, /10\.244\.3\.1/);
  caches.nodes.set(node(2, false));
  await until(() => backend.syncs.length === 3);
  t.equal(backend.syncs[2]?.services, `default/a , weft/DNS of other nodes ${both('10.244.3.1')}`);
  caches.nodes.delete('node3');
  await until(() => backend.syncs.length === 4);
  t.equal(backend.syncs[3]?.services, 'default/a ', 'nobody is left');
  t.strictSame(rules.health(), { ready: true });
});

t.test('a kernel that matches no sockets', async (t) => {
  const { caches, backend, rules } = setup(t);
  for (const number of [1, 2]) caches.nodes.set(node(number, true));
  syncAll(caches);
  await rules.start();
  await until(() => backend.syncs.length === 1);
  t.equal(backend.settings?.dnsFallback, false);
  t.equal(backend.syncs[0]?.services, '');
  await until(() => rules.health().ready);
  t.match(rules.health(), { ready: true, reason: /nft_socket, xt_socket/ });
});

t.test('afterwards only what changed', async (t) => {
  const { caches, backend, rules } = setup(t);
  caches.services.set(service('a', '10.96.0.1'));
  caches.services.set(service('b', '10.96.0.2'));
  caches.endpointSlices.set(slice('a-1', 'a', ['10.244.1.2']));
  syncAll(caches);
  await rules.start();
  await until(() => backend.syncs.length === 1);
  caches.endpointSlices.set(slice('b-1', 'b', ['10.244.1.3']));
  await until(() => backend.syncs.length === 2);
  t.strictSame(backend.syncs[1], {
    services: 'default/a 10.244.1.2, default/b 10.244.1.3',
    changed: 'default/b',
  });
  caches.endpointSlices.set(slice('b-1', 'a', ['10.244.1.3']));
  await until(() => backend.syncs.length === 3);
  t.strictSame(
    backend.syncs[2],
    { services: 'default/a 10.244.1.2+10.244.1.3, default/b ', changed: 'default/a default/b' },
    'a slice that changed hands',
  );
  caches.services.delete('default/a');
  await until(() => backend.syncs.length === 4);
  t.strictSame(backend.syncs[3], { services: 'default/b ', changed: 'default/a' });
});

t.test('a failed sync is tried again, in full, and loses nothing', async (t) => {
  const { caches, backend, rules } = setup(t);
  caches.services.set(service('a', '10.96.0.1'));
  syncAll(caches);
  await rules.start();
  await until(() => rules.health().ready);
  backend.error = new RulesError('REFUSED', 'no');
  caches.services.set(service('b', '10.96.0.2'));
  await until(() => !rules.health().ready);
  t.equal(rules.health().reason, 'no');
  backend.error = undefined;
  await until(() => rules.health().ready);
  t.strictSame(backend.syncs.at(-1), { services: 'default/a , default/b ', changed: undefined });
});

t.test('an outside change is noticed, repaired and told', async (t) => {
  const { caches, backend, rules, kernel, events } = setup(t);
  syncAll(caches);
  await rules.start();
  await until(() => rules.health().ready);
  const before = backend.syncs.length;
  backend.result = { changes: 3, refused: new Map() };
  kernel.touch({ certain: true, by: 'nft (process 7)' });
  await until(() => backend.syncs.length > before);
  t.equal(backend.syncs[before]?.changed, undefined, 'everything is compared');
  await until(() => events.length === 1);
  t.match(events[0], {
    reason: 'ServiceRulesRepaired',
    message: /by nft \(process 7\)/,
    involvedObject: { kind: 'Node', name: 'node1' },
  });
});

t.test('a Service that is refused is named once', async (t) => {
  const { caches, backend, rules, events, context } = setup(t);
  backend.result = {
    changes: 1,
    refused: new Map([['default/a', new RulesError('REFUSED', 'the kernel said no')]]),
  };
  caches.services.set(service('a', '10.96.0.1'));
  caches.services.set(service('b', '10.96.0.2'));
  syncAll(caches);
  await rules.start();
  await until(() => rules.health().ready);
  caches.services.set(service('c', '10.96.0.3'));
  await until(() => backend.syncs.length === 2);
  t.equal(events.length, 1);
  t.match(events[0], {
    reason: 'ServiceNotProgrammed',
    message: 'the kernel said no',
    involvedObject: { kind: 'Service', namespace: 'default', name: 'a', uid: 'uid-a' },
  });
  const metrics = await context.metrics.metrics();
  t.match(metrics, /^weft_services_refused 1$/m);
  t.match(metrics, /^weft_service_refused\{namespace="default",service="a"\} 1$/m);
  t.match(metrics, /^weft_services 2$/m, 'without the one that is refused');
  t.match(metrics, /^weft_services_waiting 0$/m);
  t.match(metrics, /^weft_services_last_sync_timestamp_seconds [1-9]/m);
});

t.test('problems come and go: told once for the same words, and again when they come back', async (t) => {
  const { caches, backend, rules, events, context } = setup(t);
  const named = (externalIPs: string[]): Service => {
    const good = service('a', '10.96.0.1');
    return { ...good, spec: { ...good.spec, externalIPs } };
  };
  const change = async (one: Service): Promise<void> => {
    const before = backend.syncs.length;
    caches.services.set(one);
    await until(() => backend.syncs.length > before);
  };
  syncAll(caches);
  await rules.start();
  await until(() => rules.health().ready);
  await change(named(['nonsense']));
  await change(named(['nonsense', '203.0.113.1']));
  await until(() => events.length > 0);
  await change(named(['rubbish']));
  await until(() => events.length > 1);
  await change(named([]));
  t.notMatch(await context.metrics.metrics(), /^weft_service_refused\{/m);
  await change(named(['rubbish']));
  await until(() => events.length > 2);
  t.strictSame(
    events.map(({ message }) => message),
    ['nonsense', 'rubbish', 'rubbish'].map((word) => `externalIPs: "${word}" is not an address`),
  );
  const names = new Set(events.map(({ metadata }) => metadata.name));
  t.equal(names.size, 3);
});

t.test('UDP flows to an endpoint that is gone are forgotten', async (t) => {
  const { caches, backend, rules, forgotten } = setup(t);
  caches.services.set(service('a', '10.96.0.1', 'UDP'));
  caches.endpointSlices.set(slice('a-1', 'a', ['10.244.1.2', '10.244.1.3'], 'UDP'));
  syncAll(caches);
  await rules.start();
  await until(() => rules.health().ready);
  forgotten.splice(0);
  caches.endpointSlices.set(slice('a-1', 'a', ['10.244.1.3'], 'UDP'));
  await until(() => backend.syncs.length === 2 && forgotten.length > 0);
  t.strictSame(forgotten, [
    { family: 'ipv4', protocol: 'udp', origDst: '10.96.0.1', origDstPort: 80, replySrc: '10.244.1.2' },
  ]);
});

t.test('nodes: their addresses and our pod range', async (t) => {
  const { caches, backend, rules } = setup(t);
  syncAll(caches);
  await rules.start();
  await until(() => backend.syncs.length === 1);
  t.strictSame(backend.settings?.podCIDRs, ['10.244.0.0/16'], 'before ours is known: the whole cluster');
  const ranges = ['10.96.0.0/16', '192.0.2.16/31', '192.0.2.18/32'];
  t.strictSame(backend.settings?.serviceCIDRs, ranges, 'load balancer pools are ranges of Services, too');
  caches.nodes.set({
    metadata: { name: 'node1' },
    spec: { podCIDR: '10.244.3.0/24', podCIDRs: ['10.244.3.0/24'] },
  });
  caches.nodes.set({
    metadata: { name: 'node2' },
    status: {
      addresses: [
        { type: 'Hostname', address: 'node2' },
        { type: 'InternalIP', address: '192.0.2.2' },
      ],
    },
  });
  await until(
    () => backend.settings?.nodeIPs.length === 2 && backend.settings.podCIDRs[0] === '10.244.3.0/24',
  );
  t.strictSame(backend.settings?.nodeIPs, ['192.0.2.1', '192.0.2.2']);
});

t.test('nodePortAddresses: ranges as they are, primary for the addresses of the node', async (t) => {
  const { caches, backend, context, rules } = setup(t);
  Object.assign(context.config, { nodePortAddresses: ['198.51.100.0/24', 'primary'] });
  syncAll(caches);
  await rules.start();
  await until(() => backend.syncs.length === 1);
  t.strictSame(backend.settings?.nodePortAddresses, ['198.51.100.0/24', '192.0.2.1/32']);
});

t.test('a node that tells that it lives costs nothing', async (t) => {
  const { caches, backend, rules } = setup(t);
  const node = (heartbeat: string): Node => ({
    metadata: { name: 'node2', resourceVersion: heartbeat },
    status: {
      addresses: [{ type: 'InternalIP', address: '192.0.2.2' }],
      conditions: [{ type: 'Ready', status: 'True', lastHeartbeatTime: heartbeat }],
    },
  });
  caches.nodes.set(node('1'));
  syncAll(caches);
  await rules.start();
  await until(() => rules.health().ready);
  const { settings } = backend;
  for (const heartbeat of ['2', '3', '4']) caches.nodes.set(node(heartbeat));
  caches.services.set({ ...service('a', '10.96.0.1'), metadata: { name: 'a', namespace: 'default' } });
  await until(() => backend.syncs.length === 2);
  t.equal(backend.syncs[1]?.changed, 'default/a', 'the next sync is the one for the Service');
  t.equal(backend.settings, settings, 'with the same settings');
  caches.services.set({ ...service('a', '10.96.0.1'), status: { loadBalancer: {} } });
  caches.nodes.delete('node2');
  await until(() => backend.syncs.length === 3);
  t.equal(backend.syncs[2]?.changed, '', 'what changed about the Service concerns no rule');
  t.strictSame(backend.settings?.nodeIPs, ['192.0.2.1']);
});

t.test("the other backend's leftovers go when ours stands, once", async (t) => {
  const { caches, backend, other, rules } = setup(t);
  syncAll(caches);
  await rules.start();
  await until(() => other.removals === 1);
  t.equal(backend.syncs.length, 1);
  caches.services.set(service('a', '10.96.0.1'));
  await until(() => backend.syncs.length === 2);
  t.equal(other.removals, 1);
  await rules.stop();
  t.equal(backend.removals, 0, 'stopping leaves the rules as they are');
});

t.test('a restarted agent forgets the UDP flows that went stale meanwhile', async (t) => {
  const { caches, backend, forgotten, kernel, rules } = setup(t);
  const flow = (replySrc: string): TrackedFlow => ({
    family: 'ipv4',
    origDst: '10.96.0.1',
    origDstPort: 80,
    replySrc,
    replySrcPort: 8080,
  });
  kernel.flows = [flow('10.244.0.9'), flow('10.244.0.2')];
  caches.services.set(service('a', '10.96.0.1', 'UDP'));
  caches.endpointSlices.set(slice('a-1', 'a', ['10.244.0.2'], 'UDP'));
  await rules.start();
  t.strictSame(forgotten, [], 'not before everything is known');
  syncAll(caches);
  await until(() => forgotten.length > 0);
  t.strictSame(forgotten, [
    { family: 'ipv4', protocol: 'udp', origDst: '10.96.0.1', origDstPort: 80, replySrc: '10.244.0.9' },
  ]);
  t.equal(backend.syncs.length, 1);
});

t.test('what another program left is told once, with the command that removes it', async (t) => {
  const { caches, backend, events, kernel, rules } = setup(t);
  kernel.foreign = [
    { what: 'the rules of a', command: 'remove a' },
    { what: 'the rules of b', command: 'remove b' },
  ];
  syncAll(caches);
  await rules.start();
  await until(() => events.length === 2);
  t.match(events, [
    { reason: 'ForeignServiceRules', message: /rules of a .*: remove a$/, involvedObject: { kind: 'Node' } },
    { reason: 'ForeignServiceRules', message: /rules of b .*: remove b$/, involvedObject: { name: 'node1' } },
  ]);
  caches.services.set(service('a', '10.96.0.1'));
  await until(() => backend.syncs.length === 2);
  t.equal(events.length, 2);
});

t.test('who waits for a key is told when the kernel has it, or why it has not', async (t) => {
  const { caches, backend, rules } = setup(t);
  caches.services.set(service('a', '10.96.0.1'));
  const { signal } = new AbortController();
  const told: string[] = [];
  const early = rules.whenProgrammed('default/a', signal).then(() => told.push('a'));
  await rules.start();
  t.same(told, [], 'nothing is known yet');
  syncAll(caches);
  await early;
  t.equal(backend.syncs.length, 1);
  await rules.whenProgrammed('default/nobody', signal);

  caches.services.set(service('b', '10.96.0.2'));
  const refusal = new RulesError('REFUSED', 'no such port');
  backend.result = { changes: 1, refused: new Map([['default/b', refusal]]) };
  await t.rejects(rules.whenProgrammed('default/b', signal), refusal);

  backend.error = new RulesError('REFUSED', 'busy');
  caches.services.set(service('c', '10.96.0.3'));
  const ending = new AbortController();
  const never = rules.whenProgrammed('default/c', ending.signal);
  await until(() => !rules.health().ready);
  ending.abort(new Error('enough'));
  await t.rejects(never, { message: 'enough' });
});
