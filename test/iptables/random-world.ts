import type { EndpointSlice } from '../../api/kinds/endpoint-slice.ts';
import type { Service } from '../../api/kinds/service.ts';
import type { ExpectedNode, ExpectedPacket, World } from './expectation.ts';
import { addresses, familyNames } from './network.ts';
import type { FamilyName } from './network.ts';
import type { Random } from '../../rig/random.ts';

type Protocol = ExpectedPacket['protocol'];
type Spec = Service['spec'];
type Port = NonNullable<Spec['ports']>[number];

const here = 'node1';
const there = 'node2';

/** Addresses by family, beside those of the test network (network.ts). */
const more = {
  ipv4: {
    second: '198.18.0.1',
    loopback: '127.0.0.1',
    remote: '203.0.113.200',
    excluded: '203.0.113.128/25',
    vip: (n: number) => `10.96.${String(1 + (n >> 8))}.${String(n & 0xff)}`,
    external: (n: number) => `198.51.100.${String(n)}`,
    clusterCIDR: '10.244.0.0/16',
    serviceCIDR: '10.96.0.0/16',
    podCIDR: '10.244.1.0/24',
    ranges: [
      '192.0.2.2/32',
      '192.0.2.0/24',
      '10.244.1.0/24',
      '10.244.1.2/32',
      '203.0.113.0/24',
      ' 10.0.0.0/8 ',
    ],
    nodePortRanges: [['192.0.2.0/24'], ['198.18.0.0/15'], ['192.0.2.1/32', '198.18.0.1/32']],
  },
  ipv6: {
    second: '2001:db8:18::1',
    loopback: '::1',
    remote: '2001:db8:2::200',
    excluded: '2001:db8:2::/64',
    vip: (n: number) => `fd00:10:96::${(0x100 + n).toString(16)}`,
    external: (n: number) => `2001:db8:1::${n.toString(16)}`,
    clusterCIDR: 'fd00:10:244::/56',
    serviceCIDR: 'fd00:10:96::/112',
    podCIDR: 'fd00:10:244:1::/64',
    ranges: ['2001:db8::2/128', '2001:db8::/64', 'fd00:10:244:1::/64', 'fd00:10:244:1::2/128', ' fd00::/8'],
    nodePortRanges: [['2001:db8::/64'], ['2001:db8:18::/48'], ['2001:db8::1/128']],
  },
} as const;

/** The first port of the servers in the test network; endpoints use this one and the next. */
export const servedPort = 8080;

function randomNode(random: Random, families: readonly FamilyName[]): ExpectedNode {
  const own = (family: FamilyName): string[] => {
    const { node, bridge, dns } = addresses[family];
    return [node, bridge, dns, more[family].second, more[family].loopback];
  };
  return {
    name: here,
    zone: 'a',
    // Addresses are there whatever the cluster uses.
    addresses: [...own('ipv4'), ...own('ipv6')],
    podCIDRs: families.map((family) => more[family].podCIDR),
    clusterCIDRs: families.map((family) => more[family].clusterCIDR),
    serviceCIDRs: families.map((family) => more[family].serviceCIDR),
    dnsIPs: families.map((family) => addresses[family].dns),
    nodeIPs: families.flatMap((family) => [addresses[family].node, addresses[family].peer]),
    nonMasqueradeCIDRs: random.chance(0.5) ? [] : families.map((family) => more[family].excluded),
    nodePortAddresses: random.chance(0.5)
      ? []
      : families.flatMap((family) => random.pick<readonly string[]>(more[family].nodePortRanges)),
  };
}

/** A node and `count` Services of every kind. */
export function randomWorld(random: Random, count: number): World {
  const families = random.pick<readonly FamilyName[]>([
    ['ipv4', 'ipv6'],
    ['ipv4', 'ipv6'],
    ['ipv4'],
    ['ipv6'],
  ]);
  const services: Service[] = [];
  const slices = new Map<string, readonly EndpointSlice[]>();
  const nodePorts = Array.from({ length: 3 * count }, (_, n) => 30_000 + 7 * n);
  for (let n = 1; n <= count; n++) {
    const service = randomService(random, n, families, nodePorts);
    services.push(service);
    slices.set(`test/${service.metadata.name}`, randomSlices(random, service, families));
  }
  return { node: randomNode(random, families), services, slices };
}

