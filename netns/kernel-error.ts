import { getSystemErrorMap } from 'node:util';

/** Node names the errors it knows itself; a non-blocking connect has one more (asm-generic/errno.h). */
const errors = new Map<number, [string, string]>([
  ...getSystemErrorMap(),
  [-115, ['EINPROGRESS', 'operation now in progress']],
]);

/** A refused request to the kernel: a failed syscall, or an error answer to a netlink message. */
export class KernelError extends Error {
  override readonly name = 'KernelError';
  /** The errno's name, e.g. `ENOENT`. */
  readonly code: string;
  /** The errno's number, positive. */
  readonly errno: number;
  /** The syscall or netlink request that failed, e.g. `mount` or `RTM_NEWLINK`. */
  readonly syscall: string;

  /**
   * @param about the object of the call: a path, a link's name, an address
   * @param detail the kernel's own words (netlink extended acknowledgement), when it gave any
   */
  constructor(syscall: string, errno: number, about = '', detail = '', options?: ErrorOptions) {
    const [code, meaning] = errors.get(-errno) ?? [`E${errno}`, 'unknown error'];
    const object = about === '' ? '' : ` ${about}`;
    const words = detail === '' ? meaning : `${meaning}: ${detail}`;
    super(`${syscall}${object}: ${words} (${code})`, options);
    this.code = code;
    this.errno = errno;
    this.syscall = syscall;
  }
}

/** Whether `error` is a {@link KernelError} (or Node's own system error) with one of these codes. */
export function isErrno(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}
