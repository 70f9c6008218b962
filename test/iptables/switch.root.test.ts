import { once } from 'node:events';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { text } from 'node:stream/consumers';
import t from 'tap';
import type { Test } from 'tap';

import type { Backend } from '../../iptables/backend.ts';
import type { CompiledService, Endpoint, Frontend, NodeSettings, Ruleset } from '../../iptables/model.ts';
import { skipUnlessRoot } from '../root.ts';
import { addresses, familyNames, TestNetwork } from './network.ts';
import type { FamilyName, Place } from './network.ts';
import { doorOn } from './nft-door.ts';
import { backends } from './rule-namespace.ts';
import type { Server, Stream, StreamOutcome } from './traffic.ts';

const settings: NodeSettings = {
  clusterCIDRs: ['10.244.0.0/16', 'fd00:10:244::/56'],
  serviceCIDRs: ['10.96.0.0/16', 'fd00:10:96::/112'],
  dnsIPs: ['10.96.0.10', 'fd00:10:96::a'],
  podCIDRs: ['10.244.1.0/24', 'fd00:10:244:1::/64'],
  nodeIPs: ['192.0.2.1', '192.0.2.3', '2001:db8::1', '2001:db8::3'],
  nodePortAddresses: [],
};
const clusterIPs = { ipv4: '10.96.0.20', ipv6: 'fd00:10:96::20' };
const served = 8080;
const [masqueraded, local] = [30_080, 30_082];

type Pod = 'pod1' | 'pod2' | 'far';

function endpoints(family: FamilyName, ...pods: Pod[]): Endpoint[] {
  return pods.map((pod) => ({ address: addresses[family][pod], port: served, local: pod !== 'far' }));
}

/** One Service with all ways in, and so many others that a load takes its time. */
function rules(): Ruleset {
  const frontend = (family: FamilyName, part: Partial<Frontend>): Frontend => ({
    family,
    protocol: 'tcp',
    kind: 'nodePort',
    address: undefined,
    port: 80,
    name: 'default/switched:web',
    endpoints: endpoints(family, 'pod1', 'pod2', 'far'),
    whenEmpty: 'reject',
    ...part,
  });
  const clusterIP = { kind: 'clusterIP' } as const;
  const service = (key: string, frontends: Frontend[]): [string, CompiledService] => [
    key,
    { key, created: '', frontends, problems: [] },
  ];
  const switched = familyNames.flatMap((family) => [
    frontend(family, { ...clusterIP, address: clusterIPs[family] }),
    frontend(family, { ...clusterIP, address: clusterIPs[family], protocol: 'udp' }),
    frontend(family, { port: masqueraded, endpoints: endpoints(family, 'pod1', 'far') }),
    frontend(family, { port: local, outside: endpoints(family, 'pod1') }),
  ]);
  const others = Array.from({ length: 100 }, (_, n) =>
    service(`default/other${String(n)}`, [
      frontend('ipv4', { ...clusterIP, address: `10.96.1.${String(n)}` }),
      frontend('ipv6', { ...clusterIP, address: `fd00:10:96::1:${String(n)}` }),
    ]),
  );
  return { settings, services: new Map([service('default/switched', switched), ...others]) };
}

const anywhere = { protocol: 'tcp', perSecond: 30, kept: 2 } as const;
/** Who asks what: 200 connections a second and more, some of them kept. */
const streams: Readonly<Partial<Record<Place, readonly Stream[]>>> = {
  pod2: familyNames.flatMap((family) => [
    { ...anywhere, address: clusterIPs[family], port: 80 },
    { ...anywhere, protocol: 'udp' as const, perSecond: 10, address: clusterIPs[family], port: 80 },
  ]),
  outside: familyNames.flatMap((family) => [
    { ...anywhere, address: addresses[family].node, port: masqueraded },
    { ...anywhere, address: addresses[family].node, port: local },
  ]),
};

/** Whom the servers may say they saw. */
function expected(place: Place, { address, port }: Stream): string[] {
  const family = address.includes(':') ? 'ipv6' : 'ipv4';
  const { bridge, node, outside, pod2 } = addresses[family];
  if (place === 'pod2') return [`far ${pod2}`, `pod1 ${pod2}`, `pod2 ${bridge}`];
  return port === local ? [`pod1 ${outside}`] : [`far ${node}`, `pod1 ${bridge}`];
}

/** Traffic that flows until it is ended. */
class Traffic {
  readonly #askers = new Map<Place, { child: ChildProcessWithoutNullStreams; said: Promise<string> }>();

  constructor(network: TestNetwork) {
    for (const [place, some] of Object.entries(streams)) {
      const child = network.spawn(place as Place, script, 'ask', JSON.stringify(some));
      // What nobody reads when a process ends is gone.
      this.#askers.set(place as Place, { child, said: text(child.stdout) });
    }
  }

