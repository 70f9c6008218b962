import { PatchError } from './patch-error.ts';

export type JsonObject = Record<string, unknown>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A JSON object with some fields changed; `undefined` takes a field away. Safe for names such as `__proto__`. */
export function withFields(object: JsonObject, changes: Iterable<readonly [string, unknown]>): JsonObject {
  const fields = new Map(Object.entries(object));
  for (const [name, value] of changes) {
    if (value === undefined) fields.delete(name);
    else fields.set(name, value);
  }
  return Object.fromEntries(fields);
}

const MAX_DEPTH = 200;

/** Rejects nesting that a recursive walk could not survive. Itself not recursive. */
export function checkDepth(value: unknown): void {
  if (isTooDeep(value)) throw new PatchError(400, `the patch is nested deeper than ${MAX_DEPTH} levels`);
}

/** Whether a value is nested deeper than any object of ours; recursive walks could not survive it. */
export function isTooDeep(value: unknown): boolean {
  let level = [value].filter(isComposite);
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > MAX_DEPTH) return true;
    const inner: object[] = [];
    for (const each of level) {
      for (const one of Object.values(each) as unknown[]) if (isComposite(one)) inner.push(one);
    }
    level = inner;
  }
  return false;
}

function isComposite(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
