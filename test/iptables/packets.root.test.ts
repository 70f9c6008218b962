import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';

import type { BaseChain } from '../../iptables/trace/program.ts';
import { readRules } from '../../iptables/trace/read.ts';
import { tracePacket } from '../../iptables/trace/walk.ts';
import { skipUnlessRoot } from '../root.ts';
import { compileWorld } from './compile-world.ts';
import { describeExpected, describeTrace } from './describe.ts';
import { expect } from './expectation.ts';
import type { Expected, ExpectedPacket, World } from './expectation.ts';
import { addresses, familyNames, TestNetwork } from './network.ts';
import type { Place } from './network.ts';
import { doorOn } from './nft-door.ts';
import { endpointAddresses, randomPacket, randomWorld, servedPort } from './random-world.ts';
import { Random } from '../../rig/random.ts';
import { backends } from './rule-namespace.ts';

/** Repeats a run: `WEFT_SEED=7 scripts/test packets`. */
const seed = Number(process.env['WEFT_SEED'] ?? 1);

/** How many packets of each kind are really sent. */
const wanted = { forward: 110, pass: 30, reject: 40, drop: 20 } as const;

/** How long nothing has to come back from a packet that must be dropped; what must be answered has much longer. */
const silenceMs = 500;
const patienceMs = 20_000;

/** Where servers stand, each under its address and port: all endpoints that a random world can have. */
const servers = familyNames.flatMap((family) => {
  const { pod1, pod2, node, outside, peer } = addresses[family];
  const own: Readonly<Record<string, Place>> = {
    [pod1]: 'pod1',
    [pod2]: 'pod2',
    [node]: 'node',
    [peer]: 'peer',
  };
  return endpointAddresses(family, 12).map(({ address, nodeName }) => ({
    address,
    place: own[address] ?? (nodeName === undefined ? ('outside' as const) : ('peer' as const)),
    /** Not known to the test network yet. */
    added: ![pod1, pod2, node, outside, peer, addresses[family].far].includes(address as never),
  }));
});

async function serve(network: TestNetwork): Promise<void> {
  for (const { address, place, added } of servers) {
    if (added)
      await network.exec(
        place,
        'ip',
        'address',
        'add',
        address,
        'dev',
        'lo',
        ...(address.includes(':') ? ['nodad'] : []),
      );
  }
  for (const family of familyNames) {
    const version = family === 'ipv4' ? '-4' : '-6';
    await network.exec('peer', 'ip', version, 'route', 'replace', 'default', 'via', addresses[family].node);
  }
  await Promise.all(
    servers.flatMap(({ address, place }) =>
      [servedPort, servedPort + 1].flatMap((port) =>
        (['tcp', 'udp'] as const).map((protocol) =>
          network.serve(place, `${address}|${String(port)}`, protocol, address, port),
        ),
      ),
    ),
  );
}

/** Who sends from this address, if it is the one that the sender's kernel chooses by itself. */
function senderOf({ source }: ExpectedPacket): Place | undefined {
  const places = ['pod1', 'pod2', 'node', 'outside', 'peer'] as const;
  return places.find((place) => familyNames.some((family) => addresses[family][place] === source));
}

/** Whether the packet can be sent in the test network, comes by the node, and shows by an answer what became of it. */
function isObservable(packet: ExpectedPacket, { verdict }: Expected): boolean {
  const { source, destination, port, protocol } = packet;
  const sender = senderOf(packet);
  const elsewhere = ['127.0.0.1', '::1', '198.18.0.1', '2001:db8:18::1'];
  if (!sender || protocol === 'sctp' || elsewhere.includes(destination) || source === destination)
    return false;
  if (verdict !== 'pass') return true;
  const server = servers.find(({ address }) => address === destination);
  // Neighbours on the switch meet without the node, and the node sends to its pods from the bridge's address.
  const direct = (place: Place): boolean => place === 'peer' || place === 'outside';
  return (
    server !== undefined &&
    port === servedPort &&
    server.place !== sender &&
    sender !== 'node' &&
    !(direct(sender) && direct(server.place))
  );
}

