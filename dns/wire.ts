/** Numbers of the DNS protocol (RFC 1035, RFC 3596, RFC 2782, RFC 6891; IANA's DNS parameters). */

/** Record types that this server knows by name. */
export const TYPE = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  HINFO: 13,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  DNAME: 39,
  OPT: 41,
  RRSIG: 46,
  NSEC: 47,
  NSEC3: 50,
  IXFR: 251,
  AXFR: 252,
  ANY: 255,
} as const;

export const CLASS_IN = 1;

export const OPCODE_QUERY = 0;

export const RCODE = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  /** Extended: its upper bits travel in the OPT record (RFC 6891 section 9). */
  BADVERS: 16,
} as const;

/** Bits of the header's second 16-bit word. */
export const FLAG = {
  QR: 0x8000,
  AA: 0x0400,
  TC: 0x0200,
  RD: 0x0100,
  RA: 0x0080,
  AD: 0x0020,
  CD: 0x0010,
} as const;

export const HEADER_BYTES = 12;
/** Length of a name on the wire, its root label included (RFC 1035 section 3.1). */
export const MAX_NAME_BYTES = 255;
export const MAX_LABEL_BYTES = 63;
/** What a client without EDNS takes over UDP (RFC 1035 section 4.2.1). */
export const PLAIN_UDP_BYTES = 512;
/** The largest UDP answer ever sent, whatever the client says: fits IPv6's least MTU (DNS flag day 2020). */
export const MAX_UDP_BYTES = 1232;
export const MAX_MESSAGE_BYTES = 65535;
/** An OPT record without options: root name, type, class, TTL, length. */
export const OPT_BYTES = 11;

const typeNames = new Map<number, string>(Object.entries(TYPE).map(([name, number]) => [number, name]));
const rcodeNames = new Map<number, string>(Object.entries(RCODE).map(([name, number]) => [number, name]));

/** `A`, `SRV`, …; types without a name here as RFC 3597 writes them: `TYPE65`. */
export function typeName(type: number): string {
  return typeNames.get(type) ?? `TYPE${type}`;
}

/** `NOERROR`, `NXDOMAIN`, …; others as `RCODE9`. */
export function rcodeName(rcode: number): string {
  return rcodeNames.get(rcode) ?? `RCODE${rcode}`;
}
