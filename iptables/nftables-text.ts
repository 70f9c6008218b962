import { decodeIp } from '../netns/ip.ts';
import { partBytes, protocolNumbers } from './nftables-bytes.ts';
import type { Part } from './nftables-bytes.ts';
import type { Element } from './nftables-door.ts';
import { objectNamed } from './nftables-objects.ts';

/** An element as `nft` writes it: `services4 { 10.96.0.1 . tcp . 80 : 2 }`. */
export function elementText({
  object,
  key,
  value,
}: Pick<Element, 'object' | 'key'> & Partial<Element>): string {
  const { form, key: parts, value: valueParts } = objectNamed(object);
  const half = key.length / 2;
  const keyText =
    form === 'exact'
      ? partsText(parts, key)
      : form === 'ranges'
        ? rangesText(parts, key.subarray(0, half), key.subarray(half))
        : `${key.readUInt32LE(key.length - 4) === 1 ? 'before ' : 'from '}${partsText(parts, key.subarray(0, -4))}`;
  if (!value || !valueParts) return `${object} { ${keyText} }`;
  const text =
    valueParts === 'chain'
      ? `goto ${value.toString('latin1').replace(/\0.*$/s, '')}`
      : partsText(valueParts, value);
  return `${object} { ${keyText} : ${text} }`;
}

function partsText(parts: readonly Part[], bytes: Buffer): string {
  return split(parts, bytes).join(' . ');
}

function rangesText(parts: readonly Part[], first: Buffer, last: Buffer): string {
  const ends = split(parts, last);
  return split(parts, first)
    .map((start, index) => (start === ends[index] ? start : `${start}-${ends[index] ?? ''}`))
    .join(' . ');
}

function split(parts: readonly Part[], bytes: Buffer): string[] {
  let offset = 0;
  return parts.map((part) => {
    const start = offset;
    offset += partBytes(part);
    return partText(part, bytes.subarray(start, offset));
  });
}

function partText(part: Part, bytes: Buffer): string {
  if (part === 'address4' || part === 'address6') return decodeIp(bytes);
  if (part === 'port') return String(bytes.readUInt16BE(0));
  if (part === 'number') return String(bytes.readUInt32LE(0));
  const protocol = Object.entries(protocolNumbers).find(([, number]) => number === bytes[0]);
  return protocol?.[0] ?? String(bytes[0]);
}
