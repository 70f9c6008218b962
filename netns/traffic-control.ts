import type { FilterInstruction } from './bpf.ts';
import * as m from './message.ts';
import type { Request } from './message.ts';
import type { NetlinkSocket } from './netlink.ts';

/** linux/rtnetlink.h */
const RTM_NEWQDISC = 36;
const RTM_GETQDISC = 38;
const RTM_NEWTFILTER = 44;
const headerLength = 20;
const TCA = { kind: 1, options: 2 } as const;
/** linux/pkt_sched.h: where a qdisc or filter hangs. */
const TC_H_ROOT = 0xffff_ffff;
const TC_H_CLSACT = 0xffff_fff1;
const TC_H_CLSACT_INGRESS = 0xffff_fff2;
const clsactHandle = 0xffff_0000;
const TCA_TBF = { parms: 1, rate64: 4, burst: 6 } as const;
const TC_LINKLAYER_ETHERNET = 1;
/** linux/pkt_cls.h */
const TCA_BPF = { opsLength: 4, ops: 5, name: 7, flags: 8 } as const;
const TCA_BPF_FLAG_ACT_DIRECT = 1;
const ETH_P_ALL = 3;

/** What a filter's program returns: let it pass, or not. */
export const TC_ACT_OK = 0;
export const TC_ACT_SHOT = 2;

/** A queueing discipline of a link. */
export interface Qdisc {
  readonly ifindex: number;
  /** `clsact`, `tbf`, `noqueue`, … */
  readonly kind: string;
}

/** A token bucket: packets that find none wait, for as long as `limit` bytes of them take. */
export interface TokenBucket {
  /** Bytes per second. */
  readonly rate: number;
  /** Bytes that may go at once. */
  readonly burst: number;
  /** Bytes that may wait. */
  readonly limit: number;
}

/** All qdiscs of the socket's namespace. */
export function listQdiscs(socket: NetlinkSocket): Qdisc[] {
  const payload = encodeHeader({ ifindex: 0, handle: 0, parent: 0 });
  return socket
    .dump({ type: RTM_GETQDISC, flags: 0, payload, name: 'RTM_GETQDISC', about: '' })
    .map((answer) => {
      const kind = m.decodeAttributes(answer, headerLength).get(TCA.kind);
      return { ifindex: answer.readInt32LE(4), kind: kind ? m.decodeString(kind) : '' };
    });
}

/** Asks that filters can hang on a link (Linux 4.5: `clsact`), before anything else sees its packets. */
export function ensureFilterPoint(ifindex: number): Request {
  const payload = Buffer.concat([
    encodeHeader({ ifindex, handle: clsactHandle, parent: TC_H_CLSACT }),
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

/**
 * Asks that a classic BPF program judges each frame that comes in by a link: it returns {@link TC_ACT_OK} or
 * {@link TC_ACT_SHOT}. Offsets count from the Ethernet header. A frame shorter than what is read of it passes (the
 * program ends with 0). One that is there already is replaced.
 */
export function ensureIngressFilter(
  ifindex: number,
  name: string,
  program: readonly FilterInstruction[],
): Request {
  const payload = Buffer.concat([
    encodeHeader({
      ifindex,
      handle: 1,
      parent: TC_H_CLSACT_INGRESS,
      // The priority, and the protocol in network byte order.
      info: ((1 << 16) | (ETH_P_ALL << 8)) >>> 0,
    }),
    m.encodeString(TCA.kind, 'bpf'),
    m.encodeNested(
      TCA.options,
      m.encodeAttribute(TCA_BPF.opsLength, encodeU16(program.length)),
      m.encodeAttribute(TCA_BPF.ops, Buffer.concat(program.map(encodeInstruction))),
      m.encodeString(TCA_BPF.name, name),
      m.encodeU32(TCA_BPF.flags, TCA_BPF_FLAG_ACT_DIRECT),
    ),
  ]);
  return {
    type: RTM_NEWTFILTER,
    flags: m.NLM_F_CREATE,
    payload,
    name: 'RTM_NEWTFILTER',
    about: `${name} of link ${ifindex}`,
  };
}

/** Asks that what a link sends goes through a token bucket (tbf). One that is there already takes the new figures. */
export function ensureTokenBucket(ifindex: number, bucket: TokenBucket): Request {
  const payload = Buffer.concat([
    encodeHeader({ ifindex, handle: 0x1_0000, parent: TC_H_ROOT }),
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

/** struct tcmsg (linux/rtnetlink.h). */
function encodeHeader(fields: {
  readonly ifindex: number;
  readonly handle: number;
  readonly parent: number;
  readonly info?: number;
}): Buffer {
  const header = Buffer.alloc(headerLength);
  header.writeInt32LE(fields.ifindex, 4);
  header.writeUInt32LE(fields.handle, 8);
  header.writeUInt32LE(fields.parent, 12);
  header.writeUInt32LE(fields.info ?? 0, 16);
  return header;
}

/** struct sock_filter (linux/filter.h). */
function encodeInstruction({ code, jumpTrue = 0, jumpFalse = 0, value }: FilterInstruction): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt16LE(code, 0);
  bytes.writeUInt8(jumpTrue, 2);
  bytes.writeUInt8(jumpFalse, 3);
  bytes.writeUInt32LE(value, 4);
  return bytes;
}

function encodeU16(value: number): Buffer {
  return Buffer.of(value & 0xff, value >> 8);
}
