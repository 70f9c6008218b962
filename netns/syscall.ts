/**
 * The only door to libc, with socket.ts, libc.ts and poll.ts. Each of their functions is one syscall with its errors
 * thrown as {@link KernelError}; nothing is decided here. Numbers come from the kernel headers named beside them and
 * are the same on x86-64 and arm64; both are little-endian, which every encoder in this folder relies on.
 */
import koffi from 'koffi';
import { KernelError } from './kernel-error.ts';

const libc = koffi.load('libc.so.6');
const { EAGAIN = 11, EINTR = 4 } = koffi.os.errno;

/** Each call may say what it is about, for its error. */
type Call = (about: string, ...args: unknown[]) => number;

/** A function of libc that throws its errors as KernelError. @param prototype as in C, with koffi's types */
export function declare(prototype: string): Call {
  const { name, attempt } = load(prototype);
  return (about, ...args) => {
    const result = attempt(about, args);
    if (result === undefined) throw new KernelError(name, EAGAIN, about);
    return result;
  };
}

/** As {@link declare}; undefined where it would have to wait (EAGAIN). */
export function declareWithoutWaiting(prototype: string): (...args: unknown[]) => number | undefined {
  const { attempt } = load(prototype);
  return (...args) => attempt('', args);
}

interface Loaded {
  readonly name: string;
  /** Calls until it is not interrupted. */
  readonly attempt: (about: string, args: readonly unknown[]) => number | undefined;
}

function load(prototype: string): Loaded {
  const call = libc.func(prototype) as (...args: unknown[]) => number;
  const name = /(\w+)\(/.exec(prototype)?.[1] ?? '';
  const attempt: Loaded['attempt'] = (about, args) => {
    for (;;) {
      const result = call(...args);
      if (result >= 0) return result;
      const errno = koffi.errno();
      if (errno === EAGAIN) return undefined;
      if (errno !== EINTR) throw new KernelError(name, errno, about);
    }
  };
  return { name, attempt };
}

/** Where a buffer's bytes are, for structures that point to them: keep the buffer as long as the kernel may look. */
export function addressOf(buffer: Uint8Array): bigint {
  return koffi.address(buffer);
}
