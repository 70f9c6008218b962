import type { Address } from '../../netns/address.ts';
import { listAddresses } from '../../netns/address.ts';
import { parseCidr, renderCidr } from '../../netns/ip.ts';
import type { Link } from '../../netns/link.ts';
import { listLinks } from '../../netns/link.ts';
import type { NetlinkSocket } from '../../netns/netlink.ts';
import { listRoutes } from '../../netns/route.ts';
import { readSysctl } from '../../netns/sysctl.ts';
import { toClusterNode } from './cluster-node.ts';
import { strictLinks } from './host-settings.ts';
import { bridgeName, ownership, podAlias, protocol, vxlanName } from './marks.ts';
import type { NetworkContext, NetworkParts } from './network-context.ts';
import { NetworkError } from './network-error.ts';
import { straightKey } from './peers.ts';
import type { PodNetwork } from './pod-network.ts';
import { podRanges } from './ranges.ts';
import type { NetworkView, PodLinkMode, PodPlan, Underlay } from './view.ts';

/**
 * Everything that the node's network follows from, as it is now.
 * @throws NetworkError `no-address` when the node's first address is on no link
 */
export function observeView(
  socket: NetlinkSocket,
  { nodeName, config, cluster, caches }: NetworkContext,
  { paths, straight }: NetworkParts,
  pods: PodNetwork,
): NetworkView {
  const nodes = Array.from(caches.nodes.list(), toClusterNode);
  const links = listLinks(socket);
  return {
    nodeName,
    nodeIPs: config.nodeIPs,
    nodes,
    dnsIPs: cluster.dnsIPs,
    vxlan: config.vxlan,
    mode: nodes.find(({ name }) => name === nodeName)?.mode ?? config.networkMode,
    podLink: config.podLink,
    podMTU: config.podMTU,
    underlay: findUnderlay(links, listAddresses(socket), config.nodeIPs),
    pods: listConnectedPods(pods, links),
    pathMtus: paths.mtus,
    proven: straight.proven,
    withoutIPv6: readSysctl('net/ipv6/conf/all/disable_ipv6') !== '0',
  };
}

/** Those with a link: one whose link is just being made or was taken by hand has nothing to be kept right. */
function listConnectedPods(pods: PodNetwork, links: readonly Link[]): NetworkView['pods'] {
  const names = new Set(links.map(({ alias }) => alias));
  return pods.attachments().filter(({ id }) => names.has(podAlias(id)));
}

/** The links and subnets of the node's addresses. */
function findUnderlay(
  links: readonly Link[],
  addresses: readonly Address[],
  nodeIPs: readonly string[],
): Underlay {
  const places = nodeIPs.flatMap((nodeIP) => {
    const found = addresses.find(({ address }) => address === nodeIP);
    const link = found && links.find(({ ifindex }) => ifindex === found.ifindex);
    return link ? [{ nodeIP, link, prefix: found.prefix }] : [];
  });
  const [first] = places;
  const [primary = ''] = nodeIPs;
  if (first?.nodeIP !== primary) {
    throw new NetworkError(
      'no-address',
      `node address ${primary} is on no link; set nodeIPs to addresses of this host`,
    );
  }
  const { name, mtu } = first.link;
  const acceptRa = readSysctl(`net/ipv6/conf/${name}/accept_ra`) ?? '0';
  const subnets = places.map(({ nodeIP, link, prefix }) => ({
    link: link.name,
    cidr: `${nodeIP}/${prefix}`,
  }));
  const strict = strictLinks(subnets.map(({ link }) => link));
  return { name, mtu, acceptsRouters: acceptRa !== '0', strictLinks: strict, subnets };
}

/** The straight ways (straightKey) that the kernel has from before. */
export function listStraightWays(socket: NetlinkSocket, links: readonly Link[]): string[] {
  const names = new Map(links.map(({ ifindex, name }) => [ifindex, name]));
  return listRoutes(socket, protocol).flatMap(({ destination: range, ifindex, gateway }) => {
    const link = names.get(ifindex) ?? vxlanName;
    return link === vxlanName || gateway === undefined ? [] : [straightKey({ range, link, gateway })];
  });
}

/** How pods were connected by an earlier run, as far as the kernel shows it. */
export function findPodPlan(
  socket: NetlinkSocket,
  links: readonly Link[],
  podLink: PodLinkMode,
): PodPlan | undefined {
  const bridge = links.find((link) => link.name === bridgeName && ownership.ownsLink(link));
  if (!bridge) return undefined;
  const cidrs = listAddresses(socket)
    .filter(({ ifindex }) => ifindex === bridge.ifindex)
    .map(({ address, prefix }) => renderCidr(parseCidr(`${address}/${prefix}`)));
  if (cidrs.length === 0) return undefined;
  return { podLink, mtu: bridge.mtu, bridgeMac: bridge.mac, ranges: podRanges(cidrs) };
}
