import { invalid as invalidField } from '../../kinds/field-error.ts';
import type { Kind } from '../../kinds/kind.ts';
import { apiVersionOf } from '../../kinds/kind.ts';
import type { Document } from '../http/body.ts';
import { addWarnings } from '../http/exchange.ts';
import type { Exchange } from '../http/exchange.ts';
import { badRequest, invalid } from '../status-error.ts';
import type { StatusError } from '../status-error.ts';

/** What only `fieldValidation` decides about: fields nobody knows, fields that are there twice. */
export interface Questionable {
  readonly unknownFields: readonly string[];
  readonly document: Document;
}

/**
 * Treats fields that are unknown or there twice as the request's `fieldValidation` says: an error under Strict, made
 * by `refuse`, a warning under Warn, which is the default, nothing under Ignore.
 */
export function validateFields(
  { url, response }: Exchange,
  { unknownFields, document }: Questionable,
  refuse: (mistake: string) => StatusError,
): void {
  const validation = url.searchParams.get('fieldValidation') || 'Warn';
  if (!['Ignore', 'Warn', 'Strict'].includes(validation)) {
    const values = '"Ignore", "Strict", "Warn"';
    throw badRequest(`fieldValidation: Unsupported value: "${validation}": supported values: ${values}`);
  }
  if (validation === 'Ignore') return;
  const mistakes = [...unknownFields, ...document.duplicates()];
  if (mistakes.length === 0) return;
  if (validation === 'Strict') throw refuse(`strict decoding error: ${mistakes.join(', ')}`);
  addWarnings(response, mistakes);
}

/** The refusal of a whole object. */
export function refuseObject(
  kind: Pick<Kind, 'group' | 'version' | 'kind'>,
): (mistake: string) => StatusError {
  const type = `${kind.kind} in version "${apiVersionOf(kind)}"`;
  return (mistake) => badRequest(`${type} cannot be handled as a ${kind.kind}: ${mistake}`);
}

/** The refusal of a patch, whose object is not what the client wrote. */
export function refusePatch({ value }: Document): (mistake: string) => StatusError {
  return (mistake) =>
    invalid({ group: '', kind: '' }, '', [invalidField('patch', JSON.stringify(value), mistake)]);
}
