import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';

import type { Backend } from '../../iptables/backend.ts';
import type { CompiledService, Endpoint, Frontend, NodeSettings, Ruleset } from '../../iptables/model.ts';
import { listConntrack } from '../../netns/conntrack.ts';
import { addresses, familyNames, TestNetwork } from './network.ts';
import type { FamilyName, Place } from './network.ts';

/** What the contract needs to know of a backend beside its interface. */
export interface Subject {
  readonly name: string;
  make(network: TestNetwork): Backend;
  /** A rule of somebody else's, and how to see it. */
  readonly foreign: {
    readonly add: readonly string[];
    readonly list: readonly string[];
    readonly expect: RegExp;
  };
  /** Sets what the host does with packets to forward that no rule decides; absent where our rules cannot overrule it. */
  readonly forwardPolicy?: Readonly<Record<FamilyName, readonly string[]>>;
  /** What somebody might do to our rules. */
  readonly damages: readonly (readonly string[])[];
}

const settings: NodeSettings = {
  clusterCIDRs: ['10.244.0.0/16', 'fd00:10:244::/56'],
  serviceCIDRs: ['10.96.0.0/16', 'fd00:10:96::/112'],
  dnsIPs: ['10.96.0.10', 'fd00:10:96::a'],
  podCIDRs: ['10.244.1.0/24', 'fd00:10:244:1::/64'],
  nodeIPs: ['192.0.2.1', '192.0.2.3', '2001:db8::1', '2001:db8::3'],
  nodePortAddresses: [],
};

const vips = {
  ipv4: {
    cluster: (n: number) => `10.96.0.${String(n)}`,
    external: (n: number) => `198.51.100.${String(n)}`,
  },
  ipv6: {
    cluster: (n: number) => `fd00:10:96::${n.toString(16)}`,
    external: (n: number) => `2001:db8:1::${n.toString(16)}`,
  },
};

const servedPort = 8080;
const quick = { timeoutMs: 400 };

/** The backend, the network and the rules of one run. */
class Bench {
  readonly network: TestNetwork;
  readonly subject: Subject;
  backend: Backend;
  readonly services = new Map<string, CompiledService>();

  constructor(network: TestNetwork, subject: Subject) {
    this.network = network;
    this.subject = subject;
    this.backend = subject.make(network);
  }

  rules(): Ruleset {
    return { settings, services: this.services };
  }

  /** Programs one Service, in place of what it was. */
  async put(name: string, frontends: readonly Frontend[]): Promise<void> {
    const key = `default/${name}`;
    this.services.set(key, { key, created: '', frontends, localEndpoints: 0, problems: [] });
    const { refused } = await this.backend.sync(this.rules(), new Set([key]));
    const reason = refused.get(key);
    if (reason) throw reason;
  }

  async drop(name: string): Promise<void> {
    this.services.delete(`default/${name}`);
    await this.backend.sync(this.rules(), new Set([`default/${name}`]));
  }

  /** Who answers `count` connections, and with which source address it saw. */
  async answers(
    from: Place,
    protocol: 'tcp' | 'udp',
    address: string,
    port: number,
    count: number,
  ): Promise<string[]> {
    const answers: string[] = [];
    for (let n = 0; n < count; n++) answers.push(await this.network.ask(from, protocol, address, port));
    return answers;
  }
}

type Pod = 'pod1' | 'pod2' | 'far';

function endpoints(family: FamilyName, ...pods: Pod[]): Endpoint[] {
  return pods.map((pod) => ({ address: addresses[family][pod], port: servedPort, local: pod !== 'far' }));
}

type Part = Partial<Frontend> & Pick<Frontend, 'kind' | 'address' | 'port' | 'endpoints'>;

function frontend(family: FamilyName, part: Part): Frontend {
  return {
    family,
    protocol: 'tcp',
    name: `default/test:${part.kind.toLowerCase()}`,
    whenEmpty: 'reject',
    ...part,
  };
}

