import { assemble } from '../../netns/bpf.ts';
import type { Comparison, Ending } from '../../netns/bpf.ts';
import { ETH_P_ARP, ETH_P_IPV6, headerLength } from '../../netns/ethernet.ts';
import { encodeIp, familyOf } from '../../netns/ip.ts';
import type { FilterInstruction } from '../../netns/bpf.ts';
import { encodeMac } from '../../netns/mac.ts';
import { TC_ACT_SHOT, TC_ACT_UNSPEC } from '../../netns/ingress-filter.ts';
import type { AttachedPod } from './view.ts';

const ETH_P_IPV4 = 0x0800;
/** Where things are in a frame: RFC 791, RFC 826, RFC 8200, RFC 4861 section 4.4. */
const at = {
  sourceMac: 6,
  etherType: 12,
  ipv4Source: headerLength + 12,
  arpSenderMac: headerLength + 8,
  arpSender: headerLength + 14,
  ipv6NextHeader: headerLength + 6,
  ipv6Source: headerLength + 8,
  icmpv6Type: headerLength + 40,
  advertisementTarget: headerLength + 48,
  advertisementMac: headerLength + 66,
} as const;
const IPPROTO_ICMPV6 = 58;
const NEIGHBOR_ADVERTISEMENT = 136;
/** linux/filter.h: whether the frame has a VLAN tag, which the kernel keeps beside it. */
const VLAN_TAG_PRESENT = 0xffff_f000 + 48;

/**
 * What a pod may send, as a program that the kernel runs on each frame that leaves it: only with its own hardware and
 * IP addresses, as source and in ARP and neighbour advertisements; nothing but IPv4, IPv6 and ARP, nothing tagged.
 * It hangs on the node's end of the link and goes with it, whichever tool makes rules.
 */
export function guardSources({ mac, ips }: Pick<AttachedPod, 'mac' | 'ips'>): FilterInstruction[] {
  const v4 = ips.filter((ip) => familyOf(ip) === 'ipv4').map(encodeIp);
  const v6 = ips.filter((ip) => familyOf(ip) === 'ipv6').map(encodeIp);
  const bytes = encodeMac(mac);
  return assemble([
    { at: VLAN_TAG_PRESENT, width: 4, value: 0, otherwise: 'drop' },
    ...isAt(at.sourceMac, bytes),
    { at: at.etherType, width: 2, value: ETH_P_IPV4, isEqual: 'ipv4' },
    { at: at.etherType, width: 2, value: ETH_P_IPV6, isEqual: 'ipv6' },
    { at: at.etherType, width: 2, value: ETH_P_ARP, otherwise: 'drop' },
    ...isAt(at.arpSenderMac, bytes),
    ...isOneOf(at.arpSender, v4, { label: 'arp', found: 'pass' }),
    ...isOneOf(at.ipv4Source, v4, { label: 'ipv4', found: 'pass' }),
    ...isOneOf(at.ipv6Source, v6, { label: 'ipv6', found: 'icmpv6' }),
    { name: 'icmpv6', at: at.ipv6NextHeader, width: 1, value: IPPROTO_ICMPV6, otherwise: 'pass' },
    { at: at.icmpv6Type, width: 1, value: NEIGHBOR_ADVERTISEMENT, otherwise: 'pass' },
    ...isOneOf(at.advertisementTarget, v6, { label: 'target', found: 'linkAddress' }),
    ...isAt(at.advertisementMac, bytes, 'linkAddress'),
    { name: 'pass', result: TC_ACT_UNSPEC },
    { name: 'drop', result: TC_ACT_SHOT },
  ]);
}

/** Goes on where the frame has these bytes, and drops it where not. */
function isAt(offset: number, bytes: Buffer, name?: string): Comparison[] {
  return compare(offset, bytes).map((step, i) => ({
    ...step,
    ...(i === 0 && name !== undefined ? { name } : {}),
    otherwise: 'drop',
  }));
}

/** Goes to step `found` where the frame has one of these values, and drops it where not. The first step is `label`. */
function isOneOf(
  offset: number,
  values: readonly Buffer[],
  { label, found }: { readonly label: string; readonly found: string },
): (Comparison | Ending)[] {
  const name = (i: number): string => (i === 0 ? label : `${label} ${i}`);
  return [
    ...values.flatMap((value, i) => {
      const steps = compare(offset, value);
      return steps.map((step, j) => ({
        ...step,
        ...(j === 0 ? { name: name(i) } : {}),
        ...(j === steps.length - 1 ? { isEqual: found } : {}),
        otherwise: name(i + 1),
      }));
    }),
    { name: name(values.length), result: TC_ACT_SHOT },
  ];
}

function compare(offset: number, bytes: Buffer): Comparison[] {
  return Array.from({ length: Math.ceil(bytes.length / 4) }, (_, i) => {
    const width = bytes.length - 4 * i >= 4 ? 4 : 2;
    const value = width === 4 ? bytes.readUInt32BE(4 * i) : bytes.readUInt16BE(4 * i);
    return { at: offset + 4 * i, width, value };
  });
}