/** The world a moment later: some Services went, some are others now, of some only the endpoints changed. */
export function changeWorld(
  random: Random,
  world: World,
): { readonly world: World; readonly changed: Set<string> } {
  const families = familyNames.filter((family) => world.node.clusterCIDRs.includes(more[family].clusterCIDR));
  const nodePorts = Array.from({ length: 3 * world.services.length }, (_, n) => 31_500 + 5 * n);
  const slices = new Map(world.slices);
  const changed = new Set<string>();
  const services = world.services.flatMap((service) => {
    if (!random.chance(0.3)) return [service];
    const key = `test/${service.metadata.name}`;
    changed.add(key);
    if (random.chance(0.2)) return [];
    const number = Number(service.metadata.name.slice(1));
    const after = random.chance(0.5) ? randomService(random, number, families, nodePorts) : service;
    slices.set(key, randomSlices(random, after, families));
    return [after];
  });
  return { world: { ...world, services, slices }, changed };
}

function randomService(random: Random, n: number, all: readonly FamilyName[], nodePorts: number[]): Service {
  const families = random.chance(0.6) ? all : [random.pick(all)];
  const type = random.pick(['ClusterIP', 'NodePort', 'LoadBalancer']);
  const labels = random.chance(0.03) ? { 'service.kubernetes.io/service-proxy-name': 'other' } : {};
  const clusterIPs = random.chance(0.03) ? ['None'] : families.map((family) => more[family].vip(n));
  const external = (probability: number): string[] =>
    random.chance(probability)
      ? random.some(all, 0.7).map((family) => more[family].external(random.below(3 * n) + 10))
      : [];
  const onNode = random.chance(0.05) ? [addresses[random.pick(all)].node] : [];
  const ingress = type === 'LoadBalancer' ? external(0.9) : [];
  const ranges = all.flatMap((family) => random.some<string>(more[family].ranges, 0.3));
  const spec: Spec = {
    type,
    clusterIP: clusterIPs[0] ?? '',
    clusterIPs,
    ports: randomPorts(random, type === 'ClusterIP' ? [] : nodePorts),
    externalIPs: [...external(0.3), ...onNode],
    internalTrafficPolicy: random.chance(0.3) ? 'Local' : 'Cluster',
    externalTrafficPolicy: random.chance(0.5) ? 'Local' : 'Cluster',
    publishNotReadyAddresses: random.chance(0.1),
    ...(random.chance(0.3)
      ? {
          sessionAffinity: 'ClientIP' as const,
          sessionAffinityConfig: { clientIP: { timeoutSeconds: random.pick([1, 60, 10_800, 86_400]) } },
        }
      : {}),
    ...(random.chance(0.5) ? { loadBalancerSourceRanges: ranges } : {}),
  };
  return {
    metadata: {
      name: `s${String(n)}`,
      namespace: 'test',
      labels,
      creationTimestamp: `2026-01-0${String(1 + random.below(3))}T00:00:00Z`,
    },
    spec,
    status: {
      loadBalancer: {
        ingress: ingress.map((ip) => ({ ip, ...(random.chance(0.1) ? { ipMode: 'Proxy' as const } : {}) })),
      },
    },
  };
}

function randomPorts(random: Random, nodePorts: number[]): Port[] {
  const wanted = random.pick<[Protocol, number][]>([
    [['tcp', 80]],
    [['udp', 80]],
    [['sctp', 80]],
    [
      ['tcp', 80],
      ['udp', 80],
    ],
    [
      ['tcp', 80],
      ['tcp', 443],
      ['sctp', 443],
    ],
  ]);
  const shared = nodePorts.shift();
  return wanted.map(([protocol, port], index) => ({
    name: wanted.length > 1 ? `p${String(index)}` : '',
    protocol: protocol.toUpperCase() as 'TCP' | 'UDP' | 'SCTP',
    port,
    // Protocols are independent: different ones may have the same number.
    ...(shared === undefined
      ? {}
      : { nodePort: random.chance(0.5) && wanted[0]?.[0] !== protocol ? shared : (nodePorts.shift() ?? 0) }),
  }));
}

