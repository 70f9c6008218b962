/** What went wrong, for programs. */
export type DnsErrorCode =
  /** A name that cannot be written in DNS: empty or long label, more than 255 bytes. */
  | 'BadName'
  /** A record's text that cannot be read. */
  | 'BadRecord'
  /** A message that breaks RFC 1035. */
  | 'BadMessage'
  /** An address to listen on could not be bound. `cause` is the system's error. */
  | 'CannotListen'
  /** No upstream server answered. `cause` is the last failure. */
  | 'NoUpstream';

/** The one error of `dns/`. */
export class DnsError extends Error {
  override readonly name = 'DnsError';
  readonly code: DnsErrorCode;

  constructor(code: DnsErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
