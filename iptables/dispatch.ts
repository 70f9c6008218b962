import type { Family } from './family.ts';
import { lowNibbles } from './address.ts';

/** How a {@link DispatchTree} tells its keys apart. */
export interface Dispatch {
  /** Name of the root chain; the others append the digits that lead to them. */
  readonly chain: string;
  /** The 16-valued digits of a key, most telling first. */
  digits(key: string): readonly number[];
  /**
   * The match of packets whose key has the last digit of `path` (hexadecimal digits) at its place; those before it are
   * known to fit.
   */
  match(path: string): string;
}

/** A leaf of more keys than this is split: reading 8 rules costs about what one more jump does. */
const leafSize = 8;

/** The deepest path: chain names have at most 28 characters. */
const maxDepth = 16;

interface Branch {
  readonly path: string;
  size: number;
  /** Keys of a leaf; undefined for an inner node. */
  keys: string[] | undefined;
  readonly children: (Branch | undefined)[];
}

/**
 * A 16-way tree of chains that leads a packet to the few rules that can concern it, instead of past all of them.
 *
 * Its shape follows from its keys alone (a node with up to 8 keys is a leaf), so a restarted daemon builds the tree
 * that stands in the kernel, and one change rewrites one leaf, seldom its neighbours. The tree keeps values; their
 * rules are made when a chain is written and kept by nobody.
 */
export class DispatchTree<Value> {
  readonly #dispatch: Dispatch;
  readonly #renderValue: (value: Value) => readonly string[];
  readonly #values = new Map<string, Value>();
  readonly #root: Branch = newBranch('');
  #changed = new Set<string>(['']);

  constructor(dispatch: Dispatch, renderValue: (value: Value) => readonly string[]) {
    this.#dispatch = dispatch;
    this.#renderValue = renderValue;
  }

  get(key: string): Value | undefined {
    return this.#values.get(key);
  }

  /** The value whose rules serve `key`; undefined removes it. */
  set(key: string, value: Value | undefined): void {
    const known = this.#values.has(key);
    if (value === undefined) this.#values.delete(key);
    else this.#values.set(key, value);
    if (value === undefined && !known) return;
    const digits = this.#dispatch.digits(key);
    if (value === undefined) this.#remove(this.#root, key, digits);
    else if (known) this.#touch(this.#leaf(digits));
    else this.#add(this.#root, key, digits);
  }

  /** The chains that differ since the last call, each as what makes its rules; undefined for those that must go. */
  *takeChanged(): Generator<[chain: string, render: (() => string[]) | undefined]> {
    const changed = this.#changed;
    this.#changed = new Set();
    for (const path of changed) {
      const branch = this.#find(path);
      yield [this.#chain(path), branch && (() => this.#render(branch))];
    }
  }

  #render(branch: Branch): string[] {
    if (branch.keys) {
      const values = [...branch.keys].sort().map((key) => this.#values.get(key));
      return values.flatMap((value) => (value === undefined ? [] : this.#renderValue(value)));
    }
    return branch.children
      .filter((child) => child !== undefined)
      .map((child) => `${this.#dispatch.match(child.path)} -j ${this.#chain(child.path)}`);
  }

  #chain(path: string): string {
    return path === '' ? this.#dispatch.chain : `${this.#dispatch.chain}-${path}`;
  }

  #add(branch: Branch, key: string, digits: readonly number[]): void {
    branch.size += 1;
    if (!branch.keys) {
      this.#add(this.#child(branch, digits), key, digits);
      return;
    }
    branch.keys.push(key);
    this.#touch(branch);
    if (branch.keys.length <= leafSize || branch.path.length >= Math.min(maxDepth, digits.length)) return;
    const { keys } = branch;
    branch.keys = undefined;
    for (const each of keys) {
      const eachDigits = this.#dispatch.digits(each);
      this.#add(this.#child(branch, eachDigits), each, eachDigits);
    }
  }

  #child(branch: Branch, digits: readonly number[]): Branch {
    const digit = digits[branch.path.length] ?? 0;
    const known = branch.children[digit];
    if (known) return known;
    const child = newBranch(branch.path + digit.toString(16));
    branch.children[digit] = child;
    this.#touch(branch);
    return child;
  }

