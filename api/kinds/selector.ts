import type { LabelSelector, LabelSelectorRequirement } from './meta.ts';
import { checkLabelValue, checkQualifiedName } from './names.ts';

/** A mistake in a selector: 400 BadRequest. */
export class SelectorError extends Error {
  override readonly name = 'SelectorError';
  readonly code = 'BadRequest';
}

type Values = Readonly<Record<string, string>>;
type Operator = 'in' | 'notin' | 'exists' | '!' | 'gt' | 'lt';

interface Requirement {
  readonly key: string;
  readonly operator: Operator;
  readonly values: readonly string[];
}

/** A compiled selector over labels or fields: all its requirements must hold. Empty selects everything. */
export class Selector {
  readonly #requirements: readonly Requirement[];

  constructor(requirements: readonly Requirement[]) {
    this.#requirements = requirements;
  }

  get empty(): boolean {
    return this.#requirements.length === 0;
  }

  /** The keys it asks about. */
  get keys(): readonly string[] {
    return this.#requirements.map((each) => each.key);
  }

  matches(values: Values | undefined): boolean {
    // A key may be `constructor`.
    const valueOf = (key: string) => (values && Object.hasOwn(values, key) ? values[key] : undefined);
    return this.#requirements.every((each) => holds(each, valueOf(each.key)));
  }

  /** The only value `key` may have, where the selector pins it; lets a list look up one object. */
  exactly(key: string): string | undefined {
    const pinned = this.#requirements.find(
      (each) => each.key === key && each.operator === 'in' && each.values.length === 1,
    );
    return pinned?.values[0];
  }

  /** The canonical text, e.g. `app=nginx,tier in (a,b)`. */
  render(): string {
    return this.#requirements.map(renderRequirement).join(',');
  }
}

function holds({ operator, values }: Requirement, value: string | undefined): boolean {
  switch (operator) {
    case 'exists':
      return value !== undefined;
    case '!':
      return value === undefined;
    case 'in':
      return value !== undefined && values.includes(value);
    case 'notin':
      return value === undefined || !values.includes(value);
    case 'gt':
      return value !== undefined && Number(value) > Number(values[0]);
    case 'lt':
      return value !== undefined && Number(value) < Number(values[0]);
  }
}

function renderRequirement({ key, operator, values }: Requirement): string {
  const first = values[0] ?? '';
  switch (operator) {
    case 'exists':
      return key;
    case '!':
      return `!${key}`;
    case 'gt':
      return `${key}>${first}`;
    case 'lt':
      return `${key}<${first}`;
    case 'in':
      return values.length === 1 ? `${key}=${first}` : `${key} in (${values.join(',')})`;
    case 'notin':
      return values.length === 1 ? `${key}!=${first}` : `${key} notin (${values.join(',')})`;
  }
}

