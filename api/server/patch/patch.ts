import type { TSchema } from 'typebox';

/** A patch that cannot be read or applied. `code` is the HTTP status to answer with. */
export class PatchError extends Error {
  override readonly name = 'PatchError';
  readonly code: 400 | 415 | 422;
  readonly reason: 'BadRequest' | 'UnsupportedMediaType' | 'Invalid';

  constructor(code: 400 | 415 | 422, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.reason = code === 400 ? 'BadRequest' : code === 415 ? 'UnsupportedMediaType' : 'Invalid';
  }
}

/** Media types of PATCH bodies that {@link applyPatch} understands. */
export const patchTypes = [
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
] as const;
export type PatchType = (typeof patchTypes)[number];

/**
 * The object after a patch, still undecoded: decode, default and validate it as an update.
 * `current` is never changed; the result may share structure with it. Throws {@link PatchError}.
 */
export function applyPatch(_type: PatchType, _schema: TSchema, _current: unknown, _patch: unknown): unknown {
  throw new PatchError(415, 'not yet');
}
