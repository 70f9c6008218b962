import type { LabelSelector } from './meta.ts';

/** A mistake in the text of a selector: 400 BadRequest. */
export class SelectorError extends Error {
  override readonly name = 'SelectorError';
  readonly code = 'BadRequest';
}

/** A compiled selector over labels (or fields). */
export interface Selector {
  readonly empty: boolean;
  matches(values: Readonly<Record<string, string>> | undefined): boolean;
  /** The canonical text, e.g. `app=nginx,tier in (a,b)`. */
  render(): string;
}

/** Parses `app=nginx,tier in (a,b),!canary`. Throws {@link SelectorError}. */
export function parseLabelSelector(_text: string): Selector {
  throw new SelectorError('not yet');
}

/** Parses `metadata.name=x,status.phase!=Running`. Throws {@link SelectorError}. */
export function parseFieldSelector(_text: string): Selector {
  throw new SelectorError('not yet');
}

/** A selector from an object's field: matchLabels and matchExpressions. Empty selects everything. */
export function compileLabelSelector(_selector: LabelSelector): Selector {
  throw new SelectorError('not yet');
}

/** Whether `labels` has every entry of `selector`, as Services and ReplicationControllers select. */
export function matchesLabels(
  selector: Readonly<Record<string, string>>,
  labels: Readonly<Record<string, string>> | undefined,
): boolean {
  for (const key in selector) if (labels?.[key] !== selector[key]) return false;
  return true;
}
