import type { Cidr } from '../netns/ip.ts';
import { positionIn } from '../netns/ip.ts';
import { IpamError } from './ipam-error.ts';

/** Addresses from `first` to `last`, both included. */
export interface AddressSpan {
  readonly first: string;
  readonly last: string;
}

/** A stretch of a range, as positions in it (`addressAt`), both included. */
export interface Stretch {
  readonly first: bigint;
  readonly last: bigint;
}

/** The addresses of a range that hosts may have. */
export function usableStretch({ family, size }: Cidr): Stretch {
  // Neither the network's address (IPv6: the routers' anycast address) nor IPv4's broadcast address.
  return { first: 1n, last: size - (family === 'ipv4' ? 2n : 1n) };
}

/**
 * The stretches of a range that spans of addresses leave of it.
 * @throws IpamError `outside` when none of the spans lies within it
 */
export function stretchesOf(text: string, cidr: Cidr, spans: readonly AddressSpan[]): Stretch[] {
  const usable = usableStretch(cidr);
  const stretches = spans.flatMap((span) => {
    const [first, last] = [positionIn(cidr, span.first), positionIn(cidr, span.last)];
    if (first === undefined || last === undefined || first > last) return [];
    const within = {
      first: first < usable.first ? usable.first : first,
      last: last > usable.last ? usable.last : last,
    };
    return within.first <= within.last ? [within] : [];
  });
  if (stretches.length === 0) {
    const asked = spans.map(({ first, last }) => `${first} to ${last}`).join(', ');
    throw new IpamError('outside', `${asked} is not within this node's range ${text}`);
  }
  return stretches.toSorted((a, b) => Number(a.first - b.first));
}

/** Every position of stretches in rising order once, beginning with `start` and going round. */
export function* walkRound(stretches: readonly Stretch[], start: bigint): Generator<bigint> {
  for (const { first, last } of stretches)
    for (let at = first < start ? start : first; at <= last; at += 1n) yield at;
  for (const { first, last } of stretches) for (let at = first; at <= last && at < start; at += 1n) yield at;
}
