/** Why rules could not be made or changed. */
export type RulesErrorCode =
  /** A program (iptables-restore, nft) is not installed. */
  | 'PROGRAM_MISSING'
  /** The kernel or its tool refused a transaction; nothing of it was applied. */
  | 'REFUSED'
  /** Others hold the lock, or change rules faster than we can: nothing is wrong with ours, they go in later. */
  | 'BUSY'
  /** Another Service already has this address and port. */
  | 'CONFLICT'
  /** The program's answer could not be understood. */
  | 'UNREADABLE';

/** The one error of this folder. */
export class RulesError extends Error {
  override readonly name = 'RulesError';
  readonly code: RulesErrorCode;
  /** The Service (`namespace/name`) that the refusal is about, if it is about one. */
  readonly service: string | undefined;

  constructor(code: RulesErrorCode, message: string, options?: { cause?: unknown; service?: string }) {
    super(message, { cause: options?.cause });
    this.code = code;
    this.service = options?.service;
  }
}

/** Whether it is an error of this folder for this reason. */
export function isRulesError(error: unknown, code: RulesErrorCode): error is RulesError {
  return error instanceof RulesError && error.code === code;
}