/** Runs the whole contract over one backend, with real packets in namespaces of its own. */
export async function runContract(t: Test, subject: Subject): Promise<void> {
  const lockFile = join(tmpdir(), `weft-test-xtables-${String(process.pid)}.lock`);
  process.env['XTABLES_LOCKFILE'] = lockFile;
  t.teardown(() => {
    rmSync(lockFile, { force: true });
  });
  const network = await TestNetwork.create(subject.name);
  t.teardown(() => network[Symbol.asyncDispose]());
  await startServers(network);
  const before = await savedRules(network);
  const bench = new Bench(network, subject);
  await bench.backend.sync(bench.rules());
  for (const family of familyNames) {
    await t.test(family, async (t) => {
      for (const part of parts) await t.test(part.title, (t) => part.run(t, bench, family));
    });
  }
  await t.test('upkeep', (t) => upkeep(t, bench, before));
}

async function startServers(network: TestNetwork): Promise<void> {
  for (const family of familyNames) {
    const { pod1, pod2, far, dns } = addresses[family];
    const any = family === 'ipv4' ? '0.0.0.0' : '::';
    for (const protocol of ['tcp', 'udp'] as const) {
      await network.serve('pod1', 'pod1', protocol, pod1, servedPort);
      await network.serve('pod2', 'pod2', protocol, pod2, servedPort);
      await network.serve('peer', 'far', protocol, far, servedPort);
      await network.serve('node', 'dns', protocol, dns, 53);
    }
    await network.serve('outside', 'outside', 'tcp', addresses[family].outside, 9090);
    await network.serve('peer', 'peer', 'tcp', addresses[family].peer, 9090);
    if (family === 'ipv6') continue;
    // Listens on every address of the node, of both families.
    await network.serve('node', 'host', 'tcp', '::', 30_999);
    await network.serve('node', 'host', 'udp', any, 30_999);
  }
}

async function savedRules(network: TestNetwork): Promise<string> {
  return network.exec('node', 'nft', 'list', 'ruleset');
}

interface ContractPart {
  readonly title: string;
  run(t: Test, bench: Bench, family: FamilyName): Promise<void>;
}

const parts: readonly ContractPart[] = [
  { title: 'clusterIP from pods, nodes and outside', run: clusterIP },
  { title: 'every endpoint gets its share', run: balance },
  { title: 'a pod reaches itself through its Service', run: hairpin },
  { title: 'NodePort on the addresses of the node', run: nodePort },
  { title: 'NodePort on no other address', run: nodePortElsewhere },
  { title: 'externalIP', run: externalIP },
  { title: 'what nobody serves is refused', run: refusals },
  { title: 'externalTrafficPolicy Local', run: policyLocal },
  { title: 'sessionAffinity ClientIP', run: affinity },
  { title: 'loadBalancerSourceRanges', run: sourceRanges },
  { title: 'pods leave the cluster with the address of the node', run: leaving },
  { title: 'the DNS address serves port 53 only', run: dnsAddress },
  { title: 'queries to the DNS address are not tracked', run: untracked },
  { title: "a pod's invalid packets stay on the node", run: invalid },
  { title: 'a host that forwards nothing forwards for pods and Services', run: forwarding },
];

async function clusterIP(t: Test, bench: Bench, family: FamilyName): Promise<void> {
  const own = addresses[family];
  const address = vips[family].cluster(20);
  for (const protocol of ['tcp', 'udp'] as const) {
    const to = (pod: Pod) => [
      frontend(family, { kind: 'clusterIP', protocol, address, port: 80, endpoints: endpoints(family, pod) }),
    ];
    await bench.put('cluster', to('far'));
    t.equal(
      await bench.network.ask('pod1', protocol, address, 80),
      `far ${own.pod1}`,
      `${protocol}: the pod's own address is seen`,
    );
    t.equal(
      await bench.network.ask('node', protocol, address, 80),
      `far ${own.node}`,
      `${protocol} from the node`,
    );
    t.equal(
      await bench.network.ask('outside', protocol, address, 80),
      `far ${own.node}`,
      `${protocol} from outside: masqueraded`,
    );
    await bench.put('cluster', to('pod2'));
    t.equal(
      await bench.network.ask('pod1', protocol, address, 80),
      `pod2 ${own.pod1}`,
      `${protocol} to a pod of the same node`,
    );
    t.equal(
      await bench.network.ask('node', protocol, address, 80),
      `pod2 ${own.bridge}`,
      `${protocol} from the node to its pod`,
    );
  }
  await bench.drop('cluster');
}

