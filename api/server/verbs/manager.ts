import { forbidden, invalid as invalidField, required, tooLong } from '../../kinds/field-error.ts';
import type { FieldError } from '../../kinds/field-error.ts';
import type { Exchange } from '../http/exchange.ts';
import type { FieldRecorder } from '../registry/resource.ts';
import { timestamp } from '../registry/create.ts';
import { trackUpdate } from '../fields/track.ts';
import { invalid } from '../status-error.ts';
import type { ResourceCall } from './call.ts';

const maxLength = 128;
const unprintable = /[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu;

/**
 * Who a request's writer is, for managedFields: its `fieldManager`, else the program that its User-Agent names. An
 * apply has to say it, and only an apply may be forced. Throws StatusError 422.
 */
export function managerOf({ request, url }: Exchange, type: 'apply' | 'patch' | 'other' = 'other'): string {
  const manager = url.searchParams.get('fieldManager') ?? '';
  const mistakes: FieldError[] = [];
  if (type === 'apply' && manager === '')
    mistakes.push(required('fieldManager', 'is required for apply patch'));
  if (type === 'patch' && url.searchParams.has('force')) {
    mistakes.push(forbidden('force', 'may not be specified for non-apply patch'));
  }
  if (Buffer.byteLength(manager) > maxLength) mistakes.push(tooLong('fieldManager', maxLength));
  if (manager.search(unprintable) >= 0) {
    mistakes.push(invalidField('fieldManager', manager, 'has characters that cannot be printed'));
  }
  if (mistakes.length > 0)
    throw invalid({ group: 'meta.k8s.io', kind: optionsOf(request.method) }, '', mistakes);
  return manager === '' ? programOf(request.headers['user-agent'] ?? '') : manager;
}

function optionsOf(method = ''): string {
  const names: Readonly<Record<string, string>> = { POST: 'CreateOptions', PUT: 'UpdateOptions' };
  return names[method] ?? 'PatchOptions';
}

function programOf(userAgent: string): string {
  const [program = ''] = userAgent.split('/');
  const printable = Buffer.from(program.replaceAll(unprintable, ''));
  return printable.subarray(0, maxLength).toString() || 'unknown';
}

/** Records an ordinary write. `subresource` is `''` for the object itself. */
export function recorderFor(
  { exchange, resource }: ResourceCall,
  subresource: string,
  type: 'patch' | 'other' = 'other',
): FieldRecorder {
  const author = { manager: managerOf(exchange, type), subresource };
  return (next, current) => trackUpdate(resource.kind, author, next, current, timestamp(Date.now()));
}