/** One comma-separated part of a label selector; a comma inside parentheses does not separate. */
const PART = /(?:[^,(]|\([^()]*\))+/g;
const SET = /^(\S+)\s+(in|notin)\s*\(([^()]*)\)$/;
const COMPARISON = /^([^=!<>\s]+)\s*(==|!=|=|<|>)\s*(\S*)$/;
const EXISTENCE = /^(!?)\s*([^=!<>\s()]+)$/;

/** Parses `app=nginx,tier in (a,b),!canary`. Throws {@link SelectorError}. */
export function parseLabelSelector(text: string): Selector {
  if (text.trim() === '') return new Selector([]);
  const parts = text.match(PART) ?? [];
  if (parts.join(',').length !== text.length) {
    throw new SelectorError(
      `unable to parse requirement: ${JSON.stringify(text)}: misplaced comma or parenthesis`,
    );
  }
  const requirements = parts.map((part) => parseRequirement(part.trim()));
  for (const requirement of requirements) checkRequirement(requirement);
  return new Selector(requirements);
}

function parseRequirement(part: string): Requirement {
  const set = SET.exec(part);
  if (set) {
    const [, key = '', operator, values = ''] = set;
    return {
      key,
      operator: operator as 'in' | 'notin',
      values: values.split(',').map((each) => each.trim()),
    };
  }
  const comparison = COMPARISON.exec(part);
  if (comparison) {
    const [, key = '', sign = '=', value = ''] = comparison;
    return { key, operator: comparisons[sign] ?? 'in', values: [value] };
  }
  const [, not, key] = EXISTENCE.exec(part) ?? [];
  if (key === undefined) throw new SelectorError(`unable to parse requirement: ${JSON.stringify(part)}`);
  return { key, operator: not === '!' ? '!' : 'exists', values: [] };
}

const comparisons: Readonly<Record<string, Operator>> = {
  '=': 'in',
  '==': 'in',
  '!=': 'notin',
  '>': 'gt',
  '<': 'lt',
};

function checkRequirement({ key, operator, values }: Requirement): void {
  const wrongKey = checkQualifiedName(key);
  if (wrongKey !== undefined)
    throw new SelectorError(`key: Invalid value: ${JSON.stringify(key)}: ${wrongKey}`);
  for (const value of values) {
    const numeric = operator === 'gt' || operator === 'lt';
    const wrong = numeric
      ? /^-?\d+$/.test(value)
        ? undefined
        : 'must be an integer'
      : checkLabelValue(value);
    if (wrong === undefined) continue;
    throw new SelectorError(`values[0][${key}]: Invalid value: ${JSON.stringify(value)}: ${wrong}`);
  }
}

/** Parses `metadata.name=x,status.phase!=Running`; `\,`, `\=` and `\\` are literal. Throws {@link SelectorError}. */
export function parseFieldSelector(text: string): Selector {
  const requirements: Requirement[] = [];
  for (const part of text.match(/(?:\\.|[^,\\])+/g) ?? []) {
    const [, key, sign, value = ''] = /^([^=!]+)(==|!=|=)((?:\\.|[^\\])*)$/.exec(part.trim()) ?? [];
    if (key === undefined || sign === undefined) {
      throw new SelectorError(
        `invalid field selector: ${JSON.stringify(part)}: expected field=value or field!=value`,
      );
    }
    const literal = value.replace(/\\([,=\\])/g, '$1');
    requirements.push({ key: key.trim(), operator: sign === '!=' ? 'notin' : 'in', values: [literal] });
  }
  return new Selector(requirements);
}

const operators: Readonly<Record<string, Operator>> = {
  In: 'in',
  NotIn: 'notin',
  Exists: 'exists',
  DoesNotExist: '!',
};

/** A selector from an object's field: matchLabels and matchExpressions. Throws {@link SelectorError}. */
export function compileLabelSelector(selector: LabelSelector): Selector {
  const labels = Object.entries(selector.matchLabels ?? {});
  const requirements = [
    ...labels.map(([key, value]) => ({ key, operator: 'in' as const, values: [value] })),
    ...(selector.matchExpressions ?? []).map(compileExpression),
  ];
  return new Selector(requirements.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0)));
}

function compileExpression({ key, operator, values = [] }: LabelSelectorRequirement): Requirement {
  const compiled = operators[operator];
  if (!compiled)
    throw new SelectorError(`${JSON.stringify(operator)} is not a valid label selector operator`);
  return { key, operator: compiled, values: [...values].sort() };
}

/** A selector from a plain map of labels, as Services and ReplicationControllers have. */
export function selectorOf(labels: Values): Selector {
  const sorted = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1));
  return new Selector(sorted.map(([key, value]) => ({ key, operator: 'in' as const, values: [value] })));
}

/** Whether `labels` has every entry of `selector`. An empty selector matches everything: callers decide. */
export function matchesLabels(selector: Values, labels: Values | undefined): boolean {
  return Object.entries(selector).every(([key, value]) => labels?.[key] === value);
}
