import t from 'tap';

import { compileHostPorts } from '../../agent/host-ports/compile.ts';
import type { Endpoint, Frontend, NodeSettings, Protocol, Ruleset } from '../../iptables/model.ts';
import type { Trace } from '../../iptables/trace/packet.ts';
import { tracePacket } from '../../iptables/trace/walk.ts';
import { skipUnlessRoot } from '../root.ts';
import { backends, RuleNamespace } from './rule-namespace.ts';

// Who is who:
const NODE = '192.0.2.1';
const PEER = '192.0.2.3';
const BRIDGE = '10.244.1.1';
const POD = '10.244.1.2';
const NEIGHBOR = '10.244.1.3';
const FAR_POD = '10.244.2.2';
const CLIENT = '198.51.100.9';
const VIP = '10.96.0.20';
const EXTERNAL = '203.0.113.7';
const DNS = '10.96.0.10';

const settings: NodeSettings = {
  clusterCIDRs: ['10.244.0.0/16'],
  serviceCIDRs: ['10.96.0.0/16'],
  dnsIPs: [DNS],
  podCIDRs: ['10.244.1.0/24'],
  nodeIPs: [NODE, PEER],
  nodePortAddresses: [],
};
const node = { addresses: [NODE, BRIDGE, DNS, '127.0.0.1'] };

const here: Endpoint = { address: POD, port: 8080, local: true };
const there: Endpoint = { address: FAR_POD, port: 8080, local: false };

function frontend(part: Partial<Frontend>): Frontend {
  return {
    family: 'ipv4',
    protocol: 'tcp',
    kind: 'clusterIP',
    address: VIP,
    port: 80,
    name: 'default/web',
    endpoints: [here, there],
    whenEmpty: 'reject',
    ...part,
  };
}

function rulesOf(...frontends: Frontend[]): Ruleset {
  const service = { key: 'default/web', created: '', frontends, problems: [] };
  return { settings, services: new Map([[service.key, service]]) };
}

/** `forward 10.244.1.2:8080 1/2 masqueraded, 10.244.2.2:8080 1/2`, `reject` */
function describe({ outcomes }: Trace): string {
  const each = outcomes.map(({ verdict, address, port, probability, masqueraded }) =>
    verdict === 'reject' || verdict === 'drop'
      ? verdict
      : `${verdict} ${address}:${String(port)} 1/${(1 / probability).toFixed(3)}${masqueraded ? ' masqueraded' : ''}`,
  );
  return each
    .sort()
    .join(', ')
    .replaceAll('.000', '')
    .replaceAll(/, (forward|pass) /g, ', ');
}

interface Row {
  readonly what: string;
  readonly rules: Ruleset;
  readonly packet: string;
  readonly protocol?: Protocol;
  /** Nobody listens anywhere on the node. */
  readonly isSilent?: boolean;
  readonly expect: string;
}

const nodePort = { kind: 'nodePort', address: undefined, port: 30_080 } as const;
const local = { kind: 'loadBalancer', address: EXTERNAL } as const;
const others = ['10.244.2.1', '10.244.3.1'];
const both = rulesOf(frontend({}));

/** A port of the node that leads to the pod. */
const claim = { hostPort: 8081, containerPort: 8080, protocol: 'TCP' } as const;
const claimed = compileHostPorts({ id: 'pod', ips: [POD], ports: [claim] }, [NODE, '127.0.0.1']);
const hostPort = rulesOf(...(claimed?.frontends ?? []));

/** The DNS address where it falls back on two other nodes. */
const dns = {
  settings: { ...settings, dnsFallback: true },
  services: rulesOf(
    ...(['udp', 'tcp'] as const).map((protocol) =>
      frontend({
        protocol,
        address: DNS,
        port: 53,
        endpoints: others.map((address) => ({ address, port: 53, local: false })),
      }),
    ),
  ).services,
};

/** Two Services that claim the same address. */
const conflict = {
  settings,
  services: new Map(
    [
      { key: 'default/a', created: '2026-02-02T00:00:00Z', endpoints: [here] },
      { key: 'default/b', created: '2026-01-01T00:00:00Z', endpoints: [there] },
    ].map(({ key, created, endpoints }) => [
      key,
      {
        key,
        created,
        frontends: [frontend({ kind: 'externalIP', address: EXTERNAL, name: key, endpoints })],
        problems: [],
      },
    ]),
  ),
};

