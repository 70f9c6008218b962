import { decodeIp } from '../netns/ip.ts';
import { table } from './nftables-banks.ts';
import type { Element } from './nftables-door.ts';
import { objectNamed } from './nftables-objects.ts';
import { elementText } from './nftables-text.ts';

/** How many elements one command carries: long enough to be few, short enough to be read. */
const elementsPerCommand = 500;

/**
 * Elements as commands for `nft -f`. Netlink is the fast way to the kernel; text is the way in one transaction with
 * chains, for a table of which nothing can be kept.
 */
export function renderElements(elements: Iterable<Element>): string[] {
  const byObject = Map.groupBy(elements, ({ object }) => object);
  return [...byObject].flatMap(([object, some]) => {
    const texts = objectNamed(object).form === 'bounds' ? rangeTexts(some) : some.map(bodyText);
    const commands: string[] = [];
    for (let start = 0; start < texts.length; start += elementsPerCommand) {
      const body = texts.slice(start, start + elementsPerCommand).join(', ');
      commands.push(`add element ${table} ${object} { ${body} }`);
    }
    return commands;
  });
}

/** `object { key : value }` without its frame. */
function bodyText(element: Element): string {
  return elementText(element).slice(element.object.length + ' { '.length, -' }'.length);
}

/** The kernel keeps where ranges begin and what is behind their ends; `nft` wants both ends of each. */
function rangeTexts(bounds: readonly Element[]): string[] {
  const sorted = bounds
    .map(({ key }) => ({ address: key.subarray(0, -4), begins: key.readUInt32LE(key.length - 4) === 0 }))
    .sort((one, other) => one.address.compare(other.address));
  return sorted.flatMap(({ address, begins }, index) => {
    if (!begins) return [];
    const next = sorted[index + 1];
    const last = next ? addressBefore(next.address) : Buffer.alloc(address.length, 0xff);
    return [last.equals(address) ? decodeIp(address) : `${decodeIp(address)}-${decodeIp(last)}`];
  });
}

function addressBefore(address: Buffer): Buffer {
  const value = BigInt(`0x${address.toString('hex')}`) - 1n;
  return Buffer.from(value.toString(16).padStart(2 * address.length, '0'), 'hex');
}