async function balance(t: Test, bench: Bench, family: FamilyName): Promise<void> {
  const address = vips[family].cluster(21);
  const all = endpoints(family, 'pod1', 'pod2', 'far');
  await bench.put('balance', [frontend(family, { kind: 'clusterIP', address, port: 80, endpoints: all })]);
  const answers = await bench.answers('node', 'tcp', address, 80, 90);
  const count = (name: string): number => answers.filter((answer) => answer.startsWith(`${name} `)).length;
  // 90 draws of probability 1/3: outside 12…48 once in some 10^5 runs per endpoint.
  for (const pod of ['pod1', 'pod2', 'far']) {
    t.ok(count(pod) >= 12 && count(pod) <= 48, `${pod} answered ${String(count(pod))} of 90`);
  }
  await bench.drop('balance');
}

async function hairpin(t: Test, bench: Bench, family: FamilyName): Promise<void> {
  const address = vips[family].cluster(22);
  const only = endpoints(family, 'pod1');
  await bench.put('hairpin', [
    frontend(family, { kind: 'clusterIP', address, port: 80, endpoints: only }),
    frontend(family, { kind: 'nodePort', address: undefined, port: 30_022, endpoints: only }),
  ]);
  t.equal(await bench.network.ask('pod1', 'tcp', address, 80), `pod1 ${addresses[family].bridge}`);
  t.equal(
    await bench.network.ask('pod1', 'tcp', addresses[family].node, 30_022),
    `pod1 ${addresses[family].bridge}`,
  );
  t.equal(
    await bench.network.ask('pod2', 'tcp', address, 80),
    `pod1 ${addresses[family].pod2}`,
    'others keep their address',
  );
  await bench.drop('hairpin');
}

async function nodePort(t: Test, bench: Bench, family: FamilyName): Promise<void> {
  const own = addresses[family];
  for (const protocol of ['tcp', 'udp'] as const) {
    const to = (pod: Pod) => [
      frontend(family, {
        kind: 'nodePort',
        protocol,
        address: undefined,
        port: 30_080,
        endpoints: endpoints(family, pod),
      }),
    ];
    await bench.put('nodeport', to('far'));
    const ask = (from: Place): Promise<string> => bench.network.ask(from, protocol, own.node, 30_080);
    t.equal(await ask('outside'), `far ${own.node}`, `${protocol} from outside to another node's pod`);
    t.equal(
      await ask('pod1'),
      `far ${own.pod1}`,
      `${protocol} from a pod of this node: its own address is seen`,
    );
    t.equal(await ask('node'), `far ${own.node}`, `${protocol} from the node itself`);
    await bench.put('nodeport', to('pod1'));
    t.equal(await ask('outside'), `pod1 ${own.bridge}`, `${protocol} from outside to a pod here`);
    t.equal(await ask('peer'), `pod1 ${own.bridge}`, `${protocol} from another node`);
  }
  await bench.drop('nodeport');
}

async function nodePortElsewhere(t: Test, bench: Bench, family: FamilyName): Promise<void> {
  const own = addresses[family];
  const to = endpoints(family, 'pod2');
  await bench.put('elsewhere', [
    frontend(family, { kind: 'nodePort', address: undefined, port: 30_999, endpoints: to }),
  ]);
  t.equal(
    await bench.network.ask('pod1', 'tcp', own.node, 30_999),
    `pod2 ${own.pod1}`,
    "the node's address: the Service",
  );
  t.equal(
    await bench.network.ask('pod1', 'tcp', own.bridge, 30_999),
    `host ${own.pod1}`,
    "the pod bridge's: the host's own listener",
  );
  const loopback = family === 'ipv4' ? '127.0.0.1' : '::1';
  t.equal(
    await bench.network.ask('node', 'tcp', loopback, 30_999),
    `host ${loopback}`,
    "loopback: the host's own listener",
  );
  t.equal(await bench.network.ask('pod1', 'tcp', own.dns, 30_999), 'ECONNREFUSED', 'the DNS address: nobody');
  await bench.drop('elsewhere');
}

