/** Namespaces, mounts and files. */
import { declare } from './syscall.ts';

const calls = {
  setns: declare('int setns(int fd, int nstype)'),
  unshare: declare('int unshare(int flags)'),
  mount: declare(
    'int mount(const char *source, const char *target, const char *type, ulong flags, const char *data)',
  ),
  umount2: declare('int umount2(const char *target, int flags)'),
  flock: declare('int flock(int fd, int operation)'),
  fcntl: declare('int fcntl(int fd, int command, int argument)'),
  close: declare('int close(int fd)'),
  ioctl: declare('int ioctl(int fd, ulong request, void *argument)'),
} as const;

/** linux/sched.h */
export const CLONE_NEWNET = 0x40000000;

/** Moves the calling thread into the namespace behind `fd`. */
export function setns(fd: number, type = 0): void {
  calls.setns('', fd, type);
}

/** Gives the calling thread new namespaces. */
export function unshare(flags: number): void {
  calls.unshare('', flags);
}

/** linux/mount.h */
export const MS_BIND = 4096;
export const MS_REC = 16384;
export const MS_SHARED = 1 << 20;
export const MNT_DETACH = 2;

/** mount(2). */
export function mount(
  source: string,
  target: string,
  type: string | null,
  flags: number,
  data: string | null,
): void {
  calls.mount(target, source, target, type, flags, data);
}

/** umount2(2). */
export function umount2(target: string, flags: number): void {
  calls.umount2(target, target, flags);
}

/** sys/file.h */
export const LOCK_EX = 2;
export const LOCK_NB = 4;

/** flock(2); with LOCK_NB a lock held by somebody else throws EWOULDBLOCK (code `EAGAIN`). */
export function flock(fd: number, operation: number): void {
  calls.flock('', fd, operation);
}

/** fcntl.h */
const F_DUPFD_CLOEXEC = 1030;

/** A second fd, close-on-exec, of the same socket or file. */
export function duplicate(fd: number): number {
  return calls.fcntl('', fd, F_DUPFD_CLOEXEC, 0);
}

/** asm-generic/ioctls.h */
const FIOCLEX = 0x5451;

/** Keeps a file descriptor from programs that are started from now on. */
export function closeOnExec(fd: number): void {
  calls.ioctl(`fd ${fd}`, fd, FIOCLEX, null);
}

/** close(2). */
export function close(fd: number): void {
  calls.close('', fd);
}

/** ioctl(2) whose argument is a structure: read from and written to `argument`. */
export function ioctl(fd: number, request: number, argument: Uint8Array): void {
  calls.ioctl('', fd, request, argument);
}
