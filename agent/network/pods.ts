import type { Family } from '../../netns/ip.ts';
import { families, familyOf } from '../../netns/ip.ts';
import type { DesiredLink, LinkNeighbor, LinkRoute } from '../../netns/state.ts';
import * as marks from './marks.ts';
import type { AttachedPod, PodPlan } from './view.ts';

/** Where everything is that a pod has no way of its own to. */
export const defaultRoutes: Readonly<Record<Family, string>> = { ipv4: '0.0.0.0/0', ipv6: '::/0' };

/** The node's links for a pod: the end of its veth, and one in which what it sends waits where that is limited. */
export function podLinks(pod: AttachedPod, plan: PodPlan): DesiredLink[] {
  return [podLink(pod, plan), ...(pod.bandwidth?.egress ? [limiter(pod, plan)] : [])];
}

function limiter({ id }: AttachedPod, { mtu }: PodPlan): DesiredLink {
  const [name, alias] = [marks.limiterName(id), marks.limiterAlias(id)];
  return { name, alias, kind: 'ifb', up: true, mtu, linkLocal: false };
}

/**
 * The node's end of a pod's veth. On the bridge it is isolated: pods reach each other only through the node and so
 * its rules. Routed it has the hardware address that pods know as their gateway's: from inside both look alike, so
 * that one can become the other while the pod runs.
 */
function podLink({ id }: AttachedPod, { mtu, podLink, bridgeMac }: PodPlan): DesiredLink {
  const [name, alias] = [marks.podHostLinkName(id), marks.podAlias(id)];
  const shared = { name, alias, kind: 'veth', up: true, mtu, linkLocal: false } as const;
  return podLink === 'bridge'
    ? { ...shared, master: marks.bridgeName, isolated: true }
    : { ...shared, master: null, mac: bridgeMac };
}

/** Static neighbours of the pods: their first packet waits for nobody, and what they say of themselves is not asked. */
export function podNeighbors(pod: AttachedPod, plan: PodPlan): LinkNeighbor[] {
  const link = plan.podLink === 'bridge' ? marks.bridgeName : marks.podHostLinkName(pod.id);
  return pod.ips.map((address) => ({ link, address, mac: pod.mac, protocol: marks.protocol }));
}

/** The ways to a routed pod. On the bridge there is one for all of the node's range: the bridge's own address's. */
export function podRoutes({ id, ips }: AttachedPod, { podLink, ranges }: PodPlan): LinkRoute[] {
  if (podLink === 'bridge') return [];
  return ips.map((address) => {
    const family = familyOf(address);
    const source = ranges.find((range) => range.family === family)?.gateway;
    return {
      link: marks.podHostLinkName(id),
      destination: `${address}/${families[family].bits}`,
      onlink: false,
      ...(source === undefined ? {} : { source }),
      protocol: marks.protocol,
    };
  });
}
