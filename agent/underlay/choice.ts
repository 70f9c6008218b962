import { familyOf, parseCidr, positionIn } from '../../netns/ip.ts';
import type { AddressWish, Choice, HostView, Way } from './view.ts';

/** Links made for containers and tunnels: unless something speaks for them, their addresses are not the node's. */
const unlikely = /^(veth|docker|br-|virbr|cni|flannel|vxlan|tun|tap|wg)/;

/**
 * What VirtualBox (so Vagrant) and QEMU give the first network card of every machine: a NAT of its own, through which
 * machines reach the internet, but not each other.
 */
const userModeNat = '10.0.2.15';

/** Of no use to other nodes: loopback, and link-local, which means another link on every node (RFC 4291, 2.5.6). */
const notGlobal = ['127.0.0.0/8', '169.254.0.0/16', '::1/128', 'fe80::/10'].map(parseCidr);

/**
 * The addresses that carry the node. In this order: those that `nodeIPs` names, or that are in its ranges; those of the
 * link that `nodeInterface` names; those of the link that leads to the API server, or has its address; of the default
 * route's; of any other. One link only: of two cards nobody knows that they lead to the same nodes.
 * @param current those in use: they stay as long as they are as good as others of their link
 */
export function chooseAddresses(wish: AddressWish, host: HostView, current: readonly string[] = []): Choice {
  const usable = new Candidates(host, current);
  if (wish.nodeIPs.length > 0) return chooseGiven(wish, usable);
  if (wish.nodeInterface !== undefined) return chooseNamed(wish.nodeInterface, usable);
  return chooseByWay(wish, host, usable);
}

/** Whether `nodeIPs` names addresses only: then nothing has to be found. */
export function isExplicit({ nodeIPs }: AddressWish): boolean {
  return nodeIPs.length > 0 && nodeIPs.every((text) => !text.includes('/'));
}

type Candidate = HostView['addresses'][number];

/** The addresses of a host that may be a node's, the better ones first. */
class Candidates {
  readonly host: HostView;
  readonly #addresses: readonly Candidate[];
  readonly #current: readonly string[];

  constructor(host: HostView, current: readonly string[]) {
    this.host = host;
    this.#current = current;
    const ours = new Set(
      host.links.filter(({ alias }) => alias.startsWith('weft:')).map(({ ifindex }) => ifindex),
    );
    const rank = ({ address, secondary }: Candidate): number =>
      Number(!current.includes(address)) + 2 * Number(secondary);
    this.#addresses = host.addresses
      .filter(({ ifindex, address, passive, tentative }) => {
        return !ours.has(ifindex) && !passive && !tentative && !isIn(notGlobal, address);
      })
      .toSorted((left, right) => rank(left) - rank(right));
  }

  /** One per family, IPv4 first: all nodes have to agree on the family that carries them. */
  on(ifindex: number, source?: string): string[] {
    const own = this.#addresses.filter((each) => each.ifindex === ifindex);
    return (['ipv4', 'ipv6'] as const).flatMap((family) => {
      const [first, ...others] = own.filter(({ address }) => familyOf(address) === family);
      if (!first) return [];
      if (this.#current.includes(first.address)) return [first.address];
      const asked = [first, ...others].find(({ address, secondary }) => address === source && !secondary);
      return [(asked ?? first).address];
    });
  }

  within(range: string, links: RegExp | undefined): Candidate | undefined {
    const ranges = [parseCidr(range)];
    return this.#addresses.find(
      ({ ifindex, address }) => isIn(ranges, address) && (links?.test(this.nameOf(ifindex)) ?? true),
    );
  }

  linkOf(address: string): number | undefined {
    return this.host.addresses.find((each) => each.address === address)?.ifindex;
  }

  nameOf(ifindex: number): string {
    return this.host.links.find((link) => link.ifindex === ifindex)?.name ?? '';
  }
}

/** Every item by itself: the ranges of two families may be on two links. */
function chooseGiven({ nodeIPs, nodeInterface }: AddressWish, usable: Candidates): Choice {
  const links = nodeInterface === undefined ? undefined : wholeName(nodeInterface);
  const found = nodeIPs.map((text) => ({
    text,
    address: text.includes('/') ? usable.within(text, links)?.address : text,
  }));
  const addresses = found.flatMap(({ address }) => address ?? []);
  const missing = found.filter(
    ({ address }) => address === undefined || usable.linkOf(address) === undefined,
  );
  const ifindex = usable.linkOf(addresses[0] ?? '');
  const texts = missing.map(({ text }) => text).join(', ');
  return {
    addresses,
    ...(ifindex === undefined ? {} : { ifindex }),
    found: 'by nodeIPs',
    ...(missing.length > 0 ? { problem: `this machine has no address ${texts}; correct nodeIPs` } : {}),
  };
}

function chooseNamed(pattern: string, usable: Candidates): Choice {
  const isWanted = wholeName(pattern);
  const links = usable.host.links.filter(({ name }) => isWanted.test(name));
  for (const { ifindex, name } of links) {
    const addresses = usable.on(ifindex);
    if (addresses.length > 0) return { addresses, ifindex, found: `on ${name}, by nodeInterface` };
  }
  const names = links.map(({ name }) => name).join(', ');
  const what = links.length > 0 ? `link ${names} has no address` : `no link is called ${pattern}`;
  return { addresses: [], found: 'by nodeInterface', problem: `${what}; correct nodeInterface` };
}

function chooseByWay(wish: AddressWish, host: HostView, usable: Candidates): Choice {
  const hints: { readonly way: Way; readonly why: string }[] = [
    ...host.toServer.map((way) => ({ way, why: 'which leads to the server' })),
    ...[wish.advertiseAddress ?? [], ...host.ownServerIPs].flat().flatMap((address) => {
      const ifindex = usable.linkOf(address);
      return ifindex === undefined
        ? []
        : [{ way: { ifindex, source: address }, why: "which has the server's address" }];
    }),
    ...host.toOthers.map((way) => ({ way, why: 'which has the default route' })),
    ...host.links
      .filter(({ name }) => !unlikely.test(name))
      .map(({ ifindex }) => ({ way: { ifindex }, why: 'as no other has any' })),
  ];
  const choices = hints
    .map(({ way: { ifindex, source }, why }): Choice => {
      return {
        addresses: usable.on(ifindex, source),
        ifindex,
        found: `on ${usable.nameOf(ifindex)}, ${why}`,
      };
    })
    .filter(({ addresses }) => addresses.length > 0);
  const choice = choices.find(({ addresses }) => !addresses.includes(userModeNat)) ?? choices[0];
  if (!choice)
    return { addresses: [], found: 'nowhere', problem: 'no link has an address that other nodes can reach' };
  if (!choice.addresses.includes(userModeNat)) return choice;
  const problem = `${userModeNat} is what every VirtualBox or QEMU machine has; set nodeIPs or nodeInterface`;
  return { ...choice, problem };
}

function wholeName(pattern: string): RegExp {
  return new RegExp(`^(?:${pattern})$`);
}

function isIn(ranges: readonly ReturnType<typeof parseCidr>[], address: string): boolean {
  return ranges.some((range) => positionIn(range, address) !== undefined);
}
