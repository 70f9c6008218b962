import type { FilterInstruction } from './bpf.ts';
import * as m from './message.ts';
import type { Request } from './message.ts';
import type { NetlinkSocket } from './netlink.ts';
import { decodeTrafficMessage, encodeTrafficHeader, TC_H_CLSACT_INGRESS, TCA } from './tc-message.ts';

/** linux/rtnetlink.h */
export const RTM_NEWTFILTER = 44;
export const RTM_DELTFILTER = 45;
const RTM_GETTFILTER = 46;
/** Of the first filter of a link that comes, and of the last one that goes; each filter is told of by itself, too. */
export const RTM_NEWCHAIN = 100;
export const RTM_DELCHAIN = 101;
/** linux/pkt_cls.h */
const TCA_BPF = { act: 1, opsLength: 4, ops: 5, name: 7, flags: 8 } as const;
const TCA_BPF_FLAG_ACT_DIRECT = 1;
const TCA_ACT = { kind: 1, options: 2 } as const;
/** linux/tc_act/tc_mirred.h */
const TCA_MIRRED_PARMS = 2;
const TCA_EGRESS_REDIR = 1;
const ETH_P_ALL = 3;
/** linux/filter.h: return a constant; this one is a match without a class. */
const matchAll: readonly FilterInstruction[] = [{ code: 0x06, value: 0xffff_ffff }];

/** What a filter's program returns: not this filter's affair, so the next one is asked, or let nobody have it. */
export const TC_ACT_UNSPEC = 0xffff_ffff;
export const TC_ACT_SHOT = 2;
/** What becomes of a frame that an action took. */
const TC_ACT_STOLEN = 4;

/** A filter on what comes in by a link. */
export interface IngressFilter {
  readonly ifindex: number;
  /** The kernel asks the lowest one first. */
  readonly priority: number;
  /** `bpf`, `u32`, … */
  readonly kind: string;
  /** Of a classic BPF program its instructions, as the kernel keeps them. */
  readonly program: Buffer;
  /** Whether the program's result is the verdict. */
  readonly isVerdict: boolean;
  /** The ifindex of the link that gets the frames instead; 0: none. */
  readonly target: number;
}

/** The filters on what comes in by a link; none where there is no filter point. */
export function listIngressFilters(socket: NetlinkSocket, ifindex: number): IngressFilter[] {
  const payload = encodeTrafficHeader({ ifindex, handle: 0, parent: TC_H_CLSACT_INGRESS });
  return (
    socket
      .dump({ type: RTM_GETTFILTER, flags: 0, payload, name: 'RTM_GETTFILTER', about: `link ${ifindex}` })
      .map(decodeIngressFilter)
      // The kernel also tells of each priority without a filter of it.
      .filter(({ program, kind }) => kind !== 'bpf' || program.length > 0)
  );
}

/** A filter as a message tells of it, a notification's too. */
export function decodeIngressFilter(payload: Buffer): IngressFilter {
  const message = decodeTrafficMessage(payload);
  const { ifindex, kind } = message;
  const priority = message.info >>> 16;
  const none = { program: Buffer.alloc(0), isVerdict: false, target: 0 };
  if (kind !== 'bpf') return { ifindex, priority, kind, ...none };
  const options = message.options();
  const flags = options.get(TCA_BPF.flags)?.readUInt32LE() ?? 0;
  // It is a view into what is used again.
  const program = Buffer.from(options.get(TCA_BPF.ops) ?? none.program);
  const isVerdict = (flags & TCA_BPF_FLAG_ACT_DIRECT) !== 0;
  return { ifindex, priority, kind, program, isVerdict, target: decodeTarget(options) };
}

/**
 * Asks that a classic BPF program judges each frame that comes in by a link: it returns {@link TC_ACT_UNSPEC} or
 * {@link TC_ACT_SHOT}. Offsets count from the Ethernet header. A frame shorter than what is read of it passes (the
 * program ends with 0). One of this priority that is there already is replaced.
 */
