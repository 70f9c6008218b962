import type { Test } from 'tap';

import { listOrphanedFlows } from '../../../agent/services/flows.ts';
import { deleteConntrack, listConntrack } from '../../conntrack.ts';
import { addresses } from '../network.ts';
import type { FamilyName, Place } from '../network.ts';
import type { EndpointDraft, Pod } from './objects.ts';
import { Flow } from './flow.ts';
import { PacketWatch, sendSegment } from './packets.ts';
import type { Part, Scene } from './scene.ts';

const draining = (pod: Pod): EndpointDraft => ({ pod, ready: false, serving: true, terminating: true });

const everyKind = { nodePort: 30_016, balancer: true, external: true } as const;
const targets = ['web:80', 'web/balancer:80', 'web/external:80', 'node:30016'];

/** A flow from a pod to each kind of address, and one from outside to each that is for outside. */
function flowsOf(scene: Scene): { readonly flow: Flow; readonly seen: string }[] {
  return [
    ...targets.map((to) => ({ flow: new Flow(scene, 'pod1', to), seen: 'pod1' })),
    ...targets.slice(1).map((to) => ({ flow: new Flow(scene, 'outside', to), seen: 'node' })),
  ];
}

async function udpEndpointGoes(t: Test, scene: Scene): Promise<void> {
  await scene.put({ name: 'web', ...everyKind, to: ['far'] });
  const flows = flowsOf(scene);
  for (const { flow, seen } of flows) await flow.reaches(t, `far sees ${seen}`, 'the only endpoint');
  await scene.put({ name: 'web', ...everyKind, to: ['far', 'pod2'] });
  for (const { flow, seen } of flows)
    await flow.reaches(t, `far sees ${seen}`, 'another one joins: it stays');
  await scene.put({ name: 'web', ...everyKind, to: [draining('far'), 'pod2'] });
  for (const { flow, seen } of flows) {
    await flow.reaches(
      t,
      `pod2 sees ${seen === 'node' ? 'bridge' : seen}`,
      'its endpoint stops serving: the next one',
    );
  }
  await scene.drop('web');
}

async function udpNobodyLeft(t: Test, scene: Scene): Promise<void> {
  await scene.put({ name: 'web', ...everyKind, to: ['far'] });
  const flows = flowsOf(scene);
  for (const { flow, seen } of flows) await flow.reaches(t, `far sees ${seen}`, 'served');
  await scene.put({ name: 'web', ...everyKind, to: [] });
  for (const { flow } of flows)
    await flow.reaches(t, 'refused', 'no endpoint left: refused, not sent to who is gone');
  await scene.put({ name: 'web', ...everyKind, to: ['far'] });
  for (const { flow, seen } of flows) await flow.reaches(t, `far sees ${seen}`, 'served again');
  await scene.drop('web');
}

async function udpServiceGoes(t: Test, scene: Scene): Promise<void> {
  await scene.put({ name: 'web', nodePort: 30_016, to: ['far'] });
  const inside = new Flow(scene, 'pod1', 'web:80');
  const outside = new Flow(scene, 'outside', 'node:30016');
  await inside.reaches(t, 'far sees pod1', 'served');
  await outside.reaches(t, 'far sees node', 'served');
  await scene.drop('web');
  await inside.reaches(t, 'refused', 'the Service is gone');
  await outside.reaches(t, 'refused', 'and its NodePort with it');
}

async function udpOthers(t: Test, scene: Scene): Promise<void> {
  await scene.put({ name: 'web', nodePort: 30_016, to: ['pod2', 'far'] }, { name: 'other', to: ['pod2'] });
  const direct = new Flow(scene, 'pod1', 'pod2:8080');
  const other = new Flow(scene, 'pod1', 'other:80');
  await direct.reaches(t, 'pod2 sees pod1', 'without a Service');
  await other.reaches(t, 'pod2 sees pod1', 'through another Service');
  const tracked = (): string => trackedTo(scene, 'pod2');
  const before = tracked();
  await scene.put({ name: 'web', nodePort: 30_016, to: ['far'] });
  await scene.drop('web');
  t.equal(tracked(), before, 'the pod leaves one Service: its flows by other ways stay tracked');
  t.not(before, '', 'of which there are some');
  await scene.drop('other');
}

/** The tracked UDP connections that a pod answers. */
function trackedTo({ network, families }: Scene, pod: Pod): string {
  return network
    .onNode(() => listConntrack('udp'))
    .filter(({ replySrc }) => families.some((family) => addresses[family][pod] === replySrc))
    .map(({ origDst, origDstPort, replySrc }) => `${origDst} ${String(origDstPort)} ${replySrc}`)
    .sort()
    .join('\n');
}

