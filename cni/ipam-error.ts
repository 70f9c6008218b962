/**
 * Why no address can be given out: `exhausted`, `resting` (try again later), `taken` (an address that was asked for is
 * somebody else's), `outside` (what was asked for is none of this node's to give), `unsaved` (the disk refused; see
 * `cause`), `corrupt` (the leases file).
 */
export class IpamError extends Error {
  override readonly name = 'IpamError';
  readonly code: 'exhausted' | 'resting' | 'taken' | 'outside' | 'unsaved' | 'corrupt';

  constructor(code: IpamError['code'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