const rows: readonly Row[] = [
  {
    what: 'a pod, clusterIP',
    rules: both,
    packet: `${NEIGHBOR} ${VIP} 80`,
    expect: 'forward 10.244.1.2:8080 1/2, 10.244.2.2:8080 1/2',
  },
  {
    what: 'hairpin',
    rules: both,
    packet: `${POD} ${VIP} 80`,
    expect: 'forward 10.244.1.2:8080 1/2 masqueraded, 10.244.2.2:8080 1/2',
  },
  {
    what: 'the node, clusterIP',
    rules: both,
    packet: `${NODE} ${VIP} 80`,
    expect: 'forward 10.244.1.2:8080 1/2 masqueraded, 10.244.2.2:8080 1/2 masqueraded',
  },
  {
    what: 'outside, clusterIP',
    rules: rulesOf(frontend({ endpoints: [there] })),
    packet: `${CLIENT} ${VIP} 80`,
    expect: 'forward 10.244.2.2:8080 1/1 masqueraded',
  },
  { what: 'undeclared port', rules: both, packet: `${POD} ${VIP} 81`, expect: 'reject' },
  { what: 'unallocated address', rules: both, packet: `${POD} 10.96.9.9 80`, expect: 'reject' },
  {
    what: 'no endpoints',
    rules: rulesOf(frontend({ endpoints: [] })),
    packet: `${POD} ${VIP} 80`,
    expect: 'reject',
  },
  {
    what: 'internal Local without local endpoints',
    rules: rulesOf(frontend({ endpoints: [], whenEmpty: 'drop' })),
    packet: `${POD} ${VIP} 80`,
    expect: 'drop',
  },
  {
    what: 'NodePort from outside',
    rules: rulesOf(frontend(nodePort)),
    packet: `${CLIENT} ${NODE} 30080`,
    expect: 'forward 10.244.1.2:8080 1/2 masqueraded, 10.244.2.2:8080 1/2 masqueraded',
  },
  {
    what: 'NodePort from a pod here',
    rules: rulesOf(frontend(nodePort)),
    packet: `${NEIGHBOR} ${NODE} 30080`,
    expect: 'forward 10.244.1.2:8080 1/2, 10.244.2.2:8080 1/2',
  },
  {
    what: 'NodePort on the bridge',
    rules: rulesOf(frontend(nodePort)),
    packet: `${POD} ${BRIDGE} 30080`,
    expect: 'pass 10.244.1.1:30080 1/1',
  },
  {
    what: "another node's NodePort",
    rules: rulesOf(frontend(nodePort)),
    packet: `${POD} ${PEER} 30080`,
    expect: 'pass 192.0.2.3:30080 1/1',
  },
  {
    what: 'hostPort from outside',
    rules: hostPort,
    packet: `${CLIENT} ${NODE} 8081`,
    expect: 'forward 10.244.1.2:8080 1/1',
  },
  {
    what: 'hostPort from another pod',
    rules: hostPort,
    packet: `${NEIGHBOR} ${NODE} 8081`,
    expect: 'forward 10.244.1.2:8080 1/1',
  },
  {
    what: 'hostPort from its own pod',
    rules: hostPort,
    packet: `${POD} ${NODE} 8081`,
    expect: 'forward 10.244.1.2:8080 1/1 masqueraded',
  },
  {
    what: 'hostPort from the node',
    rules: hostPort,
    packet: `${NODE} ${NODE} 8081`,
    expect: 'forward 10.244.1.2:8080 1/1 masqueraded',
  },
  {
    what: 'hostPort on the bridge',
    rules: hostPort,
    packet: `${NEIGHBOR} ${BRIDGE} 8081`,
    expect: 'pass 10.244.1.1:8081 1/1',
  },
  {
    what: 'hostPort at loopback, from the node',
    rules: hostPort,
    packet: '127.0.0.1 127.0.0.1 8081',
    expect: 'forward 10.244.1.2:8080 1/1 masqueraded',
  },
  {
    what: 'hostPort at loopback, from outside',
    rules: hostPort,
    packet: `${CLIENT} 127.0.0.1 8081`,
    expect: 'drop',
  },
  {
    what: 'loopback from a pod',
    rules: hostPort,
    packet: `${POD} 127.0.0.1 8082`,
    expect: 'drop',
  },
  {
    what: 'a pod to outside, where it keeps its address',
    rules: { ...both, settings: { ...settings, nonMasqueradeCIDRs: ['198.51.100.0/24'] } },
    packet: `${POD} ${CLIENT} 80`,
    expect: 'pass 198.51.100.9:80 1/1',
  },
  {
    what: 'Local from outside',
    rules: rulesOf(frontend({ ...local, outside: [here] })),
    packet: `${CLIENT} ${EXTERNAL} 80`,
    expect: 'forward 10.244.1.2:8080 1/1',
  },
  {
    what: 'Local from outside, nobody here',
    rules: rulesOf(frontend({ ...local, endpoints: [there], outside: [] })),
    packet: `${CLIENT} ${EXTERNAL} 80`,
    expect: 'drop',
  },
  {
    what: 'Local from a pod, nobody here',
    rules: rulesOf(frontend({ ...local, endpoints: [there], outside: [] })),
    packet: `${POD} ${EXTERNAL} 80`,
    expect: 'forward 10.244.2.2:8080 1/1',
  },
  {
    what: 'Local from the node',
    rules: rulesOf(frontend({ ...local, endpoints: [there], outside: [] })),
    packet: `${NODE} ${EXTERNAL} 80`,
    expect: 'forward 10.244.2.2:8080 1/1 masqueraded',
  },
  {
    what: 'Local, nobody anywhere',
    rules: rulesOf(frontend({ ...local, endpoints: [], outside: [] })),
    packet: `${CLIENT} ${EXTERNAL} 80`,
    expect: 'reject',
  },
  {
    what: 'a listed source',
    rules: rulesOf(frontend({ ...local, sourceRanges: ['198.51.100.0/24'] })),
    packet: `${CLIENT} ${EXTERNAL} 80`,
    expect: 'forward 10.244.1.2:8080 1/2 masqueraded, 10.244.2.2:8080 1/2 masqueraded',
  },
  {
    what: 'an unlisted source',
    rules: rulesOf(frontend({ ...local, sourceRanges: ['198.51.100.0/24'] })),
    packet: `${POD} ${EXTERNAL} 80`,
    expect: 'drop',
  },
  {
    what: 'a pod leaves',
    rules: both,
    packet: `${POD} ${CLIENT} 443`,
    expect: 'pass 198.51.100.9:443 1/1 masqueraded',
  },
  { what: 'a pod to a node', rules: both, packet: `${POD} ${PEER} 443`, expect: 'pass 192.0.2.3:443 1/1' },
  {
    what: 'a pod to a pod',
    rules: both,
    packet: `${POD} ${FAR_POD} 8080`,
    expect: 'pass 10.244.2.2:8080 1/1',
  },
  {
    what: 'a pod to a hand-made endpoint outside',
    rules: rulesOf(frontend({ endpoints: [{ address: CLIENT, port: 1, local: false }] })),
    packet: `${POD} ${VIP} 80`,
    expect: 'forward 198.51.100.9:1 1/1 masqueraded',
  },
  {
    what: 'the node to its own listener through a Service',
    rules: rulesOf(frontend({ endpoints: [{ address: NODE, port: 6443, local: true }] })),
    packet: `${NODE} ${VIP} 80`,
    expect: 'forward 192.0.2.1:6443 1/1',
  },
  {
    what: 'a pod to a listener of the node through a Service',
    rules: rulesOf(frontend({ endpoints: [{ address: NODE, port: 6443, local: true }] })),
    packet: `${POD} ${VIP} 80`,
    expect: 'forward 192.0.2.1:6443 1/1',
  },
  { what: 'DNS', rules: both, packet: `${POD} ${DNS} 53`, expect: 'pass 10.96.0.10:53 1/1' },
  {
    what: 'DNS with a server here',
    rules: dns,
    packet: `${POD} ${DNS} 53`,
    expect: 'pass 10.96.0.10:53 1/1',
  },
  {
    what: 'DNS without one',
    rules: dns,
    packet: `${POD} ${DNS} 53`,
    isSilent: true,
    expect: 'forward 10.244.2.1:53 1/2, 10.244.3.1:53 1/2',
  },
  {
    what: 'DNS without one, UDP',
    rules: dns,
    protocol: 'udp',
    packet: `${POD} ${DNS} 53`,
    isSilent: true,
    expect: 'forward 10.244.2.1:53 1/2, 10.244.3.1:53 1/2',
  },
  {
    what: 'DNS without one, where no fallback is',
    rules: both,
    packet: `${POD} ${DNS} 53`,
    isSilent: true,
    expect: 'pass 10.96.0.10:53 1/1',
  },
  {
    what: 'the first query of the node itself finds nobody',
    rules: dns,
    packet: `${DNS} ${DNS} 53`,
    isSilent: true,
    expect: 'pass 10.96.0.10:53 1/1',
  },
  { what: 'the DNS address, another port', rules: both, packet: `${POD} ${DNS} 22`, expect: 'reject' },
  {
    what: 'the older of two Services has what both claim',
    rules: conflict,
    packet: `${POD} ${EXTERNAL} 80`,
    expect: 'forward 10.244.2.2:8080 1/1',
  },
  {
    what: 'a protocol is another address',
    rules: both,
    protocol: 'udp',
    packet: `${POD} ${VIP} 80`,
    expect: 'reject',
  },
];

if (skipUnlessRoot(t)) {
  for (const backend of Object.keys(backends)) {
    await t.test(backend, async (t) => {
      using kernel = new RuleNamespace(backend);
      for (const { what, rules, packet, protocol = 'tcp', isSilent = false, expect } of rows) {
        const [source = '', destination = '', port] = packet.split(' ');
        const trace = tracePacket(
          await kernel.load(rules),
          { ...node, listens: () => !isSilent },
          {
            source,
            destination,
            protocol,
            port: Number(port),
          },
        );
        t.equal(describe(trace), expect, `${what}: ${packet}`);
      }
    });
  }
}
