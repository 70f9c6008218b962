import {
  closeSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { isErrno } from '../../netns/kernel-error.ts';
import { flock, LOCK_EX, LOCK_NB } from '../../netns/libc.ts';

/** A lock held by this process; the kernel lets go of it when the process ends, however it ends. */
export interface Lock extends Disposable {
  release(): void;
}

/** Somebody else holds the lock; `pid` is theirs when they wrote it down. */
export interface LockHolder {
  readonly pid: number | undefined;
}

/**
 * Takes the lock of the file at `path`, which is made if it is missing and removed on release.
 * Returns who holds it when it is taken.
 */
export function acquireLock(path: string): Lock | LockHolder {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  for (;;) {
    const fd = openSync(path, 'a+', 0o600);
    if (!tryLock(fd)) {
      const pid = Number.parseInt(readFileSync(fd, 'utf8'), 10);
      closeSync(fd);
      return { pid: Number.isNaN(pid) ? undefined : pid };
    }
    // The holder before us may have removed the file between our open and our lock: then ours locks nothing.
    if (isSameFile(fd, path)) {
      ftruncateSync(fd);
      writeSync(fd, `${process.pid}\n`);
      return heldLock(fd, path);
    }
    closeSync(fd);
  }
}

/** Whether {@link acquireLock} got the lock. */
export function isHeld(result: Lock | LockHolder): result is Lock {
  return 'release' in result;
}

function tryLock(fd: number): boolean {
  try {
    flock(fd, LOCK_EX | LOCK_NB);
    return true;
  } catch (error) {
    if (isErrno(error, 'EAGAIN', 'EWOULDBLOCK')) return false;
    throw error;
  }
}

function isSameFile(fd: number, path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.ino === fstatSync(fd).ino;
}

function heldLock(fd: number, path: string): Lock {
  let held = true;
  const release = (): void => {
    if (!held) return;
    held = false;
    rmSync(path, { force: true });
    closeSync(fd);
  };
  return { release, [Symbol.dispose]: release };
}
