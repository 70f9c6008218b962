import type { Test } from 'tap';

import { addresses } from '../network.ts';
import type { Place } from '../network.ts';
import type { Draft, EndpointDraft, Pod } from './objects.ts';
import { PacketWatch, sendEcho } from './packets.ts';
import { ranges } from './scene.ts';
import type { Part, Question, Scene } from './scene.ts';

const everywhere: readonly Place[] = ['pod1', 'node', 'outside'];

/** The same question from everywhere. */
function fromAll(to: string, gets: string, why: string): Question[] {
  return everywhere.map((from) => [from, to, gets, why] as const);
}

const draining = (pod: Pod): EndpointDraft => ({ pod, ready: false, serving: true, terminating: true });
const starting = (pod: Pod): EndpointDraft => ({ pod, ready: false, serving: false });

/** Which pods answered, and how often. */
function tally(answers: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const answer of answers) {
    const name = answer.split(' ')[0] ?? '';
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

/** Asks so often that each of `pods` answers; anybody else who does is a mistake. */
async function answeredBy(
  t: Test,
  scene: Scene,
  to: string,
  pods: readonly Pod[],
  why: string,
): Promise<void> {
  for (const { family, answers } of await scene.collect('node', to, pods.length === 1 ? 6 : 40)) {
    t.strictSame(Object.keys(tally(answers)).sort(), [...pods].sort(), `${family}: ${why}`);
  }
}

async function ready(t: Test, scene: Scene): Promise<void> {
  await scene.put({ name: 'web', to: [starting('pod1'), draining('pod2'), 'far'] });
  await answeredBy(t, scene, 'web:80', ['far'], 'not who is not ready, nor who shuts down');
  await scene.put({ name: 'web', to: ['pod1', draining('pod2'), 'far'] });
  await answeredBy(t, scene, 'web:80', ['pod1', 'far'], 'who has become ready joins');
  await scene.drop('web');
}

async function balance(t: Test, scene: Scene): Promise<void> {
  await scene.put({ name: 'web', to: ['pod1', 'pod2', 'far'] });
  for (const { family, answers } of await scene.collect('node', 'web:80', 90)) {
    const counts = tally(answers);
    // 90 draws of probability 1/3: outside 10…50 once in some 10^6 runs per endpoint.
    for (const pod of ['pod1', 'pod2', 'far']) {
      const count = counts[pod] ?? 0;
      t.ok(count >= 10 && count <= 50, `${family}: ${pod} answered ${String(count)} of 90`);
    }
  }
  await scene.drop('web');
}

async function hints(t: Test, scene: Scene): Promise<void> {
  const put = (...to: (Pod | EndpointDraft)[]) => scene.put({ name: 'web', to });
  await put(
    { pod: 'pod1', forNodes: ['node2'] },
    { pod: 'pod2', forNodes: ['node1'] },
    { pod: 'far', forNodes: ['node2'] },
  );
  await answeredBy(t, scene, 'web:80', ['pod2'], 'the one that is hinted to this node');
  await put({ pod: 'pod1', forNodes: ['node2'] }, { pod: 'far', forNodes: ['node2'] });
  await answeredBy(t, scene, 'web:80', ['pod1', 'far'], 'none is hinted to this node: all');
  await put({ pod: 'pod1', forNodes: ['node1'] }, 'far');
  await answeredBy(t, scene, 'web:80', ['pod1', 'far'], 'one has no hint: all');
  await put({ pod: 'pod1', forZones: ['peer'] }, { pod: 'far', forZones: ['node', 'peer'] });
  await answeredBy(t, scene, 'web:80', ['far'], "the one that is hinted to this node's zone");
  await put({ pod: 'pod1', forZones: ['peer'] }, { pod: 'far', forZones: ['peer'] });
  await answeredBy(t, scene, 'web:80', ['pod1', 'far'], 'none is hinted to this zone: all');
  await put(
    { pod: 'pod1', forNodes: ['node2'], forZones: ['node'] },
    { pod: 'far', forNodes: ['node1'], forZones: ['peer'] },
  );
  await answeredBy(t, scene, 'web:80', ['far'], 'the node counts before the zone');
  await put(
    { pod: 'pod1', forNodes: ['node1'] },
    { pod: 'pod2', forNodes: ['node1'], ready: false, serving: true, terminating: true },
    draining('far'),
  );
  await answeredBy(t, scene, 'web:80', ['pod1'], 'who shuts down needs no hint');
  await scene.drop('web');
}

async function drainingOnly(t: Test, scene: Scene): Promise<void> {
  const gone: EndpointDraft = { pod: 'pod1', ready: false, serving: false, terminating: true };
  await scene.put({ name: 'web', to: [gone, draining('pod2'), draining('far')] });
  await answeredBy(t, scene, 'web:80', ['pod2', 'far'], 'nobody is ready: those that still serve');
  const local = { internalTrafficPolicy: 'Local', externalTrafficPolicy: 'Local' } as const;
  await scene.put({
    name: 'web',
    nodePort: 30_001,
    balancer: true,
    to: [gone, draining('pod2'), 'far'],
    spec: local,
  });
  await scene.ask(t, [
    ['pod1', 'web:80', 'pod2 sees pod1', 'inside, Local: one that drains here before a ready one elsewhere'],
    ['outside', 'web/balancer:80', 'pod2 sees outside', 'outside, Local: likewise'],
    ['outside', 'node:30001', 'pod2 sees outside', 'at a NodePort likewise'],
    ['pod1', 'web/balancer:80', 'far sees pod1', 'who is on this node uses the ready ones of the cluster'],
  ]);
  await scene.put({ name: 'web', to: [gone, starting('far')] });
  await scene.ask(t, fromAll('web:80', 'refused', 'nobody serves any more'));
  await scene.drop('web');
}

async function internalLocal(t: Test, scene: Scene): Promise<void> {
  const spec = { internalTrafficPolicy: 'Local' } as const;
  await scene.put({ name: 'web', nodePort: 30_002, to: ['pod2', 'far'], spec });
  await answeredBy(t, scene, 'web:80', ['pod2'], 'only who is on this node');
  await answeredBy(t, scene, 'node:30002', ['pod2', 'far'], 'the NodePort has its own policy');
  await scene.put({ name: 'web', nodePort: 30_002, to: ['far'], spec });
  await scene.ask(t, [
    ...fromAll('web:80', 'nothing', 'endpoints elsewhere only: dropped'),
    ['outside', 'node:30002', 'far sees node', 'not at the NodePort'],
  ]);
  await scene.put({ name: 'web', nodePort: 30_002, to: [], spec });
  await scene.ask(t, fromAll('web:80', 'refused', 'none anywhere'));
  await scene.drop('web');
}

const open = { nodePort: 30_003, balancer: true, external: true } as const;
const addressesOfOpen = ['web/balancer:80', 'web/external:80', 'node:30003'];

async function externalLocal(t: Test, scene: Scene): Promise<void> {
  const spec = { externalTrafficPolicy: 'Local' } as const;
  const put = (...to: Pod[]) => scene.put({ name: 'web', ...open, to, spec });
  const all = (from: Place, gets: string, why: string): Question[] =>
    addressesOfOpen.map((to) => [from, to, gets, why] as const);
  await put('pod1', 'far');
  for (const to of addressesOfOpen) {
    for (const { family, answers } of await scene.collect('outside', to, 12)) {
      t.strictSame(
        tally(answers),
        { pod1: 12 },
        `${family} ${to}: clients from outside reach the pod here only`,
      );
    }
  }
  await put('far');
  await scene.ask(t, [
    ...all('outside', 'nothing', 'no pod here: dropped'),
    ...all('peer', 'nothing', 'for other nodes as well'),
    ...all('pod1', 'far sees pod1', 'a pod of this node uses the whole cluster'),
    ...all('node', 'far sees node', 'and so does a process of it'),
    ...fromAll('web:80', 'far sees node', '').filter(([from]) => from === 'outside'),
    ['pod1', 'web:80', 'far sees pod1', 'the clusterIP has its own policy'],
  ]);
  await put();
  await scene.ask(t, [
    ...all('outside', 'refused', 'none anywhere: refused'),
    ...all('pod1', 'refused', 'likewise'),
    ...all('node', 'refused', 'likewise'),
  ]);
  await scene.drop('web');
}

async function notReady(t: Test, scene: Scene): Promise<void> {
  const to = [starting('pod1'), 'far', draining('pod2')] as const;
  await scene.put({ name: 'web', to, spec: { publishNotReadyAddresses: true } });
  await answeredBy(t, scene, 'web:80', ['pod1', 'pod2', 'far'], 'all count as ready');
  await scene.drop('web');
}

async function merged(t: Test, scene: Scene): Promise<void> {
  const moving: EndpointDraft = { pod: 'pod1', ready: false, serving: false };
  await scene.put({
    name: 'web',
    slices: [{ endpoints: ['pod1', 'pod2'] }, { endpoints: ['pod1'] }, { endpoints: [moving, 'far'] }],
  });
  for (const { family, answers } of await scene.collect('node', 'web:80', 90)) {
    const { pod1 = 0, pod2 = 0, far = 0 } = tally(answers);
    t.equal(pod1 + pod2 + far, 90, `${family}: all slices serve`);
    // Counted three times it would be 54 of 90; 50 or more with probability 1/3 once in some 10^6 runs.
    t.ok(pod1 >= 10 && pod1 < 50, `${family}: who stands in three slices counts once: ${String(pod1)} of 90`);
  }
  await scene.drop('web');
}

async function namedPorts(t: Test, scene: Scene): Promise<void> {
  const ports: Draft['ports'] = [
    { name: 'http', protocol: 'TCP', port: 80, targetPort: 'web' },
    { name: 'query', protocol: 'UDP', port: 80, targetPort: 'web' },
  ];
  await scene.put({
    name: 'web',
    ports,
    slices: [
      { port: 8080, endpoints: ['far'] },
      { port: 9081, endpoints: ['pod2'] },
    ],
  });
  await answeredBy(t, scene, 'web:80', ['pod2', 'far'], 'each pod at the port that it gave the name');
  await scene.put({ name: 'web', ports, slices: [{ port: 9081, endpoints: ['pod2'] }] });
  await scene.ask(t, [['pod1', 'web:80', 'pod2 sees pod1', 'over both protocols']]);
  await scene.drop('web');
}

async function refusals(t: Test, scene: Scene): Promise<void> {
  await scene.put({ name: 'web', ...open, to: [] });
  await scene.ask(
    t,
    ['web:80', ...addressesOfOpen].flatMap((to) => fromAll(to, 'refused', 'nobody serves anywhere')),
  );
  await scene.put({ name: 'web', ...open, to: ['pod2'] });
  await scene.ask(
    t,
    fromAll('web:80', '', '').map(
      ([from, to]) =>
        [from, to, `pod2 sees ${from === 'pod1' ? 'pod1' : 'bridge'}`, 'until somebody does'] as const,
    ),
  );
  await scene.drop('web');
}

async function undeclared(t: Test, scene: Scene): Promise<void> {
  await scene.put({ name: 'web', to: ['pod2'] });
  await scene.ask(t, [
    ...fromAll('web:81', 'refused', 'a port that the Service does not have'),
    ...fromAll('unallocated:80', 'refused', 'an address that no Service has'),
  ]);
  await scene.drop('web');
  await scene.ask(t, fromAll('web:80', 'refused', 'a Service that is gone'));
}

async function staysHere(t: Test, scene: Scene): Promise<void> {
  const { network, families } = scene;
  await scene.put({ name: 'web', to: ['pod2'] });
  const ofServices = families.map(
    (family) => `${family === 'ipv4' ? 'ip' : 'ip6'} daddr ${ranges[family].service}`,
  );
  await using outside = await PacketWatch.start(network, 'outside', ofServices);
  await using peer = await PacketWatch.start(network, 'peer', ofServices);
  for (const family of families) {
    for (const target of ['unallocated:80', 'web:80']) {
      const { address } = scene.locate(family, target);
      for (const from of everywhere) sendEcho(network, from, family, address);
    }
  }
  await scene.ask(t, [
    ...fromAll('unallocated:80', 'refused', 'over TCP and UDP'),
    ...fromAll('web:81', 'refused', 'and at a Service that has no such port'),
  ]);
  t.equal(
    (await outside.count()) + (await peer.count()),
    0,
    'neither these nor echo requests leave the node',
  );
  for (const family of families) {
    const { address } = scene.locate(family, 'unallocated:80');
    const route = [address, 'via', addresses[family].outside];
    await network.exec('peer', 'ip', 'route', 'add', ...route);
    sendEcho(network, 'peer', family, address);
    await network.exec('peer', 'ip', 'route', 'delete', ...route);
  }
  await outside.until(families.length);
  t.pass('which would have been seen: another node that sends them there is');
  await scene.drop('web');
}

export const endpointParts: readonly Part[] = [
  { title: 'ready endpoints, and only those', run: ready },
  { title: 'every endpoint gets its share', run: balance },
  { title: 'hints for nodes and zones', run: hints },
  { title: 'nobody ready: endpoints that shut down but still serve', run: drainingOnly },
  { title: 'internalTrafficPolicy Local', run: internalLocal },
  { title: 'externalTrafficPolicy Local', run: externalLocal },
  { title: 'publishNotReadyAddresses', run: notReady },
  { title: 'several EndpointSlices are one list', run: merged },
  { title: 'a named target port, differing from pod to pod', run: namedPorts },
  { title: 'what nobody serves is refused, at every kind of address', run: refusals },
  { title: 'an undeclared port and an unallocated address are refused', run: undeclared },
  { title: 'packets for Service addresses that nobody serves never leave the node', run: staysHere },
];
