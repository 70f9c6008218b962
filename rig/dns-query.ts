import packet, { type RecordType } from 'dns-packet';

export interface QueryOptions {
  /** The client's UDP size; undefined: no EDNS. */
  readonly edns?: number;
  readonly dnssecOk?: boolean;
  readonly class?: 'IN' | 'CH';
  readonly id?: number;
}

/** A query as a client would send it, written by dns-packet, which is none of ours. */
export function encodeQuery(name: string, type: string, options: QueryOptions = {}): Buffer {
  const { edns, dnssecOk = false } = options;
  const opt = {
    type: 'OPT' as const,
    name: '.' as const,
    udpPayloadSize: edns ?? 0,
    extendedRcode: 0,
    ednsVersion: 0,
    flags: dnssecOk ? packet.DNSSEC_OK : 0,
    flag_do: dnssecOk,
    options: [],
  };
  return packet.encode({
    type: 'query',
    id: options.id ?? 4711,
    flags: packet.RECURSION_DESIRED,
    questions: [{ name, type: type as RecordType, class: options.class ?? 'IN' }],
    additionals: edns === undefined ? [] : [opt],
  });
}
