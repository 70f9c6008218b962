import { randomInt } from 'node:crypto';
import type { Store, Write } from '../../store/store.ts';
import { StatusError } from '../status-error.ts';

/**
 * Numbers that only one object may have (Service addresses, node ports, nodes' ranges). Each is a key of its own, created and
 * deleted in the same transaction as its object, so that none is ever handed out twice, by however many servers.
 */
export type ClaimKind = 'service-address' | 'node-port' | 'pod-range';

function claimPrefix(kind: ClaimKind): string {
  return `/claims/${kind}/`;
}

export function claimKey(kind: ClaimKind, number: string | number): string {
  return `${claimPrefix(kind)}${number}`;
}

/** What turns the claims of an object's former state into those of its next state. */
export function claimChanges(
  before: ReadonlySet<string>,
  after: ReadonlySet<string>,
  owner: string,
): Write[] {
  return [
    ...[...before].filter((key) => !after.has(key)).map((key) => ({ type: 'delete', key }) as const),
    ...[...after]
      .filter((key) => !before.has(key))
      .map((key) => ({ type: 'create', key, value: owner }) as const),
  ];
}

export interface NumberRange {
  readonly first: number;
  readonly last: number;
}

/** Random tries before a free number is looked for; with half of the range taken, one in 65,536 gets that far. */
const randomTries = 16;

/**
 * A free number of `range`, by chance; when chance fails, the first free one of `fallback`, which is at least as wide.
 * `taken` adds what the caller has chosen but not stored.
 */
export async function chooseFree(
  store: Store,
  kind: ClaimKind,
  options: {
    readonly range: NumberRange;
    readonly fallback: NumberRange;
    readonly render: (number: number) => string;
    readonly taken: ReadonlySet<string>;
  },
): Promise<number> {
  const { range, fallback, render, taken } = options;
  for (let i = 0; i < randomTries; i += 1) {
    const number = randomInt(range.first, range.last + 1);
    const key = claimKey(kind, render(number));
    if (!taken.has(key) && (await store.get(key)) === undefined) return number;
  }
  const { entries } = await store.list(claimPrefix(kind));
  const used = new Set([...taken, ...entries.map((entry) => entry.key)]);
  for (const part of [range, fallback]) {
    for (let number = part.first; number <= part.last; number += 1) {
      if (!used.has(claimKey(kind, render(number)))) return number;
    }
  }
  throw new StatusError({
    code: 500,
    reason: 'InternalError',
    message: `Internal error occurred: range is full`,
  });
}