function randomSlices(random: Random, { spec }: Service, families: readonly FamilyName[]): EndpointSlice[] {
  const hinted = random.chance(0.25);
  const size = random.pick([0, 1, 2, 3, 3, 5, 12]);
  return families.flatMap((family) => {
    const people = random.some(endpointAddresses(family, size), size > 3 ? 1 : 0.45);
    const endpoints = people.map(({ address, nodeName }) =>
      randomEndpoint(random, address, nodeName, hinted),
    );
    const slice = (some: EndpointSlice['endpoints'], name: string, shift: number): EndpointSlice => ({
      metadata: { name: `${name}-${family}`, namespace: 'test' },
      addressType: family === 'ipv4' ? 'IPv4' : 'IPv6',
      ports: (spec.ports ?? []).map(({ name = '', protocol = 'TCP' }, index) => ({
        name,
        protocol,
        port: servedPort + ((index + shift) % 2),
      })),
      endpoints: some,
    });
    const half = Math.ceil(endpoints.length / 2);
    // A named target port may be another one in another pod; who moves between slices stands in both.
    return random.chance(0.3)
      ? [slice(endpoints.slice(0, half), 'a', 0), slice(endpoints.slice(half), 'b', 1)]
      : [slice(endpoints, 'a', 0), slice(endpoints.slice(0, random.below(2)), 'b', 0)];
  });
}

/** Pods here and elsewhere, somebody on the network of this and another node, and somebody outside. */
export function endpointAddresses(family: FamilyName, size: number) {
  const { pod1, pod2, far, node, peer } = addresses[family];
  const others = Array.from({ length: Math.max(0, size - 6) }, (_, n) => ({
    address: far.replace(/2$/, String(n + 3)),
    nodeName: there,
  }));
  return [
    { address: pod1, nodeName: here },
    { address: pod2, nodeName: here },
    { address: far, nodeName: there },
    { address: node, nodeName: here },
    { address: peer, nodeName: there },
    { address: more[family].remote, nodeName: undefined },
    ...others,
  ].slice(0, size === 0 ? 0 : Math.max(size, 6));
}

function randomEndpoint(random: Random, address: string, nodeName: string | undefined, hinted: boolean) {
  const [ready, serving, terminating] = random.pick<readonly (boolean | undefined)[]>([
    [true, true, false],
    [true, true, false],
    [undefined, undefined, undefined],
    [false, false, false],
    [false, true, true],
    [false, true, true],
    [false, false, true],
  ]);
  const names = (items: readonly string[]) => random.some(items, 0.7).map((name) => ({ name }));
  return {
    addresses: [address],
    conditions: {
      ...(ready === undefined ? {} : { ready }),
      ...(serving === undefined ? {} : { serving }),
      ...(terminating === undefined ? {} : { terminating }),
    },
    // An endpoint that somebody lists by hand may be a pod and say nothing of where it is.
    ...(nodeName === undefined || random.chance(0.1) ? {} : { nodeName }),
    hints: hinted ? { forNodes: names([here, there]), forZones: names(['a', 'b']) } : {},
  };
}

/** A packet that probably concerns one of the Services. */
export function randomPacket(random: Random, world: World): ExpectedPacket {
  const service = random.pick(world.services);
  const own = (service.spec.clusterIPs ?? []).map((ip) => (ip.includes(':') ? 'ipv6' : 'ipv4'));
  const family = random.pick<FamilyName>(random.chance(0.1) ? ['ipv4', 'ipv6'] : own);
  const port = random.pick(service.spec.ports ?? []);
  const protocol = (port.protocol ?? 'TCP').toLowerCase() as Protocol;
  const { node, bridge, dns, pod1, pod2, far, outside, peer } = addresses[family];
  const { second, loopback, remote, vip, external } = more[family];
  const byNodePort = port.nodePort !== undefined && random.chance(0.3);
  const served = [
    ...(service.spec.clusterIPs ?? []),
    ...(service.spec.externalIPs ?? []),
    ...(service.status?.loadBalancer?.ingress ?? []).map(({ ip }) => ip ?? ''),
  ].filter((address) => address !== 'None' && address.includes(':') === (family === 'ipv6'));
  const others = [
    vip(0),
    vip(250),
    external(9),
    pod1,
    pod2,
    far,
    node,
    bridge,
    second,
    loopback,
    dns,
    peer,
    outside,
    remote,
  ];
  const nodes = [node, node, node, second, second, bridge, loopback, dns, peer];
  const addressed = served.length === 0 || random.chance(0.1) ? random.pick(others) : random.pick(served);
  const destination = byNodePort ? random.pick(nodes) : addressed;
  // Nothing comes in, or goes out, from an address of loopback to any other.
  const source =
    destination === loopback
      ? loopback
      : random.pick([pod1, pod1, pod2, far, node, second, outside, outside, peer, remote]);
  const number = (byNodePort ? port.nodePort : port.port) ?? port.port;
  return {
    source,
    destination,
    protocol: random.chance(0.05) ? random.pick<Protocol>(['tcp', 'udp', 'sctp']) : protocol,
    port: random.chance(0.05) ? random.pick([53, 81, 443, 30_000]) : number,
  };
}