  async end(): Promise<Map<Place, StreamOutcome[]>> {
    const outcomes = new Map<Place, StreamOutcome[]>();
    for (const { child } of this.#askers.values()) child.stdin.end();
    for (const [place, { said }] of this.#askers)
      outcomes.set(place, JSON.parse(await said) as StreamOutcome[]);
    return outcomes;
  }
}

const script = new URL('./traffic.ts', import.meta.url).pathname;

async function startServers(t: Test, network: TestNetwork): Promise<void> {
  const places: readonly (readonly [Place, Pod])[] = [
    ['pod1', 'pod1'],
    ['pod2', 'pod2'],
    ['peer', 'far'],
  ];
  for (const [place, pod] of places) {
    const servers: Server[] = familyNames.map((family) => ({
      name: pod,
      address: addresses[family][pod],
      port: served,
    }));
    const child = network.spawn(place, script, 'serve', JSON.stringify(servers));
    t.teardown(async () => {
      child.stdin.end();
      await once(child, 'exit');
    });
  }
  for (const family of familyNames) {
    for (const [, pod] of places) {
      while (
        (await network.ask('node', 'tcp', addresses[family][pod], served, { timeoutMs: 100 })) ===
        'ECONNREFUSED'
      )
        await sleep(20);
    }
  }
}

/** Our nftables table as another version may have made it: nothing of it has today's shape, all of it serves. */
function olderLayout(): string {
  const family = (suffix: '4' | '6', ip: string, name: FamilyName): string => {
    const { pod1 } = addresses[name];
    const to = `dnat ${ip} to ${name === 'ipv6' ? `[${pod1}]` : pod1}:${String(served)}`;
    return `
      map services${suffix} {
        type ${name}_addr . inet_service : verdict;
        elements = { ${clusterIPs[name]} . 80 : goto default-switched${suffix} }
      }
      set old-set${suffix} { type ${name}_addr; elements = { ${pod1} } }
      chain default-switched${suffix} { meta l4proto { tcp, udp } ${to}; }
      chain services${suffix} {
        ${ip} daddr . th dport vmap @services${suffix}
        ${ip} daddr ${addresses[name].node} tcp dport { ${String(masqueraded)}, ${String(local)} } ${to}
      }`;
  };
  return `table inet weft {
      ${family('4', 'ip', 'ipv4')} ${family('6', 'ip6', 'ipv6')}
      chain nat-prerouting { type nat hook prerouting priority dstnat; jump services4; jump services6; }
      chain nat-postrouting {
        type nat hook postrouting priority srcnat;
        meta l4proto tcp ct original proto-dst ${String(masqueraded)} masquerade
      }
    }`;
}

/** Every backend comes behind every other once. */
const order = [
  'iptables-nft',
  'nftables',
  'iptables-nft',
  'iptables-legacy',
  'nftables',
  'iptables-legacy',
  'iptables-nft',
];

/** As a restarted agent has it: it knows nothing of what was before. */
function make(network: TestNetwork, name: string): Backend {
  const backend = backends[name]?.(network.run, doorOn(network));
  if (!backend) throw new TypeError(`no such backend: ${name}`);
  return backend;
}

/** What came of each stream, and what to call it. */
async function endTraffic(traffic: Traffic) {
  const outcomes = await traffic.end();
  return Object.entries(streams).flatMap(([place, some]) =>
    some.map((stream, index) => {
      const outcome = outcomes.get(place as Place)?.[index];
      if (!outcome) throw new Error(`no outcome of ${place}`);
      const { protocol, address, port } = stream;
      const what = `${place} to ${protocol} ${address} port ${String(port)}`;
      return { outcome, what, expected: expected(place as Place, stream).sort() };
    }),
  );
}

async function switchAll(t: Test, network: TestNetwork): Promise<void> {
  const wanted = rules();
  const [first = '', ...others] = order;
  await make(network, first).sync(wanted);
  const traffic = new Traffic(network);
  await sleep(1000);
  let before = first;
  for (const next of others) {
    const backend = make(network, next);
    await backend.sync(wanted);
    await make(network, before).remove();
    t.equal((await backend.sync(wanted)).changes, 0, `${before} to ${next}`);
    before = next;
    await sleep(300);
  }
  for (const { outcome, what, expected } of await endTraffic(traffic)) {
    t.strictSame(outcome.failures, [], `${what}: none of ${String(outcome.answered)} failed`);
    t.ok(outcome.answered > 10 && outcome.echoed > 10, 'while they flowed');
    t.strictSame(outcome.answers, expected, 'and the source is as it should');
  }
  await make(network, before).remove();
}

/**
 * A packet that is being looked at in the very instant of a transaction may find a set of the one table with a chain of
 * the other: a new connection can meet that, one that stands cannot.
 */
async function replaceOlder(t: Test, network: TestNetwork): Promise<void> {
  const wanted = rules();
  await network.run('nft', ['-f', '-'], olderLayout());
  const traffic = new Traffic(network);
  await sleep(1000);
  const backend = make(network, 'nftables');
  t.ok((await backend.sync(wanted)).changes > 0);
  t.equal((await backend.sync(wanted)).changes, 0, 'ours stands');
  t.notMatch(await network.exec('node', 'nft', 'list', 'table', 'inet', 'weft'), /old-set|default-switched/);
  await sleep(500);
  for (const { outcome, what, expected } of await endTraffic(traffic)) {
    const lost = outcome.failures.filter((failure) => failure.startsWith('kept'));
    t.strictSame(lost, [], `${what}: no connection that stood was lost`);
    t.comment(`${String(outcome.answered)} new ones, ${String(outcome.failures.length)} failed`);
    t.ok(outcome.answered > 10 && outcome.echoed > 10, 'while they flowed');
    t.strictSame(
      outcome.answers.filter((answer) => !expected.includes(answer)),
      [],
      'and the source is as it should',
    );
  }
}

async function run(t: Test): Promise<void> {
  const lockFile = join(tmpdir(), `weft-test-switch-${String(process.pid)}.lock`);
  process.env['XTABLES_LOCKFILE'] = lockFile;
  const network = await TestNetwork.create('switch');
  t.teardown(async () => {
    await network[Symbol.asyncDispose]();
    rmSync(lockFile, { force: true });
  });
  await startServers(t, network);
  await t.test('no connection is lost when the backend changes', (t) => switchAll(t, network));
  await t.test('an older layout of our table gives way', (t) => replaceOlder(t, network));
}

if (skipUnlessRoot(t)) await t.test('real packets meanwhile', run);
