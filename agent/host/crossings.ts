import { familyOf } from '../../netns/ip.ts';
import type { Family } from '../../netns/ip.ts';
import type { Packet } from '../../iptables/trace/packet.ts';
import type { HostView } from './view.ts';

/** What has to be let through for a packet to pass; `inbound`: what comes to pods from where there are none. */
export type Need = 'pods' | 'inbound' | 'dns' | 'vxlan' | 'agent';

/** A packet that must pass this host's rules. */
export interface Crossing {
  /** For people: `from pods to pods of other nodes`. */
  readonly what: string;
  readonly need: Need;
  readonly packet: Packet;
}

/** Addresses for documentation (RFC 5737, RFC 3849): nobody has a route to them but the default one. */
export const elsewhere: Readonly<Record<Family, string>> = { ipv4: '192.0.2.1', ipv6: '2001:db8::1' };
/** A port that no rule is about, as far as chance goes. */
const anyPort = 40_117;

/** One packet for each way that packets of the cluster take through the host. */
export function listCrossings(view: HostView): Crossing[] {
  return [...view.pods.flatMap((pods) => listPodCrossings(view, pods)), ...listNodeCrossings(view)];
}

function listPodCrossings(view: HostView, { family, addresses }: HostView['pods'][number]): Crossing[] {
  const [pod, neighbor] = addresses;
  const isAlike = (address: string): boolean => familyOf(address) === family;
  const tcp = (what: string, source: string, destination: string): Crossing => ({
    what,
    need: 'pods',
    packet: { source, destination, protocol: 'tcp', port: anyPort },
  });
  const inbound = (what: string, source: string, rewritten: boolean): Crossing => {
    const { packet } = tcp(what, source, pod);
    return { what, need: 'inbound', packet: { ...packet, rewritten } };
  };
  return [
    tcp('between pods of this node', pod, neighbor),
    ...view.farPods
      .filter(isAlike)
      .flatMap((far) => [
        tcp('from pods to pods of other nodes', pod, far),
        tcp('from pods of other nodes to pods', far, pod),
      ]),
    // By a direct route also what other nodes' NodePorts lead here, with the address of that node.
    ...view.directNodes.filter(isAlike).map((node) => inbound('from other nodes to pods', node, false)),
    ...(view.leaving.includes(family)
      ? [
          tcp('from pods to other networks', pod, elsewhere[family]),
          inbound('from other networks by Services to pods', elsewhere[family], true),
        ]
      : []),
    ...view.dnsIPs.filter(isAlike).map((destination): Crossing => ({
      what: "from pods to the cluster's DNS",
      need: 'dns',
      packet: { source: pod, destination, protocol: 'udp', port: 53 },
    })),
  ];
}

function listNodeCrossings({ otherNodes, vxlanNodes, nodeIPs, vxlanPort, agentPort }: HostView): Crossing[] {
  const toThisNode = (
    sources: readonly string[],
    crossing: Pick<Crossing, 'what' | 'need'>,
    to: Pick<Packet, 'protocol' | 'port'>,
  ): Crossing[] =>
    sources.flatMap((source) => {
      const destination = nodeIPs.find((address) => familyOf(address) === familyOf(source));
      return destination === undefined ? [] : [{ ...crossing, packet: { source, destination, ...to } }];
    });
  return [
    ...toThisNode(
      vxlanNodes,
      { what: 'from other nodes to the vxlan port', need: 'vxlan' },
      { protocol: 'udp', port: vxlanPort },
    ),
    ...toThisNode(
      otherNodes,
      { what: "from other nodes to the agent's port (exec, logs)", need: 'agent' },
      { protocol: 'tcp', port: agentPort },
    ),
  ];
}