async function udpRestart(t: Test, scene: Scene): Promise<void> {
  await scene.put(
    { name: 'web', nodePort: 30_016, to: ['far'] },
    { name: 'kept', to: ['far'] },
    { name: 'gone', to: ['far'] },
  );
  const [stale, nodePort] = [new Flow(scene, 'pod1', 'web:80'), new Flow(scene, 'outside', 'node:30016')];
  const [kept, gone] = [new Flow(scene, 'pod1', 'kept:80'), new Flow(scene, 'pod1', 'gone:80')];
  for (const flow of [stale, kept, gone]) await flow.reaches(t, 'far sees pod1', 'served');
  await nodePort.reaches(t, 'far sees node', 'served');
  // While no agent runs: the Services change, the kernel does not.
  const web = scene.compile({ name: 'web', nodePort: 30_016, to: ['pod2'] });
  if (web) scene.services.set(web.key, web);
  scene.services.delete('default/gone');
  const before = kept.tracked();
  await scene.restart();
  const orphaned = listOrphanedFlows(
    scene.network.onNode(() => listConntrack('udp')),
    scene.services.values(),
    scene.settings(),
  );
  scene.network.onNode(() => deleteConntrack(orphaned));
  t.strictSame(kept.tracked(), before, 'what is right is left alone');
  await stale.reaches(t, 'pod2 sees pod1', 'what went stale meanwhile is not');
  await nodePort.reaches(t, 'pod2 sees bridge', 'nor at a NodePort');
  await gone.reaches(t, 'refused', 'nor where the Service is gone');
  await scene.drop('web', 'kept');
}

/** A TCP connection that lasts, in every family. */
async function connect(t: Test, scene: Scene, from: Place, to: string, gets: string) {
  const name = `${from} ${to} ${String(scene.numberOf(`connection ${from} ${to}`))}`;
  for (const family of scene.families) {
    const { address, port } = scene.locate(family, to);
    const answer = await scene.network.open(from, `${name} ${family}`, address, port);
    t.equal(scene.describe(family, answer), gets, `${family} ${from} → ${to}: connected`);
  }
  /** Says something; returns the client's port as the server sees it, by family. */
  return async (why: string): Promise<Partial<Record<FamilyName, number>>> => {
    const ports: Partial<Record<FamilyName, number>> = {};
    for (const family of scene.families) {
      const answer = await scene.network.say(from, `${name} ${family}`);
      t.equal(scene.describe(family, answer), gets, `${family} ${from} → ${to}: ${why}`);
      ports[family] = Number(answer.split(' ')[2]);
    }
    return ports;
  };
}

async function tcpLives(t: Test, scene: Scene): Promise<void> {
  await scene.put({ name: 'web', ...everyKind, to: ['far'] });
  const inside = await connect(t, scene, 'pod1', 'web:80', 'far sees pod1');
  const node = await connect(t, scene, 'node', 'web:80', 'far sees node');
  const outside = await connect(t, scene, 'outside', 'node:30016', 'far sees node');
  const balanced = await connect(t, scene, 'outside', 'web/balancer:80', 'far sees node');
  const all = async (why: string): Promise<void> => {
    for (const say of [inside, node, outside, balanced]) await say(why);
  };
  await all('lives');
  await scene.put({ name: 'web', ...everyKind, to: ['far', 'pod2'] }, { name: 'other', to: ['pod1'] });
  await all('lives on when endpoints join');
  await scene.put({ name: 'web', ...everyKind, to: ['far'], spec: { externalTrafficPolicy: 'Local' } });
  await all('when the policy changes');
  await scene.restart();
  await all('when the agent restarts');
  await scene.drop('web', 'other');
  await all('when its Service is deleted');
}

async function graceful(t: Test, scene: Scene): Promise<void> {
  await scene.put({ name: 'web', ...everyKind, to: ['far'] });
  const old = await connect(t, scene, 'pod1', 'web:80', 'far sees pod1');
  const oldOutside = await connect(t, scene, 'outside', 'node:30016', 'far sees node');
  await scene.put({ name: 'web', ...everyKind, to: [draining('far'), 'pod2'] });
  for (const { family, answers } of await scene.collect('node', 'web:80', 20)) {
    t.strictSame(
      [...new Set(answers)],
      ['pod2 sees bridge'],
      `${family}: no new connection to who shuts down`,
    );
  }
  await old('the old one stays');
  await oldOutside('at a NodePort as well');
  const gone: EndpointDraft = { pod: 'far', ready: false, serving: false, terminating: true };
  await scene.put({ name: 'web', ...everyKind, to: [gone, 'pod2'] });
  await old('even when it no longer says that it serves');
  await scene.put({ name: 'web', ...everyKind, to: ['pod2'] });
  await old('and when it has left the list');
  await scene.drop('web');
}

