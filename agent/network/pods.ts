import type { DesiredLink, LinkNeighbor } from '../../netns/state.ts';
import * as marks from './marks.ts';
import type { AttachedPod } from './view.ts';

/** The node's end of a pod's veth. Isolated: pods reach each other only through the node and so its rules. */
export function podLink(uid: string, mtu: number): DesiredLink {
  const [name, alias] = [marks.podHostLinkName(uid), marks.podAlias(uid)];
  return {
    name,
    alias,
    kind: 'veth',
    up: true,
    mtu,
    master: marks.bridgeName,
    isolated: true,
    linkLocal: false,
  };
}

/** Static neighbours of the pods on the bridge: their first packet waits for nobody. */
export function podNeighbors({ uid, ips }: AttachedPod): LinkNeighbor[] {
  const { bridgeName: link, protocol } = marks;
  return ips.map((address) => ({ link, address, mac: marks.podMac(uid), protocol }));
}
