import * as m from './message.ts';
import type { Request } from './message.ts';
import type { NetlinkSocket } from './netlink.ts';
import { decodeTrafficMessage, encodeTrafficHeader, TC_H_CLSACT, TC_H_ROOT, TCA } from './tc-message.ts';

/** linux/rtnetlink.h */
export const RTM_NEWQDISC = 36;
export const RTM_DELQDISC = 37;
const RTM_GETQDISC = 38;
const clsactHandle = 0xffff_0000;
const bucketHandle = 0x1_0000;
const TCA_TBF = { parms: 1, rate64: 4, burst: 6 } as const;
const TC_LINKLAYER_ETHERNET = 1;
/** include/net/pkt_sched.h: so many nanoseconds are a tick (PSCHED_SHIFT). */
const tickNs = 64;

/** A queueing discipline of a link. */
export interface Qdisc {
  readonly ifindex: number;
  /** `clsact`, `tbf`, `noqueue`, … */
  readonly kind: string;
  /** Whether all that the link sends goes through it. */
  readonly isRoot: boolean;
  /** Whether it is what the kernel gives a link by itself: that cannot be taken away. */
  readonly isDefault: boolean;
  /** A token bucket's. */
  readonly bucket?: TokenBucket;
}

/** A token bucket: packets that find none wait, for as long as `limit` bytes of them take. */
export interface TokenBucket {
  /** Bytes per second. */
  readonly rate: number;
  /** Bytes that may go at once. The kernel keeps the time that they take, so what it tells is a little off. */
  readonly burst: number;
  /** Bytes that may wait. */
  readonly limit: number;
}

/** All qdiscs of the socket's namespace. */
export function listQdiscs(socket: NetlinkSocket): Qdisc[] {
  const payload = encodeTrafficHeader({ ifindex: 0, handle: 0, parent: 0 });
  return socket
    .dump({ type: RTM_GETQDISC, flags: 0, payload, name: 'RTM_GETQDISC', about: '' })
    .map(decodeQdisc);
}

/** A qdisc as a message tells of it, a notification's too. */
export function decodeQdisc(payload: Buffer): Qdisc {
  const { ifindex, kind, handle, parent, options } = decodeTrafficMessage(payload);
  const place = { isRoot: parent === TC_H_ROOT, isDefault: handle === 0 };
  return { ifindex, kind, ...place, ...(kind === 'tbf' ? { bucket: decodeBucket(options()) } : {}) };
}

/** Asks that filters can hang on a link (Linux 4.5: `clsact`), before anything else sees its packets. */
export function ensureFilterPoint(ifindex: number): Request {
  const payload = Buffer.concat([
    encodeTrafficHeader({ ifindex, handle: clsactHandle, parent: TC_H_CLSACT }),
    m.encodeString(TCA.kind, 'clsact'),
  ]);
  return {
    type: RTM_NEWQDISC,
    flags: m.NLM_F_CREATE,
    payload,
    name: 'RTM_NEWQDISC',
    about: `clsact of link ${ifindex}`,
  };
}

/** Asks that what a link sends goes through a token bucket (tbf). One that is there already takes the new figures. */
export function ensureTokenBucket(ifindex: number, bucket: TokenBucket): Request {
  const payload = Buffer.concat([
    encodeTrafficHeader({ ifindex, handle: bucketHandle, parent: TC_H_ROOT }),
    m.encodeString(TCA.kind, 'tbf'),
    m.encodeNested(TCA.options, ...encodeBucket(bucket)),
  ]);
  return {
    type: RTM_NEWQDISC,
    flags: m.NLM_F_CREATE | m.NLM_F_REPLACE,
    payload,
    name: 'RTM_NEWQDISC',
    about: `tbf of link ${ifindex}`,
  };
}

/** Takes away what a link's packets wait in, whatever it is: the kernel's own for such a link takes its place. */
export function removeRootQdisc(ifindex: number): Request {
  const payload = encodeTrafficHeader({ ifindex, handle: 0, parent: TC_H_ROOT });
  return { type: RTM_DELQDISC, flags: 0, payload, name: 'RTM_DELQDISC', about: `root of link ${ifindex}` };
}

/** struct tc_tbf_qopt (linux/pkt_sched.h): two struct tc_ratespec, the limit, and times that `burst` stands for. */
function encodeBucket({ rate, burst, limit }: TokenBucket): Buffer[] {
  const parms = Buffer.alloc(36);
  // With a link layer named the kernel computes with the rate itself; without, it wants a table of times.
  parms.writeUInt8(TC_LINKLAYER_ETHERNET, 1);
  parms.writeUInt32LE(Math.min(rate, 0xffff_ffff), 8);
  parms.writeUInt32LE(Math.min(limit, 0xffff_ffff), 24);
  const rate64 = Buffer.alloc(8);
  rate64.writeBigUInt64LE(BigInt(rate));
  return [
    m.encodeAttribute(TCA_TBF.parms, parms),
    ...(rate > 0xffff_ffff ? [m.encodeAttribute(TCA_TBF.rate64, rate64)] : []),
    m.encodeU32(TCA_TBF.burst, Math.min(burst, 0xffff_ffff)),
  ];
}

function decodeBucket(options: m.Attributes): TokenBucket {
  const parms = options.get(TCA_TBF.parms);
  if (!parms) return { rate: 0, burst: 0, limit: 0 };
  const rate = Number(options.get(TCA_TBF.rate64)?.readBigUInt64LE() ?? parms.readUInt32LE(8));
  const seconds = (parms.readUInt32LE(28) * tickNs) / 1e9;
  return { rate, burst: Math.round(rate * seconds), limit: parms.readUInt32LE(24) };
}
