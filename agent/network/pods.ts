import type { Family } from '../../netns/ip.ts';
import type { DesiredLink, LinkNeighbor } from '../../netns/state.ts';
import * as marks from './marks.ts';
import type { AttachedPod } from './view.ts';

/** Where everything is that a pod has no way of its own to. */
export const defaultRoutes: Readonly<Record<Family, string>> = { ipv4: '0.0.0.0/0', ipv6: '::/0' };

/** The node's end of a pod's veth. Isolated: pods reach each other only through the node and so its rules. */
export function podLink({ id }: AttachedPod, mtu: number): DesiredLink {
  const [name, alias] = [marks.podHostLinkName(id), marks.podAlias(id)];
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
export function podNeighbors({ ips, mac }: AttachedPod): LinkNeighbor[] {
  const { bridgeName: link, protocol } = marks;
  return ips.map((address) => ({ link, address, mac, protocol }));
}
