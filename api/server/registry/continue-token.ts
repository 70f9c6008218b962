import { badRequest } from '../status-error.ts';

/** Where the next page of a list begins. */
export interface Continuation {
  /** The snapshot the list reads; undefined goes on over the newest state. */
  readonly revision: number | undefined;
  /** The last key of the page before, without the collection's prefix. */
  readonly after: string;
  /** How many objects of the snapshot come after `after`, where the first page counted them. */
  readonly remaining: number | undefined;
}

/** Opaque to clients: base64url of `<revision or nothing>/<remaining or nothing>/<key>`. */
export function encodeContinue({ revision, remaining, after }: Continuation): string {
  return Buffer.from(`${revision ?? ''}/${remaining ?? ''}/${after}`).toString('base64url');
}

/** Throws StatusError 400 for a token that is not ours. */
export function decodeContinue(token: string): Continuation {
  const text = Buffer.from(token, 'base64url').toString('utf8');
  const match = /^(\d{0,15})\/(\d{0,15})\/(.+)$/s.exec(text);
  const [, revision = '', remaining = '', after = ''] = match ?? [];
  if (!match) throw badRequest('continue key is not valid: unrecognized token');
  return { revision: numberOf(revision), remaining: numberOf(remaining), after };
}

function numberOf(digits: string): number | undefined {
  return digits === '' ? undefined : Number(digits);
}
