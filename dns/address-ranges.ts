import ipaddr from 'ipaddr.js';
import { addressBytes } from './names.ts';

/** Addresses and ranges of both families. */
export class AddressRanges {
  readonly #ranges: readonly { readonly bytes: string; readonly bits: number }[];

  /** `ranges`: `192.0.2.1`, `2001:db8::/32`. */
  constructor(ranges: readonly string[]) {
    this.#ranges = ranges.map((range) => {
      const bytes = addressBytes(range);
      if (bytes !== undefined) return { bytes, bits: bytes.length * 8 };
      const [network, bits] = ipaddr.parseCIDR(range);
      return { bytes: String.fromCharCode(...network.toByteArray()), bits };
    });
  }

  /** Whether an address, 4 or 16 bytes, is among them. */
  has(address: Uint8Array): boolean {
    return this.#ranges.some(
      ({ bytes, bits }) => bytes.length === address.length && agree(bytes, address, bits),
    );
  }
}

function agree(network: string, address: Uint8Array, bits: number): boolean {
  for (let index = 0; index * 8 < bits; index += 1) {
    const mask = (0xff00 >> Math.min(8, bits - index * 8)) & 0xff;
    if (((network.charCodeAt(index) ^ (address[index] ?? 0)) & mask) !== 0) return false;
  }
  return true;
}
