import { isDeepStrictEqual } from 'node:util';
import type { Address } from '../../netns/address.ts';
import { parseCidr, positionIn } from '../../netns/ip.ts';
import type { Link } from '../../netns/link.ts';

/** A link on which addresses are announced. */
export type AnnouncingLink = Pick<Link, 'ifindex' | 'name' | 'mac'>;

/** What decides on which links an address is announced. */
export interface LinkView {
  readonly links: readonly Pick<Link, 'ifindex' | 'name' | 'mac' | 'up'>[];
  readonly addresses: readonly Pick<Address, 'ifindex' | 'address' | 'prefix'>[];
  /** The node's own addresses. */
  readonly nodeIPs: readonly string[];
  /** Setting `announceInterfaces`: these and no others; empty: found out. */
  readonly names: readonly string[];
}

/** Remembers the links of each address for as long as the host's links and addresses are what they were. */
export class LinkFinder {
  readonly #view: LinkView;
  readonly #found = new Map<string, readonly AnnouncingLink[]>();

  constructor(view: LinkView) {
    this.#view = view;
  }

  find(address: string): readonly AnnouncingLink[] {
    const found = this.#found.get(address) ?? linksFor(address, this.#view);
    this.#found.set(address, found);
    return found;
  }

  /** The one for what the host has now: this very one when nothing has changed. */
  renew(view: LinkView): LinkFinder {
    return isDeepStrictEqual(view, this.#view) ? this : new LinkFinder(view);
  }
}

/**
 * The links for an address: those that were named; else the one whose subnet the address lies in, before others that
 * of the node's own address; else, for a pool that routers send to this link without a subnet of it, the one that has
 * the node's own address. One only: two cards of one network must not give two answers.
 */
export function linksFor(address: string, { links, addresses, nodeIPs, names }: LinkView): AnnouncingLink[] {
  const usable = links.filter(isUsable);
  if (names.length > 0) return usable.filter(({ name }) => names.includes(name));
  const own = addresses.filter((each) => nodeIPs.includes(each.address));
  const near = addresses.filter((each) => isIn(each, address));
  const sameFamily = own.filter((each) => isSameFamily(each.address, address));
  for (const { ifindex } of [...own.filter((each) => near.includes(each)), ...near, ...sameFamily, ...own]) {
    const link = usable.find((each) => each.ifindex === ifindex);
    if (link) return [link];
  }
  return [];
}

function isUsable({ up, mac, name }: LinkView['links'][number]): boolean {
  return up && isEthernet(mac) && !isOwn(name);
}

/** Those of `announceInterfaces` on which nothing can be announced now: not there, down, or without neighbours. */
export function unusableNames({ links, names }: LinkView): string[] {
  const usable = new Set(links.filter(isUsable).map(({ name }) => name));
  return names.filter((name) => !usable.has(name));
}

/** A device without a hardware address (a tunnel), or loopback, whose is zero, has no neighbours to tell. */
function isEthernet(mac: string): boolean {
  return /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(mac) && mac !== '00:00:00:00:00:00';
}

/** Our own bridge and tunnel: behind them are pods, which take no address from their neighbours. */
function isOwn(name: string): boolean {
  return name.startsWith('weft');
}

/** Whether the link's subnet contains the address; one of a single address is no subnet. */
function isIn({ address: own, prefix }: Pick<Address, 'address' | 'prefix'>, address: string): boolean {
  const isSubnet = prefix < (own.includes(':') ? 128 : 32);
  return isSubnet && positionIn(parseCidr(`${own}/${prefix}`), address) !== undefined;
}

function isSameFamily(a: string, b: string): boolean {
  return a.includes(':') === b.includes(':');
}
