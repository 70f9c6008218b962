import type { KernelNode } from '../../iptables/trace/node.ts';
import { listAddresses } from '../../netns/address.ts';
import { addressAt, families, familyOf, parseCidr, positionIn } from '../../netns/ip.ts';
import type { Family } from '../../netns/ip.ts';
import { listLinks } from '../../netns/link.ts';
import { listFdb } from '../../netns/neighbor.ts';
import { NetlinkSocket } from '../../netns/netlink.ts';
import { listRoutes } from '../../netns/route.ts';
import { bridgeName, protocol, vxlanName } from '../network/marks.ts';
import { elsewhere } from './crossings.ts';
import type { HostView } from './view.ts';

type Known = Omit<HostView, 'pods' | 'farPods' | 'directNodes' | 'vxlanNodes' | 'otherNodes' | 'leaving'>;

/** Reads from the kernel where pods are and by which ways, as far as the network of the node stands. */
export function observeHost(known: Known, node: KernelNode): HostView {
  using socket = new NetlinkSocket();
  const links = listLinks(socket);
  const indexOf = (name: string): number => links.find((link) => link.name === name)?.ifindex ?? -1;
  const routes = listRoutes(socket, protocol);
  const vxlan = indexOf(vxlanName);
  const entries = vxlan < 0 ? [] : listFdb(socket, vxlan);
  const bridge = indexOf(bridgeName);
  const own = listAddresses(socket).filter(({ ifindex }) => ifindex === bridge);
  // A route per link and family: the others differ in nothing that rules could see.
  const ways = new Map(
    routes.flatMap((route) => {
      const cidr = parseCidr(route.destination);
      const isRange = cidr.prefix < families[cidr.family].bits;
      return isRange ? [[`${route.ifindex} ${cidr.family}`, { ...route, cidr }] as const] : [];
    }),
  );
  const direct = [...ways.values()].flatMap(({ ifindex, gateway }) =>
    ifindex === vxlan ? [] : (gateway ?? []),
  );
  const wrapped = entries.map(({ destination }) => destination);
  // Of routed pods each has a link and a route of its own.
  const routed = routes.flatMap(({ destination }) => {
    const { family, prefix } = parseCidr(destination);
    return prefix === families[family].bits ? [destination.slice(0, destination.indexOf('/'))] : [];
  });
  return {
    ...known,
    pods: own.map(({ address, prefix }) => {
      const cidr = parseCidr(`${address}/${prefix}`);
      const here = routed.filter((each) => positionIn(cidr, each) !== undefined);
      // Where there are none every pod's packets take the bridge, whatever its address.
      const [pod, neighbor] = [...new Set([...here, ...[2n, 3n].map((index) => addressAt(cidr, index))])];
      return { family: cidr.family, addresses: [pod ?? '', neighbor ?? ''] };
    }),
    farPods: [...ways.values()].map(({ cidr }) => addressAt(cidr, 2n)),
    directNodes: Object.values(onePerFamily(direct)),
    vxlanNodes: Object.values(onePerFamily(wrapped)),
    otherNodes: Object.values(onePerFamily([...wrapped, ...direct])),
    leaving: (['ipv4', 'ipv6'] as const).filter((family) => node.deviceTo(elsewhere[family]) !== undefined),
  };
}

function onePerFamily(addresses: readonly string[]): Partial<Record<Family, string>> {
  const found: Partial<Record<Family, string>> = {};
  for (const address of addresses) found[familyOf(address)] ??= address;
  return found;
}
