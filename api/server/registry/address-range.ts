import ipaddr from 'ipaddr.js';

export type Family = 'IPv4' | 'IPv6';

/** Larger ranges are used only this far, as kube-apiserver does. */
const maxSize = 65_536n;

/** One range of Service addresses. Offsets count from the network's address. */
export class AddressRange {
  readonly cidr: string;
  readonly family: Family;
  readonly #first: bigint;
  readonly #bytes: number;
  /** The lowest and the greatest offset to hand out: not the network's address, nor IPv4's broadcast address. */
  readonly lowest = 1;
  readonly greatest: number;

  /** Throws for text that is no CIDR. */
  constructor(cidr: string) {
    const [address, prefixLength] = ipaddr.parseCIDR(cidr);
    const bytes = address.toByteArray();
    this.cidr = cidr;
    this.family = address.kind() === 'ipv4' ? 'IPv4' : 'IPv6';
    this.#bytes = bytes.length;
    const hostBits = BigInt(bytes.length * 8 - prefixLength);
    this.#first = (toBigInt(bytes) >> hostBits) << hostBits;
    const size = 1n << hostBits;
    this.greatest = Number(size < maxSize ? size : maxSize) - (this.family === 'IPv4' ? 2 : 1);
  }

  /**
   * The first offset handed out by chance. Those below are kept for addresses that people choose
   * (https://kubernetes.io/docs/concepts/services-networking/cluster-ip-allocation/).
   */
  get dynamicFrom(): number {
    const size = this.greatest + 1;
    return Math.min(this.greatest, Math.min(Math.max(16, Math.floor(size / 16)), 256));
  }

  /** The address at an offset, in canonical text. */
  at(offset: number): string {
    const value = this.#first + BigInt(offset);
    const bytes = Array.from({ length: this.#bytes }, (_, i) =>
      Number((value >> BigInt(8 * (this.#bytes - 1 - i))) & 0xffn),
    );
    return ipaddr.fromByteArray(bytes).toString();
  }

  /** Whether an address may be handed out. */
  contains(address: string): boolean {
    if (familyOf(address) !== this.family) return false;
    const offset = toBigInt(ipaddr.parse(address).toByteArray()) - this.#first;
    return offset >= BigInt(this.lowest) && offset <= BigInt(this.greatest);
  }
}

/** The family of an address; undefined for text that is none. */
export function familyOf(address: string): Family | undefined {
  if (ipaddr.IPv4.isValidFourPartDecimal(address)) return 'IPv4';
  return ipaddr.IPv6.isValid(address) ? 'IPv6' : undefined;
}

/** The one way to write an address. */
export function canonicalAddress(address: string): string {
  return ipaddr.parse(address).toString();
}

/** Bytes, the most significant first, as a number. */
export function toBigInt(bytes: readonly number[]): bigint {
  return bytes.reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);
}