async function externalIP(t: Test, bench: Bench, family: FamilyName): Promise<void> {
  const own = addresses[family];
  const address = vips[family].external(7);
  const to = endpoints(family, 'far');
  await bench.put('external', [frontend(family, { kind: 'externalIP', address, port: 81, endpoints: to })]);
  t.equal(await bench.network.ask('outside', 'tcp', address, 81), `far ${own.node}`);
  t.equal(await bench.network.ask('pod1', 'tcp', address, 81), `far ${own.pod1}`);
  t.equal(await bench.network.ask('node', 'tcp', address, 81), `far ${own.node}`);
  await bench.drop('external');
}

async function refusals(t: Test, bench: Bench, family: FamilyName): Promise<void> {
  const address = vips[family].cluster(23);
  const external = vips[family].external(8);
  const none = { endpoints: [] };
  const both = (['tcp', 'udp'] as const).flatMap((protocol) => [
    frontend(family, { kind: 'clusterIP', protocol, address, port: 80, ...none }),
    frontend(family, { kind: 'externalIP', protocol, address: external, port: 80, ...none }),
    frontend(family, { kind: 'nodePort', protocol, address: undefined, port: 30_081, ...none }),
  ]);
  const served = endpoints(family, 'pod1');
  await bench.put('empty', both);
  await bench.put('served', [
    frontend(family, { kind: 'clusterIP', address: vips[family].cluster(24), port: 80, endpoints: served }),
  ]);
  for (const protocol of ['tcp', 'udp'] as const) {
    for (const from of ['pod1', 'node', 'outside'] as const) {
      const refused = async (to: string, port: number, what: string): Promise<void> => {
        t.equal(
          await bench.network.ask(from, protocol, to, port, quick),
          'ECONNREFUSED',
          `${protocol} from ${from}: ${what}`,
        );
      };
      await refused(address, 80, 'clusterIP without endpoints');
      await refused(external, 80, 'externalIP without endpoints');
      await refused(addresses[family].node, 30_081, 'NodePort without endpoints');
      await refused(vips[family].cluster(24), 81, 'a port that the Service does not have');
      await refused(vips[family].cluster(250), 80, 'an address that no Service has');
    }
  }
  await bench.drop('empty');
  await bench.drop('served');
}

async function policyLocal(t: Test, bench: Bench, family: FamilyName): Promise<void> {
  const own = addresses[family];
  const address = vips[family].external(9);
  const frontends = (here: Pod[], everywhere: Pod[]): Frontend[] => [
    frontend(family, {
      kind: 'loadBalancer',
      address,
      port: 82,
      endpoints: endpoints(family, ...everywhere),
      outside: endpoints(family, ...here),
    }),
    frontend(family, {
      kind: 'nodePort',
      address: undefined,
      port: 30_082,
      endpoints: endpoints(family, ...everywhere),
      outside: endpoints(family, ...here),
    }),
  ];
  await bench.put('local', frontends(['pod1'], ['pod1', 'far']));
  const seen = new Set(await bench.answers('outside', 'tcp', address, 82, 12));
  t.strictSame([...seen], [`pod1 ${own.outside}`], 'outside: only the pod here, which sees the client');
  t.equal(
    await bench.network.ask('outside', 'tcp', own.node, 30_082),
    `pod1 ${own.outside}`,
    'NodePort likewise',
  );
  await bench.put('local', frontends([], ['far']));
  t.equal(await bench.network.ask('outside', 'tcp', address, 82, quick), 'timeout', 'no pod here: dropped');
  t.equal(await bench.network.ask('outside', 'tcp', own.node, 30_082, quick), 'timeout', 'NodePort likewise');
  t.equal(
    await bench.network.ask('pod1', 'tcp', address, 82),
    `far ${own.pod1}`,
    'a pod of this node uses all endpoints',
  );
  t.equal(await bench.network.ask('node', 'tcp', address, 82), `far ${own.node}`, 'and so does the node');
  t.equal(await bench.network.ask('node', 'tcp', own.node, 30_082), `far ${own.node}`, 'by NodePort, too');
  await bench.put('local', frontends([], []));
  t.equal(
    await bench.network.ask('outside', 'tcp', address, 82, quick),
    'ECONNREFUSED',
    'no pod anywhere: refused',
  );
  await bench.drop('local');
}

