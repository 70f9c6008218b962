import { addressAt, encodeIp, parseCidr } from './ip.ts';
import type { Cidr, Family } from './ip.ts';
import type { FilterInstruction } from './bpf.ts';

/** linux/bpf_common.h: load a word, keep bits of it, compare it, return. */
const [loadWord, and, jumpIfEqual, finish] = [0x20, 0x54, 0x15, 0x06];
/** linux/filter.h: offsets from here on count from the network header, wherever the transport's data begins. */
const SKF_NET_OFF = 0xfff0_0000;
/** Where the source address is in an IPv4 header (RFC 791) and an IPv6 header (RFC 8200). */
const sourceOffset: Readonly<Record<Family, number>> = { ipv4: 12, ipv6: 8 };
const take = { code: finish, value: 0xffff_ffff } as const;
const refuse = { code: finish, value: 0 } as const;

/**
 * Classic BPF for a UDP or TCP socket: it takes only packets whose source lies in one of these ranges of its family.
 * Nothing else is answered in any way, not even refused.
 */
export function filterSources(family: Family, cidrs: readonly string[]): FilterInstruction[] {
  const ranges = cidrs.map(parseCidr).filter((cidr) => cidr.family === family);
  return [...ranges.flatMap(renderRange), refuse];
}

/** Takes a packet of this range; one of none goes on behind. */
function renderRange(cidr: Cidr): FilterInstruction[] {
  const bytes = encodeIp(addressAt(cidr, 0n));
  const words = Array.from({ length: Math.ceil(cidr.prefix / 32) }, (_, index) => index);
  const compare = words.flatMap((index): FilterInstruction[] => {
    const bits = Math.min(32, cidr.prefix - 32 * index);
    return [
      { code: loadWord, value: SKF_NET_OFF + sourceOffset[cidr.family] + 4 * index },
      { code: and, value: (0xffff_ffff << (32 - bits)) >>> 0 },
      // Past the words that are left, three instructions each, and the end of this range.
      {
        code: jumpIfEqual,
        value: bytes.readUInt32BE(4 * index),
        jumpFalse: 3 * (words.length - 1 - index) + 1,
      },
    ];
  });
  return [...compare, take];
}
