import { RulesError } from './error.ts';
import type { Element, NftDoor, NftTransaction } from './nftables-door.ts';
import { elementBytes, objectNamed } from './nftables-objects.ts';
import type { NftObject } from './nftables-objects.ts';

/**
 * All elements that one set or map should have, one behind the other in a few bytes each: tens of thousands are compared
 * with the kernel without an object for any of them.
 */
export class ElementTable {
  readonly object: NftObject;
  readonly #keyBytes: number;
  readonly #entryBytes: number;
  #bytes = Buffer.alloc(0);
  #count = 0;
  /** By entry; only objects for people have any. */
  readonly #comments: (string | undefined)[] = [];
  /** Hash table of entry numbers, 1 for the first, with open addressing: at most half full. */
  #slots = new Int32Array(16);
  /** Entries that the kernel has. */
  #seen = new Uint8Array(0);

  constructor(object: NftObject) {
    this.object = object;
    const { key, value } = elementBytes(object);
    this.#keyBytes = key;
    this.#entryBytes = key + value;
  }

  add({ key, value, comment }: Element): void {
    const start = this.#count * this.#entryBytes;
    if (start + this.#entryBytes > this.#bytes.length) this.#grow();
    this.#bytes.set(key, start);
    if (value) this.#bytes.set(value, start + this.#keyBytes);
    if (comment !== undefined) this.#comments[this.#count] = comment;
    this.#count += 1;
    this.#slots[this.#slotOf(key)] = this.#count;
  }

  /** Notes that the kernel has this element, and says how it compares with the one that should be there. */
  note({ key, value, comment }: Element): 'same' | 'different' | 'unwanted' | 'repeated' {
    const entry = (this.#slots[this.#slotOf(key)] ?? 0) - 1;
    if (entry < 0) return 'unwanted';
    if (this.#seen[entry] === 1) return 'repeated';
    const start = entry * this.#entryBytes + this.#keyBytes;
    const wanted = this.#bytes.subarray(start, start + this.#entryBytes - this.#keyBytes);
    if (value ? !wanted.equals(value) : wanted.length > 0) return 'different';
    if (comment !== this.#comments[entry]) return 'different';
    this.#seen[entry] = 1;
    return 'same';
  }

  /** Forgets what {@link note} was told. */
  reset(): void {
    this.#seen.fill(0);
  }

  /** Elements that were never noted: the kernel lacks them. */
  *missing(): Generator<Element> {
    for (let entry = 0; entry < this.#count; entry += 1) {
      if (this.#seen[entry] === 1) continue;
      const start = entry * this.#entryBytes;
      const split = start + this.#keyBytes;
      yield {
        object: this.object.name,
        key: this.#bytes.subarray(start, split),
        value:
          this.#entryBytes > this.#keyBytes
            ? this.#bytes.subarray(split, start + this.#entryBytes)
            : undefined,
        comment: this.#comments[entry],
      };
    }
  }

  /** Where the entry with this key is, or would be. */
  #slotOf(key: Uint8Array): number {
    const mask = this.#slots.length - 1;
    for (let slot = hash(key) & mask; ; slot = (slot + 1) & mask) {
      const entry = this.#slots[slot] ?? 0;
      if (entry === 0 || this.#hasKey(entry - 1, key)) return slot;
    }
  }

  #hasKey(entry: number, key: Uint8Array): boolean {
    const start = entry * this.#entryBytes;
    for (let index = 0; index < this.#keyBytes; index += 1) {
      if (this.#bytes[start + index] !== key[index]) return false;
    }
    return true;
  }

  #grow(): void {
    const capacity = Math.max(8, 2 * this.#count);
    const bytes = Buffer.alloc(capacity * this.#entryBytes);
    bytes.set(this.#bytes);
    this.#bytes = bytes;
    this.#seen = new Uint8Array(capacity);
    this.#slots = new Int32Array(2 * capacity);
    for (let entry = 0; entry < this.#count; entry += 1) {
      const start = entry * this.#entryBytes;
      this.#slots[this.#slotOf(bytes.subarray(start, start + this.#keyBytes))] = entry + 1;
    }
  }
}

/** FNV-1a, which spreads addresses and ports that differ in a few bits. */
function hash(key: Uint8Array): number {
  let sum = 0x811c9dc5;
  for (const byte of key) sum = Math.imul(sum ^ byte, 0x01000193);
  return sum ^ (sum >>> 15);
}

/** Elements that go and come, to be read as often as one likes, and how many elements that concerns. */
export interface ElementDiff extends NftTransaction {
  readonly changes: number;
}

/** What leads from the elements `before` to those `after`. */
export function diffElements(before: readonly Element[], after: readonly Element[]): ElementDiff {
  const then = new Map(before.map((element) => [identify(element), element]));
  const now = new Map(after.map((element) => [identify(element), element]));
  const gone = [...then].filter(([id, element]) => !isSame(element, now.get(id)));
  const come = [...now].filter(([id, element]) => !isSame(element, then.get(id)));
  const rewritten = new Set([...gone, ...come].map(([, { object }]) => object).filter(changesWhole));
  const leaves = (list: typeof gone): Element[] =>
    list.map(([, element]) => element).filter(({ object }) => !rewritten.has(object));
  const whole = (list: ReadonlyMap<string, Element>): Element[] =>
    [...list.values()].filter(({ object }) => rewritten.has(object));
  return {
    removed: [...leaves(gone), ...whole(then)],
    added: [...leaves(come), ...whole(now)],
    changes: new Set([...gone, ...come].map(([id]) => id)).size,
  };
}

/**
 * Whether all elements of a set go and come together when one does. Bounds: the kernel takes the first address of a range
 * and the first behind it only as a pair (removing one alone is ENOENT from Linux 6.18 on), and what splits a range
 * overlaps with it.
 */
export function changesWhole(object: string): boolean {
  return objectNamed(object).form === 'bounds';
}

/** What distinguishes an element from all others. */
export function identify({ object, key }: Pick<Element, 'object' | 'key'>): string {
  return `${object} ${key.toString('latin1')}`;
}

function isSame(one: Element, other: Element | undefined): boolean {
  if (!other || one.comment !== other.comment) return false;
  return one.value && other.value ? one.value.equals(other.value) : one.value === other.value;
}

/**
 * What leads from the kernel's elements to those in `tables`. While it is read nobody may change rules; when somebody
 * does, it is read again.
 * @param keep leave in the kernel what is in no table, unless it is in the way of what is
 */
export function compareElements(
  tables: Iterable<ElementTable>,
  door: Pick<NftDoor, 'readElements'>,
  keep = false,
): ElementDiff {
  const all = [...tables];
  const removed: Element[] = [];
  let changes = 0;
  for (const table of all) {
    const { elements, unwanted, different } = readUnwanted(table, door, keep);
    const lacking = table.missing().reduce((sum) => sum + 1, 0);
    changes += unwanted.length - different + lacking;
    if (!changesWhole(table.object.name)) removed.push(...unwanted);
    else if (unwanted.length + lacking > 0) {
      table.reset();
      // They are listed from the last to the first.
      removed.push(...elements.reverse());
    }
  }
  return { removed, added: { [Symbol.iterator]: () => missing(all) }, changes };
}

/** Somebody else's transaction, or a hash table that grows, lasts for one or two listings. */
const maxListings = 50;

function readUnwanted(table: ElementTable, door: Pick<NftDoor, 'readElements'>, keep: boolean) {
  for (let listing = 0; listing < maxListings; listing += 1) {
    const found = readUnwantedOnce(table, door, keep);
    if (found) return found;
  }
  throw new RulesError('BUSY', `${table.object.name} changed each time it was listed`);
}

/**
 * Undefined when the listing cannot be relied upon. The kernel goes through a set's hash table once more for each part of
 * a listing and leaves out as many elements as it has given; when the table is reordered meanwhile (it grows behind a
 * load, lib/rhashtable.c), some come twice instead of others, and no flag tells.
 */
function readUnwantedOnce(table: ElementTable, door: Pick<NftDoor, 'readElements'>, keep: boolean) {
  const isWhole = changesWhole(table.object.name);
  /** All of them, of a set that changes as a whole. */
  const elements: Element[] = [];
  const unwanted = new Map<string, Element>();
  let different = 0;
  let repetitions = 0;
  table.reset();
  const whole = door.readElements(table.object.name, (element) => {
    if (isWhole) elements.push(element);
    const is = table.note(element);
    if (is === 'repeated') repetitions += 1;
    if (is === 'same' || is === 'repeated' || (is === 'unwanted' && keep && !isWhole)) return;
    const id = element.key.toString('latin1');
    if (unwanted.has(id)) repetitions += 1;
    if (is === 'different') different += 1;
    unwanted.set(id, element);
  });
  return whole && repetitions === 0 ? { elements, unwanted: [...unwanted.values()], different } : undefined;
}

function* missing(tables: readonly ElementTable[]): Generator<Element> {
  for (const table of tables) yield* table.missing();
}