async function affinity(t: Test, bench: Bench, family: FamilyName): Promise<void> {
  const address = vips[family].cluster(25);
  const put = (pods: Pod[]): Promise<void> =>
    bench.put('sticky', [
      frontend(family, {
        kind: 'clusterIP',
        address,
        port: 80,
        endpoints: endpoints(family, ...pods),
        affinitySeconds: 600,
      }),
    ]);
  await put(['pod1', 'pod2', 'far']);
  const first = new Set(await bench.answers('node', 'tcp', address, 80, 12));
  t.equal(first.size, 1, 'twelve connections, one endpoint');
  await bench.backend.sync(bench.rules());
  const again = new Set(await bench.answers('node', 'tcp', address, 80, 6));
  t.strictSame(again, first, 'also behind a full sync');
  const [answer = ''] = first;
  const left = (['pod1', 'pod2', 'far'] as const).filter((pod) => !answer.startsWith(`${pod} `));
  await put([...left]);
  const moved = new Set(await bench.answers('node', 'tcp', address, 80, 12));
  t.equal(moved.size, 1, 'its endpoint is gone: another one, and that one only');
  t.not([...moved][0], answer);
  await bench.drop('sticky');
}

async function sourceRanges(t: Test, bench: Bench, family: FamilyName): Promise<void> {
  const own = addresses[family];
  const address = vips[family].external(10);
  const host = family === 'ipv4' ? '/32' : '/128';
  const put = (...ranges: string[]): Promise<void> =>
    bench.put('ranges', [
      frontend(family, {
        kind: 'loadBalancer',
        address,
        port: 83,
        endpoints: endpoints(family, 'pod1'),
        sourceRanges: ranges,
      }),
    ]);
  await put(family === 'ipv4' ? '203.0.113.0/24' : '2001:db8:99::/64', `${own.outside}${host}`);
  t.equal(await bench.network.ask('outside', 'tcp', address, 83), `pod1 ${own.bridge}`, 'a listed source');
  t.equal(await bench.network.ask('pod2', 'tcp', address, 83, quick), 'timeout', 'a pod that is not listed');
  await put(`${own.pod2}${host}`);
  t.equal(
    await bench.network.ask('outside', 'tcp', address, 83, quick),
    'timeout',
    'a source that is no longer listed',
  );
  t.equal(await bench.network.ask('pod2', 'tcp', address, 83), `pod1 ${own.pod2}`, 'a pod that is listed');
  await bench.drop('ranges');
}

async function leaving(t: Test, bench: Bench, family: FamilyName): Promise<void> {
  const own = addresses[family];
  const ask = (to: string, port: number): Promise<string> => bench.network.ask('pod1', 'tcp', to, port);
  t.equal(await ask(own.outside, 9090), `outside ${own.node}`, 'to a host outside: masqueraded');
  t.equal(await ask(own.peer, 9090), `peer ${own.pod1}`, 'to another node: never');
  t.equal(await ask(own.far, servedPort), `far ${own.pod1}`, "to another node's pod: never");
  t.equal(await ask(own.pod2, servedPort), `pod2 ${own.pod1}`, 'to a pod here: never');
  t.equal(await ask(own.node, 30_999), `host ${own.pod1}`, 'to the node: never');
}

async function dnsAddress(t: Test, bench: Bench, family: FamilyName): Promise<void> {
  const own = addresses[family];
  for (const protocol of ['tcp', 'udp'] as const) {
    t.equal(
      await bench.network.ask('pod1', protocol, own.dns, 53),
      `dns ${own.pod1}`,
      `${protocol} from a pod`,
    );
    t.equal(
      await bench.network.ask('node', protocol, own.dns, 53),
      `dns ${own.dns}`,
      `${protocol} from the node`,
    );
  }
  t.equal(
    await bench.network.ask('pod1', 'tcp', own.dns, 30_999),
    'ECONNREFUSED',
    "the node's other listeners: refused",
  );
}

