import t from 'tap';
import { NamesFeed } from '../../../agent/names/feed.ts';
import type { NameChange } from '../../../agent/names/messages.ts';
import type { EndpointSlice } from '../../../api/kinds/endpoint-slice.ts';
import type { KubeObject } from '../../../api/kinds/meta.ts';
import type { Namespace } from '../../../api/kinds/namespace.ts';
import type { Pod } from '../../../api/kinds/pod.ts';
import type { Service } from '../../../api/kinds/service.ts';
import { FakeCache } from '../../../rig/fake-cache.ts';

function keyOf({ metadata }: KubeObject): string {
  return metadata.namespace === undefined ? metadata.name : `${metadata.namespace}/${metadata.name}`;
}

function service(name: string, clusterIP: string): Service {
  return { metadata: { name, namespace: 'default' }, spec: { clusterIP } };
}

function pod(name: string, phase: string, ip: string): Pod {
  return {
    metadata: { name, namespace: 'default' },
    spec: { containers: [] },
    status: { phase, podIPs: [{ ip }] },
  };
}

/** A feed over caches that a test fills, and what it tells: each portion, and that all is told. */
function setUp() {
  const caches = {
    services: new FakeCache<Service>(keyOf),
    endpointSlices: new FakeCache<EndpointSlice>(keyOf),
    namespaces: new FakeCache<Namespace>(keyOf),
    allPods: new FakeCache<Pod>(keyOf),
  };
  const told: (readonly NameChange[] | string)[] = [];
  const feed = new NamesFeed(caches, {
    onChanges: (changes) => told.push(changes),
    onSynced: () => told.push('synced'),
    onPodsSynced: () => told.push('podsSynced'),
    onBadName: (key) => told.push(`bad ${key}`),
  });
  return { ...caches, told, feed };
}

function turn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

t.test('many changes are told a few in each turn, as they are then', async (t) => {
  const { services, endpointSlices, namespaces, allPods, told, feed } = setUp();
  feed.start();
  const count = 1000;
  for (let index = 0; index < count; index += 1) services.set(service(`s-${index}`, '10.96.0.1'));
  for (const cache of [services, endpointSlices, namespaces, allPods]) cache.sync();
  t.strictSame(told, []);
  await turn();
  t.equal(told.length, 1);
  services.set(service(`s-${count - 1}`, '10.96.0.2'));
  services.delete(`default/s-${count - 2}`);
  for (let turns = 0; told.at(-1) !== 'synced' && turns < count; turns += 1) {
    const before = told.length;
    await turn();
    t.ok(told.length - before <= 3, 'one portion');
  }
  t.strictSame(told.slice(-2), ['podsSynced', 'synced'], 'after all of them');
  const changes = told.filter((each) => typeof each !== 'string').flat();
  t.ok(told[0]?.length === 50);
  t.equal(changes.length, count, 'each once');
  const address = (name: string): unknown => {
    const found = changes.find((change) => change.kind === 'service' && change.key === `default/${name}`);
    return found?.kind === 'service' ? found.service?.clusterIPs : 'missing';
  };
  t.strictSame(address('s-0'), ['\x0a\x60\x00\x01']);
  t.strictSame(address(`s-${count - 1}`), ['\x0a\x60\x00\x02']);
  t.equal(address(`s-${count - 2}`), undefined);
  t.strictSame([...feed.all()].flat().length, count - 1);
  feed.stop();
});

t.test("of pods only what changes anybody's address is told", async (t) => {
  const { allPods, told, feed } = setUp();
  feed.start();
  const address = (ip: string) => [{ kind: 'pod', key: 'default/web', addresses: [ip] }];
  allPods.set({ ...pod('web', 'Pending', ''), status: { phase: 'Pending' } });
  await turn();
  t.strictSame(told.splice(0), []);
  allPods.set(pod('web', 'Running', '10.1.2.3'));
  await turn();
  t.strictSame(told.splice(0), [address('\x0a\x01\x02\x03')]);
  allPods.set({ ...pod('web', 'Running', '10.1.2.3'), spec: { containers: [], nodeName: 'node1' } });
  await turn();
  t.strictSame(told.splice(0), [], 'something else changed');
  allPods.set(pod('web', 'Succeeded', '10.1.2.3'));
  await turn();
  t.strictSame(told.splice(0), [[{ kind: 'pod', key: 'default/web', addresses: [] }]]);
  allPods.delete('default/web');
  await turn();
  t.strictSame(told.splice(0), []);
  feed.stop();
});
