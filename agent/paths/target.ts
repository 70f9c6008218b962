import type { Family } from '../../netns/ip.ts';
import type { ProbeWay, VxlanWay } from '../../netns/path-prober.ts';
import type { DesiredLink } from '../../netns/state.ts';
import { vxlanName } from '../network/marks.ts';
import type { PeerWays } from '../network/peers.ts';
import type { NodePlan } from '../network/view.ts';

/** A peer's range, and how packets get there. */
export interface PathTarget {
  readonly node: string;
  readonly range: string;
  readonly family: Family;
  /** The longest packet that gets on this way: what pods here send, or the vxlan takes. */
  readonly mtu: number;
  /** To the range's first address, which is the peer's own. */
  readonly way: ProbeWay;
}

/** All ranges of peers that this node's plan leads to. */
export function pathTargets({ state, pods, peers }: NodePlan): PathTarget[] {
  if (!pods || !peers) return [];
  const device = state.links.find(({ name }) => name === vxlanName);
  const targets: PathTarget[] = [];
  for (const { name: node, ranges, ways } of peers.entries()) {
    const vxlan = device && vxlanWay(device, ways);
    for (const { family, cidr: range, gateway: destination } of ranges) {
      const route = ways.routes.find((each) => each.destination === range);
      if (route?.source === undefined) continue;
      const ends = { source: route.source, destination };
      const shared = { node, range, family };
      const { mtu } = pods;
      if (route.link !== vxlanName) targets.push({ ...shared, mtu, way: { ends } });
      else if (device && vxlan)
        targets.push({ ...shared, mtu: Math.min(mtu, device.mtu), way: { ends, vxlan } });
    }
  }
  return targets;
}

/** How packets get into the vxlan of a peer: to the node that its forwarding entry names. */
function vxlanWay({ vxlan, mac }: DesiredLink, { fdb: [entry] }: PeerWays): VxlanWay | undefined {
  if (!vxlan || mac === undefined || !entry) return undefined;
  return {
    vni: entry.vni ?? vxlan.vni,
    port: entry.port ?? vxlan.port,
    outer: { source: vxlan.local, destination: entry.destination },
    macs: { source: mac, destination: entry.mac },
  };
}

/** Whether what was found out about the one holds for the other. */
export function isSameTarget(a: PathTarget, b: PathTarget): boolean {
  return a.node === b.node && a.mtu === b.mtu && describeWay(a.way) === describeWay(b.way);
}

function describeWay({ ends, vxlan }: ProbeWay): string {
  const inner = `${ends.source} ${ends.destination}`;
  if (!vxlan) return inner;
  const { vni, port, outer, macs } = vxlan;
  return `${inner} ${vni} ${port} ${outer.source} ${outer.destination} ${macs.source} ${macs.destination}`;
}