async function untracked(t: Test, bench: Bench, family: FamilyName): Promise<void> {
  const { pod1, far, dns } = addresses[family];
  for (const protocol of ['tcp', 'udp'] as const) {
    const tracked = (address: string): boolean =>
      bench.network
        .onNode(() => listConntrack(protocol))
        .some(({ origDst, replySrc }) => origDst === address || replySrc === address);
    t.equal(await bench.network.ask('pod1', protocol, dns, 53), `dns ${pod1}`);
    t.equal(await bench.network.ask('node', protocol, dns, 53), `dns ${dns}`);
    t.equal(tracked(dns), false, `${protocol}: neither query nor answer`);
    await bench.network.ask('pod1', protocol, far, servedPort);
    t.equal(tracked(far), true, `${protocol}: as everything else is`);
  }
}

async function invalid(t: Test, { network }: Bench, family: FamilyName): Promise<void> {
  const { pod1, peer } = addresses[family];
  const watched = 9;
  const count = async (place: Place): Promise<number> => {
    const list = await network.exec(place, 'nft', 'list', 'table', 'inet', 'watch');
    return Number(/counter packets (\d+)/.exec(list)?.[1]);
  };
  const watch = (place: Place, match: string): Promise<string> => {
    const hook = `type filter hook prerouting priority 0; ${match} tcp dport ${String(watched)} counter;`;
    return network.exec(place, 'nft', `table inet watch { chain c { ${hook} }; }`);
  };
  await watch('node', 'ct state invalid');
  await watch('peer', '');
  network.sendReset('pod1', peer, watched);
  t.equal(await network.ask('pod1', 'tcp', peer, 9090), `peer ${pod1}`, 'what comes behind it arrives');
  t.equal(await count('node'), 1, 'the node calls it invalid');
  t.equal(await count('peer'), 0, 'and keeps it: nobody would have rewritten it');
  for (const place of ['node', 'peer'] as const) {
    await network.exec(place, 'nft', 'delete', 'table', 'inet', 'watch');
  }
}

async function forwarding(t: Test, bench: Bench, family: FamilyName): Promise<void> {
  const { network, subject } = bench;
  const own = addresses[family];
  const policy = subject.forwardPolicy?.[family];
  if (!policy) {
    t.comment('not in the power of this backend');
    return;
  }
  const far = endpoints(family, 'far');
  const host = [{ address: own.peer, port: 9090, local: false }];
  const nodePort = { kind: 'nodePort', address: undefined } as const;
  await bench.put('forward', [
    frontend(family, { ...nodePort, port: 30_085, endpoints: far }),
    frontend(family, { ...nodePort, port: 30_086, endpoints: host }),
  ]);
  await network.run(...command([...policy, 'DROP']));
  t.equal(await network.ask('pod1', 'tcp', own.far, servedPort), `far ${own.pod1}`, 'pod to pod');
  t.equal(await network.ask('peer', 'tcp', own.pod1, servedPort), `pod1 ${own.peer}`, 'a node to a pod');
  t.equal(await network.ask('pod1', 'tcp', own.outside, 9090), `outside ${own.node}`, 'a pod to outside');
  t.equal(await network.ask('outside', 'tcp', own.node, 30_085), `far ${own.node}`, 'outside to a Service');
  t.equal(
    await network.ask('outside', 'tcp', own.node, 30_086),
    `peer ${own.node}`,
    'also where its endpoint is no pod',
  );
  await network.run(...command([...policy, 'ACCEPT']));
  await bench.drop('forward');
}