/** Packets of every kind, none twice. */
function samplePackets(random: Random, world: World): ExpectedPacket[] {
  const sample = new Map<string, ExpectedPacket>();
  for (const [verdict, count] of Object.entries(wanted)) {
    const end = sample.size + count;
    for (let tries = 0; sample.size < end && tries < 50_000; tries++) {
      const drawn = randomPacket(random, world);
      // What no Service has goes to a server, or it would not be seen whether it went.
      const passing = { ...drawn, destination: random.pick(servers).address, port: servedPort };
      const packet = verdict === 'pass' ? passing : drawn;
      if (packet.source.includes(':') !== packet.destination.includes(':')) continue;
      const expected = expect(world, packet);
      if (expected.verdict === verdict && isObservable(packet, expected))
        sample.set(JSON.stringify(packet), packet);
    }
  }
  return [...sample.values()];
}

/** What is wrong with an answer; undefined when it is as it must be. */
function judge(world: World, packet: ExpectedPacket, expected: Expected, answer: string): string | undefined {
  const isNode = world.node.addresses.includes(packet.source);
  // A process of the node is told by its own kernel.
  const refusals = ['ECONNREFUSED', ...(isNode && packet.protocol === 'udp' ? ['EPERM'] : [])];
  if (expected.verdict === 'drop')
    return answer === 'timeout' || (isNode && answer === 'EPERM') ? undefined : 'not dropped';
  if (expected.verdict === 'reject') return refusals.includes(answer) ? undefined : 'not rejected';
  const [server = '', seen = ''] = answer.split(' ');
  const endpoints =
    expected.verdict === 'forward'
      ? expected.endpoints
      : [{ address: packet.destination, port: packet.port, masqueraded: expected.masqueraded }];
  const endpoint = endpoints.find(({ address, port }) => server === `${address}|${String(port)}`);
  if (!endpoint) return 'not one of its endpoints';
  if (endpoint.masqueraded) return world.node.addresses.includes(seen) ? undefined : 'not masqueraded';
  return seen === packet.source ? undefined : 'masqueraded';
}

async function send(
  t: Test,
  network: TestNetwork,
  world: World,
  chains: readonly BaseChain[],
  packet: ExpectedPacket,
) {
  const { source, destination, protocol, port } = packet;
  const what = `${source} → ${destination}:${String(port)}/${protocol}`;
  const expected = expect(world, packet);
  const traced = describeTrace(tracePacket(chains, world.node, packet));
  t.strictSame(traced, describeExpected(expected, packet), `${what}: traced`);
  const sender = senderOf(packet);
  if (!sender || protocol === 'sctp') throw new TypeError(`${what} cannot be sent`);
  const timeoutMs = expected.verdict === 'drop' ? silenceMs : patienceMs;
  const answer = await network.ask(sender, protocol, destination, port, { timeoutMs });
  const wrong = judge(world, packet, expected, answer);
  if (wrong === undefined) t.pass(`${what}: ${expected.verdict}`);
  else t.fail(`${what}: ${wrong}`, { seed, answer, traced });
}

if (skipUnlessRoot(t)) {
  const lockFile = join(tmpdir(), `weft-test-packets-${String(process.pid)}.lock`);
  process.env['XTABLES_LOCKFILE'] = lockFile;
  t.teardown(() => {
    rmSync(lockFile, { force: true });
  });
  const network = await TestNetwork.create('packets');
  t.teardown(() => network[Symbol.asyncDispose]());
  await serve(network);

  const random = new Random(seed);
  let world = randomWorld(random, 60);
  while (world.node.clusterCIDRs.length < 2) world = randomWorld(random, 60);
  const packets = samplePackets(random, world);
  const total = Object.values(wanted).reduce((sum, count) => sum + count, 0);
  t.equal(packets.length, total, `a world with ${String(total)} packets to send, seed ${String(seed)}`);

  for (const [name, make] of Object.entries(backends)) {
    await t.test(name, async (t) => {
      const backend = make(network.run, doorOn(network));
      await backend.sync(compileWorld(world));
      const chains = await network.onNode(() => readRules(network.run));
      await Promise.all(packets.map((packet) => send(t, network, world, chains, packet)));
      await backend.remove();
    });
  }
}