const ip = { ipv4: 'ip', ipv6: 'ip6' } as const;

async function invalidFromPods(t: Test, { network, families }: Scene): Promise<void> {
  const watched = 9;
  for (const family of families) {
    const { pod1, peer } = addresses[family];
    const match = `${ip[family]} saddr ${pod1} tcp dport ${String(watched)}`;
    await using node = await PacketWatch.start(network, 'node', [`${match} ct state invalid`], 'filter');
    await using arrived = await PacketWatch.start(network, 'peer', [match]);
    network.sendReset('pod1', peer, watched);
    t.equal(await network.ask('pod1', 'tcp', peer, 8080), `peer ${pod1}`, 'what comes behind it arrives');
    t.equal(await node.count(), 1, `${family}: the node calls it invalid`);
    t.equal(await arrived.count(), 0, `${family}: and keeps it: nobody would have rewritten it`);
  }
}

/** Acknowledgements from everywhere in the sequence space: some are far outside any window. */
const sequences = [0x1000_0000, 0x5000_0000, 0x9000_0000, 0xd000_0000];

interface InvalidCase {
  readonly client: Place;
  readonly to: string;
  readonly sees: 'pod1' | 'node';
  readonly endpoint: 'far' | 'peer';
}

const invalidCases: readonly InvalidCase[] = [
  { client: 'pod1', to: 'web:80', sees: 'pod1', endpoint: 'far' },
  { client: 'pod1', to: 'web:80', sees: 'pod1', endpoint: 'peer' },
  { client: 'outside', to: 'node:30016', sees: 'node', endpoint: 'far' },
  { client: 'outside', to: 'node:30016', sees: 'node', endpoint: 'peer' },
];

async function invalidAnswers(t: Test, scene: Scene): Promise<void> {
  for (const each of invalidCases) {
    await scene.put({ name: 'web', ...everyKind, to: [each.endpoint] });
    await invalidAnswer(t, scene, each);
  }
  await scene.drop('web');
}

/** An answer that tracking does not understand: seen by the client with the pod's address, it would end the connection. */
async function invalidAnswer(
  t: Test,
  scene: Scene,
  { client, to, sees, endpoint }: InvalidCase,
): Promise<void> {
  const { network, families } = scene;
  const say = await connect(t, scene, client, to, `${endpoint} sees ${sees}`);
  const ports = await say('connected');
  const from = (family: FamilyName): string =>
    `${ip[family]} saddr ${addresses[family][endpoint]} tcp sport 8080`;
  const back = families.map(
    (family) => `${ip[family]} daddr ${addresses[family][endpoint]} tcp flags & rst == rst`,
  );
  await using unknown = await PacketWatch.start(
    network,
    'node',
    families.map((family) => `${from(family)} ct state invalid`),
    'filter',
  );
  await using leaked = await PacketWatch.start(network, client, families.map(from));
  await using reset = await PacketWatch.start(network, 'peer', back);
  for (const family of families) {
    const source = addresses[family][endpoint];
    const segment = { source, sourcePort: 8080, to: addresses[family][sees], port: ports[family] ?? 0 };
    for (const sequence of sequences) sendSegment(network, 'peer', { ...segment, sequence });
  }
  await unknown.until(families.length);
  await say(`lives on after nonsense from ${endpoint}`);
  t.equal(await leaked.count(), 0, `${client} → ${to}: nothing came past the rewriting`);
  t.equal(await reset.count(), 0, `${client} → ${to}: and nobody reset the connection of ${endpoint}`);
}

export const connectionParts: readonly Part[] = [
  { title: 'UDP: an endpoint stops serving', run: udpEndpointGoes },
  { title: 'UDP: the last endpoint goes', run: udpNobodyLeft },
  { title: 'UDP: the Service is deleted', run: udpServiceGoes },
  { title: 'UDP: flows that are right are left alone', run: udpOthers },
  { title: 'UDP: what changed while no agent ran', run: udpRestart },
  { title: 'TCP: connections live through rule changes and restarts', run: tcpLives },
  { title: 'TCP: an endpoint that shuts down keeps its connections and gets no new ones', run: graceful },
  { title: "a pod's invalid packets stay on the node", run: invalidFromPods },
  { title: 'invalid answers of rewritten connections do not leak', run: invalidAnswers },
];
