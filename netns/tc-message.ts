import * as m from './message.ts';
import type { Attributes } from './message.ts';

/** struct tcmsg (linux/rtnetlink.h), which begins each message about qdiscs and filters. */
const headerLength = 20;
/** linux/pkt_sched.h: where a qdisc or filter hangs. */
export const TC_H_ROOT = 0xffff_ffff;
export const TC_H_CLSACT = 0xffff_fff1;
export const TC_H_CLSACT_INGRESS = 0xffff_fff2;
export const TCA = { kind: 1, options: 2 } as const;

export interface TrafficHeader {
  readonly ifindex: number;
  readonly handle: number;
  readonly parent: number;
  /** Of a filter its priority and protocol. */
  readonly info?: number;
}

export function encodeTrafficHeader(fields: TrafficHeader): Buffer {
  const header = Buffer.alloc(headerLength);
  header.writeInt32LE(fields.ifindex, 4);
  header.writeUInt32LE(fields.handle, 8);
  header.writeUInt32LE(fields.parent, 12);
  header.writeUInt32LE(fields.info ?? 0, 16);
  return header;
}

/** A message about a qdisc or a filter, as far as both have the same. */
export function decodeTrafficMessage(payload: Buffer): Required<TrafficHeader> & {
  readonly kind: string;
  /** Of a kind whose options are attributes: not every one's are. */
  readonly options: () => Attributes;
} {
  const attributes = m.decodeAttributes(payload, headerLength);
  const kind = attributes.get(TCA.kind);
  return {
    ifindex: payload.readInt32LE(4),
    handle: payload.readUInt32LE(8),
    parent: payload.readUInt32LE(12),
    info: payload.readUInt32LE(16),
    kind: kind ? m.decodeString(kind) : '',
    options: () => m.decodeNested(attributes, TCA.options),
  };
}
