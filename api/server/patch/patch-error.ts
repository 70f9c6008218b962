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