export function ensureIngressFilter(
  ifindex: number,
  priority: number,
  name: string,
  program: readonly FilterInstruction[],
): Request {
  return encodeFilter(ifindex, priority, name, [
    ...encodeProgram(program),
    m.encodeU32(TCA_BPF.flags, TCA_BPF_FLAG_ACT_DIRECT),
  ]);
}

/**
 * Asks that frames which come in by a link, and which no filter before has taken, go through another link (an ifb) as
 * if that one sent them: there they can wait. One of this priority that is there already is replaced.
 */
export function ensureIngressRedirect(
  ifindex: number,
  priority: number,
  name: string,
  target: number,
): Request {
  // struct tc_mirred: index, capab, action, refcnt, bindcnt, eaction, ifindex.
  const parms = Buffer.alloc(28);
  parms.writeInt32LE(TC_ACT_STOLEN, 8);
  parms.writeInt32LE(TCA_EGRESS_REDIR, 20);
  parms.writeUInt32LE(target, 24);
  const action = m.encodeNested(
    1,
    m.encodeString(TCA_ACT.kind, 'mirred'),
    m.encodeNested(TCA_ACT.options, m.encodeAttribute(TCA_MIRRED_PARMS, parms)),
  );
  return encodeFilter(ifindex, priority, name, [
    m.encodeNested(TCA_BPF.act, action),
    ...encodeProgram(matchAll),
  ]);
}

/** Takes away all filters of one priority on what comes in by a link. */
export function removeIngressFilters(ifindex: number, priority: number): Request {
  const payload = encodeTrafficHeader({
    ifindex,
    handle: 0,
    parent: TC_H_CLSACT_INGRESS,
    info: encodeInfo(priority),
  });
  const about = `priority ${priority} of link ${ifindex}`;
  return { type: RTM_DELTFILTER, flags: 0, payload, name: 'RTM_DELTFILTER', about };
}

/** What the kernel keeps of a program: struct sock_filter (linux/filter.h) for each instruction. */
export function encodeInstructions(program: readonly FilterInstruction[]): Buffer {
  return Buffer.concat(program.map(encodeInstruction));
}

function encodeFilter(ifindex: number, priority: number, name: string, options: Buffer[]): Request {
  const info = encodeInfo(priority);
  const payload = Buffer.concat([
    encodeTrafficHeader({ ifindex, handle: 1, parent: TC_H_CLSACT_INGRESS, info }),
    m.encodeString(TCA.kind, 'bpf'),
    m.encodeNested(TCA.options, ...options, m.encodeString(TCA_BPF.name, name)),
  ]);
  const about = `${name} of link ${ifindex}`;
  return { type: RTM_NEWTFILTER, flags: m.NLM_F_CREATE, payload, name: 'RTM_NEWTFILTER', about };
}

/** The priority, and the protocol in network byte order. */
function encodeInfo(priority: number): number {
  return ((priority << 16) | (ETH_P_ALL << 8)) >>> 0;
}

function encodeProgram(program: readonly FilterInstruction[]): Buffer[] {
  const length = Buffer.of(program.length & 0xff, program.length >> 8);
  return [
    m.encodeAttribute(TCA_BPF.opsLength, length),
    m.encodeAttribute(TCA_BPF.ops, encodeInstructions(program)),
  ];
}

function encodeInstruction({ code, jumpTrue = 0, jumpFalse = 0, value }: FilterInstruction): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt16LE(code, 0);
  bytes.writeUInt8(jumpTrue, 2);
  bytes.writeUInt8(jumpFalse, 3);
  bytes.writeUInt32LE(value, 4);
  return bytes;
}

/** Where a filter's first action sends frames. */
function decodeTarget(options: m.Attributes): number {
  const [action] = m.decodeNested(options, TCA_BPF.act).values();
  if (!action) return 0;
  const attributes = m.decodeAttributes(action);
  const kind = attributes.get(TCA_ACT.kind);
  if (!kind || m.decodeString(kind) !== 'mirred') return 0;
  const parms = m.decodeNested(attributes, TCA_ACT.options).get(TCA_MIRRED_PARMS);
  return parms?.readInt32LE(20) === TCA_EGRESS_REDIR ? parms.readUInt32LE(24) : 0;
}
