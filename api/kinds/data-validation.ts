import { isDeepStrictEqual } from 'node:util';
import { forbidden, invalid, tooLong, type FieldError } from './field-error.ts';
import { checkConfigKey } from './names.ts';

/** What ConfigMaps and Secrets have in common. */

const SIZE_LIMIT = 1024 * 1024;

type Data = Readonly<Record<string, string>> | undefined;

/** Keys must be file names, and all values together at most 1 MiB. */
export function validateData(
  maps: Readonly<Record<string, Data>>,
  sizeOf: (text: string) => number,
): FieldError[] {
  const errors: FieldError[] = [];
  let size = 0;
  for (const [field, data] of Object.entries(maps)) {
    for (const [key, text] of Object.entries(data ?? {})) {
      const wrong = checkConfigKey(key);
      if (wrong !== undefined) errors.push(invalid(`${field}[${key}]`, key, wrong));
      size += sizeOf(text);
    }
  }
  if (size > SIZE_LIMIT) errors.push(tooLong('data', SIZE_LIMIT));
  return errors;
}

/** An object marked `immutable` keeps the mark and its data. */
export function validateImmutable<T extends { immutable?: boolean }>(
  object: T,
  old: T,
  fields: readonly (keyof T & string)[],
): FieldError[] {
  if (!old.immutable) return [];
  const detail = 'field is immutable when `immutable` is set';
  const errors = fields
    .filter((each) => !isDeepStrictEqual(object[each] ?? {}, old[each] ?? {}))
    .map((each) => forbidden(each, detail));
  return object.immutable ? errors : [...errors, forbidden('immutable', detail)];
}
