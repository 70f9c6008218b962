/** Bits of one word. */
const width = 32;
const fullWord = 0xffff_ffff;

/** Spans of more numbers than this are kept as spans: there are hardly any, and they may be of any size. */
const widest = 4096;

interface Span {
  readonly first: number;
  readonly last: number;
}

/**
 * Which numbers from 0 on are taken, each as often as it was. The next free one is found, and a number taken or given
 * back, in a number of steps that grows with the logarithm of the numbers there are.
 */
export class TakenNumbers {
  readonly #count: number;
  readonly #times = new Map<number, number>();
  /** By level, words that are not 0: a bit of the first says that a number is taken, of the next that a word is full. */
  readonly #levels: readonly Map<number, number>[];
  readonly #spans: Span[] = [];

  /** @param count how many numbers there are */
  constructor(count: number) {
    this.#count = count;
    const depth = Math.max(1, Math.ceil(Math.log(count) / Math.log(width)));
    this.#levels = Array.from({ length: depth }, () => new Map<number, number>());
  }

  take(span: Span): void {
    if (span.last - span.first >= widest) {
      this.#spans.push(span);
      return;
    }
    for (let number = span.first; number <= span.last; number += 1) {
      const times = this.#times.get(number) ?? 0;
      this.#times.set(number, times + 1);
      if (times === 0) this.#set(number);
    }
  }

  /** Gives back what was taken just so. */
  release(span: Span): void {
    if (span.last - span.first >= widest) {
      const at = this.#spans.findIndex(({ first, last }) => first === span.first && last === span.last);
      if (at >= 0) this.#spans.splice(at, 1);
      return;
    }
    for (let number = span.first; number <= span.last; number += 1) {
      const times = this.#times.get(number) ?? 0;
      if (times > 1) this.#times.set(number, times - 1);
      else if (this.#times.delete(number)) this.#clear(number);
    }
  }

  /** The lowest free number from this one on. */
  nextFree(from: number): number | undefined {
    for (let at = from; at < this.#count;) {
      const free = this.#nextClear(at);
      if (free >= this.#count) return undefined;
      const around = this.#spans.find(({ first, last }) => first <= free && free <= last);
      if (!around) return free;
      at = around.last + 1;
    }
    return undefined;
  }

  #set(number: number): void {
    let at = number;
    for (const level of this.#levels) {
      const index = Math.floor(at / width);
      const word = ((level.get(index) ?? 0) | (1 << (at % width))) >>> 0;
      level.set(index, word);
      if (word !== fullWord) return;
      at = index;
    }
  }

  #clear(number: number): void {
    let at = number;
    for (const level of this.#levels) {
      const index = Math.floor(at / width);
      const before = level.get(index) ?? 0;
      const word = (before & ~(1 << (at % width))) >>> 0;
      if (word === 0) level.delete(index);
      else level.set(index, word);
      if (before !== fullWord) return;
      at = index;
    }
  }

  /** Up to a level whose word has room behind, then down to the first place in it; beyond all when there is none. */
  #nextClear(from: number): number {
    let at = from;
    let height = 0;
    for (let level = this.#levels[0]; level; level = this.#levels[height]) {
      const index = Math.floor(at / width);
      const clear = lowestClear(level.get(index) ?? 0, at % width);
      if (clear === undefined) {
        at = index + 1;
        height += 1;
        continue;
      }
      at = index * width + clear;
      if (height === 0) return at;
      height -= 1;
      at *= width;
    }
    return Infinity;
  }
}

/** The lowest bit from this one on that is 0. */
function lowestClear(word: number, from: number): number | undefined {
  const candidates = (~word & (fullWord << from)) >>> 0;
  return candidates === 0 ? undefined : width - 1 - Math.clz32(candidates & -candidates);
}
