import { listAddresses } from '../../netns/address.ts';
import { families, familyOf } from '../../netns/ip.ts';
import { findLink } from '../../netns/link.ts';
import type { NamespaceHandle } from '../../netns/namespace.ts';
import { NetlinkSocket } from '../../netns/netlink.ts';
import { listRoutes } from '../../netns/route.ts';
import type { Attachment } from './attachment.ts';
import * as marks from './marks.ts';
import { NetworkError } from './network-error.ts';
import { enterNamespace } from './pod-namespace.ts';
import { defaultRoutes } from './pods.ts';
import type { TrafficKeeper } from './traffic-keeper.ts';
import type { PodPlan } from './view.ts';

/** What of an attachment is not in the kernel as it shall be, a sentence each. What others added does not matter. */
export function checkPodLink(
  socket: NetlinkSocket,
  attachment: Attachment,
  { plan, traffic }: { readonly plan: PodPlan; readonly traffic: TrafficKeeper },
): string[] {
  const { id, hostLink } = attachment;
  const problems: string[] = [];
  const outer = findLink(socket, hostLink);
  if (outer?.alias !== marks.podAlias(id)) problems.push(`the node has no link ${hostLink} for ${id}`);
  else if (!outer.up) problems.push(`link ${hostLink} of ${id} is down`);
  if (outer) {
    const limiter = attachment.bandwidth?.egress ? findLink(socket, marks.limiterName(id)) : undefined;
    const ends = { link: outer.ifindex, limiter: limiter?.ifindex ?? 0 };
    const found = traffic.check(socket, { ends, pod: attachment }, plan.mtu);
    problems.push(...found.map((what) => `link ${hostLink} of ${id} ${what}`));
  }
  let namespace: NamespaceHandle;
  try {
    namespace = enterNamespace(attachment.netns);
  } catch (error) {
    if (!(error instanceof NetworkError)) throw error;
    return [...problems, error.message];
  }
  using _ = namespace;
  using inside = new NetlinkSocket({ namespace });
  return [...problems, ...checkInside(inside, attachment, plan, outer?.ifindex)];
}

function checkInside(
  inside: NetlinkSocket,
  { netns, ifname, mac, ips }: Attachment,
  plan: PodPlan,
  outer: number | undefined,
): string[] {
  const where = `${ifname} in ${netns}`;
  const link = findLink(inside, ifname);
  if (!link) return [`there is no ${where}`];
  const problems: string[] = [];
  if (outer !== undefined && link.peer !== outer) problems.push(`${where} is not the other end of our link`);
  if (!link.up) problems.push(`${where} is down`);
  if (link.mac !== mac) problems.push(`${where} has hardware address ${link.mac} instead of ${mac}`);
  const addresses = listAddresses(inside).filter(({ ifindex }) => ifindex === link.ifindex);
  const routes = listRoutes(inside, marks.protocol).filter(({ ifindex }) => ifindex === link.ifindex);
  for (const ip of ips) {
    const family = familyOf(ip);
    const isThere = addresses.some(
      ({ address, prefix }) => address === ip && prefix === families[family].bits,
    );
    if (!isThere) problems.push(`${where} has no address ${ip}`);
    const gateway = plan.ranges.find((range) => range.family === family)?.gateway;
    const hasWay = routes.some(
      (route) => route.destination === defaultRoutes[family] && route.gateway === gateway,
    );
    if (gateway !== undefined && !hasWay)
      problems.push(`${where} has no ${family} default route by ${gateway}`);
  }
  return problems;
}
