/** Why no address can be given out: `exhausted`, `resting` (try again later), `corrupt` (the leases file). */
export class IpamError extends Error {
  override readonly name = 'IpamError';
  readonly code: 'exhausted' | 'resting' | 'corrupt';

  constructor(code: IpamError['code'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
