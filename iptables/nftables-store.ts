import { table } from './nftables-banks.ts';
import type { Element } from './nftables-elements.ts';

/** How many elements one command carries: long enough to be few, short enough to be read. */
const elementsPerCommand = 500;

interface Wanted {
  readonly value: string | undefined;
  /** Frontends can want the same element; it goes with the last of them. */
  count: number;
}

/** Elements as they should be and as they are, and the commands between the two. */
export class ElementStore {
  readonly #wanted = new Map<string, Map<string, Wanted[]>>();
  #current = new Map<string, Map<string, string | undefined>>();
  readonly #dirty = new Map<string, Set<string>>();

  /** Wants one element more. The last value wanted for a key is the one that counts. */
  add({ object, key, value }: Element): void {
    const keys = entry(this.#wanted, object, () => new Map<string, Wanted[]>());
    const claims = entry(keys, key, () => []);
    const known = claims.find((claim) => claim.value === value);
    if (known) known.count += 1;
    else claims.push({ value, count: 1 });
    this.#touch(object, key);
  }

  /** Takes back one {@link add}. */
  drop({ object, key, value }: Element): void {
    const keys = this.#wanted.get(object);
    const claims = keys?.get(key);
    const known = claims?.find((claim) => claim.value === value);
    if (!keys || !claims || !known) return;
    known.count -= 1;
    if (known.count === 0) claims.splice(claims.indexOf(known), 1);
    if (claims.length === 0) keys.delete(key);
    this.#touch(object, key);
  }

  clearWanted(): void {
    for (const [object, keys] of this.#wanted) for (const key of keys.keys()) this.#touch(object, key);
    this.#wanted.clear();
  }

  /** Takes over what the kernel holds; everything is compared afterwards. */
  setCurrent(elements: ReadonlyMap<string, ReadonlyMap<string, string | undefined>>): void {
    this.#current = new Map();
    for (const [object, keys] of [...elements, ...this.#wanted]) {
      for (const key of keys.keys()) this.#touch(object, key);
    }
    for (const [object, keys] of elements) this.#current.set(object, new Map(keys));
    // What clients did is theirs: affinity is remembered by the kernel alone.
    for (const object of this.#current.keys()) if (isDynamic(object)) this.#current.delete(object);
  }

  /** The commands that bring the kernel there: first what goes, then what comes, as an element's value cannot change. */
  renderChanges(): { lines: string[]; changes: number } {
    const removed: string[] = [];
    const added: string[] = [];
    let changes = 0;
    for (const [object, keys] of this.#dirty) {
      if (isDynamic(object)) continue;
      const { gone, come } = this.#diff(object, keys);
      changes += new Set([...gone.keys(), ...come.keys()]).size;
      removed.push(...commands('delete', object, [...gone.keys()]));
      added.push(...commands('add', object, [...come].map(elementText)));
    }
    return { lines: [...removed, ...added], changes };
  }

  /** Notes that the kernel now holds what is wanted. */
  noteApplied(): void {
    for (const [object, keys] of this.#dirty) {
      if (isDynamic(object)) continue;
      const current = entry(this.#current, object, () => new Map<string, string | undefined>());
      for (const key of keys) {
        const claim = this.#wanted.get(object)?.get(key)?.at(-1);
        if (claim) current.set(key, claim.value);
        else current.delete(key);
      }
    }
    this.#dirty.clear();
  }

  #diff(object: string, keys: ReadonlySet<string>) {
    const current = this.#current.get(object);
    const gone = new Map<string, undefined>();
    const come = new Map<string, string | undefined>();
    for (const key of keys) {
      const claim = this.#wanted.get(object)?.get(key)?.at(-1);
      const there = current?.has(key) ?? false;
      if (there && claim?.value === current?.get(key) && claim) continue;
      if (there) gone.set(key, undefined);
      if (claim) come.set(key, claim.value);
    }
    return { gone, come };
  }

  #touch(object: string, key: string): void {
    entry(this.#dirty, object, () => new Set<string>()).add(key);
  }
}

function isDynamic(object: string): boolean {
  return object.startsWith('affinity');
}

function elementText([key, value]: readonly [string, string | undefined]): string {
  return value === undefined ? key : `${key} : ${value}`;
}

function commands(verb: 'add' | 'delete', object: string, elements: readonly string[]): string[] {
  const lines: string[] = [];
  for (let start = 0; start < elements.length; start += elementsPerCommand) {
    const some = elements.slice(start, start + elementsPerCommand).join(', ');
    lines.push(`${verb} element ${table} ${object} { ${some} }`);
  }
  return lines;
}

function entry<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}
