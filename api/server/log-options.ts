import { forbidden, invalid } from '../kinds/field-error.ts';
import type { FieldError } from '../kinds/field-error.ts';

/** Numbers of core/v1 PodLogOptions and the least each may be. */
const least: Readonly<Record<string, number>> = { tailLines: 0, limitBytes: 1, sinceSeconds: 1 };

/** What is wrong with the query of a request for logs. Source: kubernetes validation ValidatePodLogOptions. */
export function validateLogOptions(query: URLSearchParams): FieldError[] {
  const errors = Object.entries(least).flatMap(([field, limit]) => {
    const text = query.get(field) ?? '';
    const value = Number(text);
    if (text === '' || (Number.isSafeInteger(value) && value >= limit)) return [];
    const detail = `must be greater than ${limit === 0 ? 'or equal to 0' : '0'}`;
    return [invalid(field, Number.isNaN(value) ? text : value, detail)];
  });
  const sinceTime = query.get('sinceTime') ?? '';
  if (sinceTime === '') return errors;
  if (Number.isNaN(Date.parse(sinceTime)))
    errors.push(invalid('sinceTime', sinceTime, 'must be an RFC 3339 time'));
  if (query.get('sinceSeconds'))
    errors.push(forbidden('', 'at most one of `sinceTime` or `sinceSeconds` may be specified'));
  return errors;
}
