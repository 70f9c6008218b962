export type ServerErrorCode = 'listen' | 'state' | 'certificate' | 'bootstrap';

/** Why the server could not start, in one sentence with what to do. */
export class ServerError extends Error {
  override readonly name = 'ServerError';
  readonly code: ServerErrorCode;

  constructor(code: ServerErrorCode, message: string, options?: { readonly cause: unknown }) {
    super(message, options);
    this.code = code;
  }
}
