import { familyOf } from '../../netns/ip.ts';
import type { Choice, HostView } from './view.ts';

/** A link that goes down loses its routes, and its IPv6 addresses; who brings it up again gives them back. */
const comeBackMs = 1_000;
/** Routes come and go while a machine starts or a link is set up anew; addresses that are there can wait. */
const changeOfMindMs = 5_000;

/**
 * How long another choice has to stand before it takes the place of the one in use, in ms. Everything that knows this
 * node follows its addresses: an exchanged address has to be followed at once, one that is only away for a moment
 * must not be.
 */
export function settlingMs(current: Choice, next: Choice, { addresses }: HostView): number {
  if (current.addresses.length === 0) return 0;
  if (next.addresses.length === 0) return Infinity;
  if (next.ifindex === current.ifindex) {
    const successors = current.addresses.map((address) => next.addresses.find(isOfFamily(address)));
    const isExchange = successors.some((each, i) => each !== undefined && each !== current.addresses[i]);
    return isExchange || !successors.includes(undefined) ? 0 : changeOfMindMs;
  }
  const isHere = addresses.some(({ address }) => address === current.addresses[0]);
  return isHere ? changeOfMindMs : comeBackMs;
}

function isOfFamily(address: string): (other: string) => boolean {
  return (other) => familyOf(other) === familyOf(address);
}
