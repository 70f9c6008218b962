import { hash } from 'node:crypto';

/**
 * A hardware address that everybody computes alike from a text: unicast, locally administered (IEEE 802), the rest
 * from the text's SHA-256. So no MAC has to be stored or told to anyone.
 */
export function deriveMac(text: string): string {
  const bytes = hash('sha256', text, 'buffer').subarray(0, 6);
  bytes[0] = ((bytes[0] ?? 0) & 0xfc) | 0x02;
  return decodeMac(bytes);
}

/** The 6 bytes of `02:00:5e:00:53:01`. */
export function encodeMac(mac: string): Buffer {
  return Buffer.from(mac.replaceAll(':', ''), 'hex');
}

const octets = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** The text of 6 bytes. */
export function decodeMac(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += (text === '' ? '' : ':') + (octets[byte] ?? '');
  return text;
}
