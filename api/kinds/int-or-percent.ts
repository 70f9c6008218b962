import { invalid, type FieldError } from './field-error.ts';

/** Amounts such as maxSurge: a number of pods, or a share of them in percent. */

type IntOrPercent = number | string;

const PERCENT = /^(\d+)%$/;

/** How many of `total` it is; a share is rounded up or down. Text that is no percentage counts as 0. */
export function resolveIntOrPercent(value: IntOrPercent, total: number, round: 'up' | 'down'): number {
  if (typeof value === 'number') return value;
  const share = (Number(PERCENT.exec(value)?.[1] ?? 0) * total) / 100;
  return round === 'up' ? Math.ceil(share) : Math.floor(share);
}

export function validateIntOrPercent(value: IntOrPercent, path: string): FieldError[] {
  if (typeof value === 'number') {
    return value < 0 ? [invalid(path, value, 'must be greater than or equal to 0')] : [];
  }
  if (PERCENT.test(value)) return [];
  const detail =
    "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%' or '93%')";
  return [invalid(path, value, detail)];
}

export function validateAtMostAll(value: IntOrPercent, path: string): FieldError[] {
  const isMore = typeof value === 'string' && Number(PERCENT.exec(value)?.[1] ?? 0) > 100;
  return isMore ? [invalid(path, value, 'must not be greater than 100%')] : [];
}

/** Whether it is 0 or 0%. */
export function isNone(value: IntOrPercent): boolean {
  return typeof value === 'number' ? value === 0 : Number(PERCENT.exec(value)?.[1]) === 0;
}