  #remove(branch: Branch, key: string, digits: readonly number[]): void {
    branch.size -= 1;
    if (!branch.keys && branch.size <= leafSize) branch.keys = [...this.#drain(branch)];
    if (branch.keys) {
      branch.keys = branch.keys.filter((each) => each !== key);
      this.#touch(branch);
      return;
    }
    const child = this.#child(branch, digits);
    this.#remove(child, key, digits);
    if (child.size > 0) return;
    branch.children[digits[branch.path.length] ?? 0] = undefined;
    this.#touch(branch);
  }

  /** Takes all keys out from under `branch`; the chains below it go. */
  *#drain(branch: Branch): Generator<string> {
    for (const [digit, child] of branch.children.entries()) {
      if (!child) continue;
      this.#touch(child);
      if (child.keys) yield* child.keys;
      else yield* this.#drain(child);
      branch.children[digit] = undefined;
    }
  }

  #leaf(digits: readonly number[]): Branch {
    let branch = this.#root;
    while (!branch.keys) branch = this.#child(branch, digits);
    return branch;
  }

  #find(path: string): Branch | undefined {
    let branch: Branch | undefined = this.#root;
    for (const digit of path) branch = branch?.children[parseInt(digit, 16)];
    return branch;
  }

  #touch(branch: Branch): void {
    this.#changed.add(branch.path);
  }
}

function newBranch(path: string): Branch {
  return { path, size: 0, keys: [], children: [] };
}

/** Destination addresses, told apart by their low bits: `-d 0.0.0.5/0.0.0.15`. Masks need not be contiguous. */
export function addressDispatch(chain: string, family: Family): Dispatch {
  const bytes = family === 'ipv4' ? 4 : 16;
  return {
    chain,
    digits: lowNibbles,
    match(path) {
      const place = path.length - 1;
      return `-d ${maskedByte(bytes, place, parseInt(path.slice(-1), 16))}/${maskedByte(bytes, place, 0xf)}`;
    },
  };
}

/** The address of `count` bytes in which only the `place`th lowest 4 bits are set, as iptables-save prints it. */
function maskedByte(count: number, place: number, nibble: number): string {
  const value = BigInt(nibble) << BigInt(4 * place);
  const part = (shift: number, mask: bigint): bigint => (value >> BigInt(shift)) & mask;
  const dotted = [24, 16, 8, 0].map((shift) => part(shift, 0xffn)).join('.');
  if (count === 4) return dotted;
  // inet_ntop prints ::/96 with anything above the lowest 16 bits as an IPv4-compatible address.
  if (value >= 0x1_0000n && value <= 0xffff_ffffn) return `::${dotted}`;
  const words = [112, 96, 80, 64, 48, 32, 16, 0].map((shift) => part(shift, 0xffffn).toString(16));
  return compressZeros(words);
}

/** RFC 5952 section 4.2 for an address with at most one word that is not zero: the longest, first run is cut. */
function compressZeros(words: readonly string[]): string {
  const set = words.findIndex((word) => word !== '0');
  if (set < 0) return '::';
  const before = set;
  const after = words.length - 1 - set;
  if (before >= after) return `::${words.slice(before).join(':')}`;
  return `${words.slice(0, set + 1).join(':')}::`;
}

/** Destination ports of one protocol, told apart by their high bits: `--dport 28672:32767`. */
export function portDispatch(chain: string, protocol: string): Dispatch {
  return {
    chain,
    digits: (key) => [12, 8, 4, 0].map((shift) => (Number(key) >> shift) & 0xf),
    match(path) {
      const width = 16 - 4 * path.length;
      const first = parseInt(path, 16) << width;
      const last = first + (1 << width) - 1;
      const ports = first === last ? String(first) : `${String(first)}:${String(last)}`;
      return `-p ${protocol} -m ${protocol} --dport ${ports}`;
    },
  };
}
