import { badRequest } from '../status-error.ts';

/** Where the next page of a list begins. */
export interface Continuation {
  /** The snapshot the list reads; undefined goes on over the newest state. */
  readonly revision: number | undefined;
  /** The last key of the page before, without the collection's prefix. */
  readonly after: string;
}

/** Opaque to clients: base64url of `<revision or nothing>/<key>`. */
export function encodeContinue(continuation: Continuation): string {
  return Buffer.from(`${continuation.revision ?? ''}/${continuation.after}`).toString('base64url');
}

/** Throws StatusError 400 for a token that is not ours. */
export function decodeContinue(token: string): Continuation {
  const match = /^(\d{0,15})\/(.+)$/s.exec(Buffer.from(token, 'base64url').toString('utf8'));
  const [, revision = '', after = ''] = match ?? [];
  if (!match) throw badRequest('continue key is not valid: unrecognized token');
  return { revision: revision === '' ? undefined : Number(revision), after };
}