/** Nothing to do is nothing done; damage is repaired; a bad Service harms no other; nothing is left behind. */
async function upkeep(t: Test, bench: Bench, before: string): Promise<void> {
  const { network, subject } = bench;
  const address = vips.ipv4.cluster(30);
  const works = async (what: string): Promise<void> => {
    t.equal(await network.ask('pod1', 'tcp', address, 80), `far ${addresses.ipv4.pod1}`, what);
  };
  const many = Array.from({ length: 40 }, (_, n) =>
    familyNames.flatMap((family) => {
      const to = { port: 80, endpoints: endpoints(family, 'pod1', 'pod2', 'far') };
      // The low bits of these are all the same: the tree has to look further up.
      const external = family === 'ipv4' ? `198.51.${String(n)}.1` : `2001:db8:1::${(n + 1).toString(16)}:1`;
      return [
        frontend(family, { kind: 'clusterIP', address: vips[family].cluster(100 + n), ...to }),
        frontend(family, { kind: 'externalIP', address: external, ...to }),
      ];
    }),
  ).flat();
  await bench.put('many', many);
  await bench.put('upkeep', [
    frontend('ipv4', { kind: 'clusterIP', address, port: 80, endpoints: endpoints('ipv4', 'far') }),
  ]);
  t.equal((await bench.backend.sync(bench.rules())).changes, 0, 'a second run changes nothing');
  await network.run(...command(subject.foreign.add));
  for (const damage of subject.damages) {
    await network.run(...command(damage));
    t.ok((await bench.backend.sync(bench.rules())).changes > 0, `damage is noticed: ${damage.join(' ')}`);
    await works('and repaired');
    t.equal((await bench.backend.sync(bench.rules())).changes, 0, 'once');
  }
  bench.backend = subject.make(network);
  await bench.backend.sync(bench.rules());
  await works('a restarted daemon takes over');
  t.equal((await bench.backend.sync(bench.rules())).changes, 0, 'and then has nothing to do');
  await isolates(t, bench, works);
  t.match(await network.run(...command(subject.foreign.list)), subject.foreign.expect, "others' rules stand");
  t.equal(await bench.backend.remove(), true, 'our rules are removed');
  t.match(
    await network.run(...command(subject.foreign.list)),
    subject.foreign.expect,
    "others' rules still stand",
  );
  const left = (await savedRules(network)).toLowerCase();
  t.notMatch(left, /weft/, 'and no trace of ours');
  t.notMatch(before.toLowerCase(), /weft/, 'as before');
  t.equal(await bench.backend.remove(), false, 'a second removal finds nothing');
}

async function isolates(t: Test, bench: Bench, works: (what: string) => Promise<void>): Promise<void> {
  const nonsense = [{ address: '10.244.1.9', port: 70_000, local: false }];
  const bad = frontend('ipv4', {
    kind: 'clusterIP',
    address: vips.ipv4.cluster(31),
    port: 80,
    endpoints: nonsense,
  });
  const good = frontend('ipv4', {
    kind: 'clusterIP',
    address: vips.ipv4.cluster(32),
    port: 80,
    endpoints: endpoints('ipv4', 'pod2'),
  });
  const service = (key: string, one: Frontend): void => {
    bench.services.set(key, { key, created: '', frontends: [one], localEndpoints: 0, problems: [] });
  };
  service('default/bad', bad);
  service('default/good', good);
  const { refused } = await bench.backend.sync(bench.rules(), new Set(['default/bad', 'default/good']));
  t.strictSame([...refused.keys()], ['default/bad'], 'the Service that the kernel refuses is named');
  t.equal(
    await bench.network.ask('pod1', 'tcp', vips.ipv4.cluster(32), 80),
    `pod2 ${addresses.ipv4.pod1}`,
    'the one beside it works',
  );
  await works('and so do the others');
  const again = await bench.backend.sync(bench.rules());
  t.strictSame([...again.refused.keys()], ['default/bad'], 'it is tried again with every full sync');
  service('default/bad', { ...bad, endpoints: endpoints('ipv4', 'pod1') });
  const mended = await bench.backend.sync(bench.rules(), new Set(['default/bad']));
  t.equal(mended.refused.size, 0, 'and programmed when it has been mended');
}

function command([program = '', ...args]: readonly string[]): [string, string[]] {
  return [program, args];
}
