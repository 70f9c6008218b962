import * as fs from 'node:fs';
import { ioctl } from './libc.ts';

/** asm-generic/ioctls.h */
const TIOCSWINSZ = 0x5414;
const TIOCGPTN = 0x80045430;
const TIOCSPTLCK = 0x40045431;

/** A pseudoterminal: what is written to one side is typed at, or shown by, the other. Both fds are the caller's. */
export interface Pty {
  readonly master: number;
  readonly slave: number;
}

/** Makes a pseudoterminal. @throws KernelError, or Node's own error when /dev/ptmx is not there */
export function openPty(): Pty {
  using undo = new DisposableStack();
  const flags = fs.constants.O_RDWR | fs.constants.O_NOCTTY;
  const master = fs.openSync('/dev/ptmx', flags);
  undo.defer(() => fs.closeSync(master));
  const number = Buffer.alloc(4);
  ioctl(master, TIOCSPTLCK, Buffer.alloc(4));
  ioctl(master, TIOCGPTN, number);
  const slave = fs.openSync(`/dev/pts/${number.readUInt32LE()}`, flags);
  undo.move();
  return { master, slave };
}

/** Sets a terminal's size in characters; the kernel tells its foreground processes by SIGWINCH. */
export function resizeTerminal(fd: number, columns: number, rows: number): void {
  // struct winsize: rows, columns, and a size in pixels that nobody reads.
  const size = Buffer.alloc(8);
  size.writeUInt16LE(rows, 0);
  size.writeUInt16LE(columns, 2);
  ioctl(fd, TIOCSWINSZ, size);
}
