import { closeOnExec } from '../netns/libc.ts';

/** The first file descriptor after standard input, output and error (sd-daemon.h, SD_LISTEN_FDS_START). */
const firstFd = 3;

/** An open file that the service manager handed to this process. */
export interface InheritedFd {
  readonly fd: number;
  /** What it was stored under (see notify.ts); `unknown` where the service manager does not say. */
  readonly name: string;
}

/**
 * The file descriptors that the service manager hands to this process (sd_listen_fds(3)): they belong to the caller
 * from now on. Programs that this one starts get neither them nor the variables, which are taken out of `environment`.
 */
export function takeInheritedFds(environment = process.env): InheritedFd[] {
  const { LISTEN_PID: pid, LISTEN_FDS: count, LISTEN_FDNAMES: names } = environment;
  delete environment['LISTEN_PID'];
  delete environment['LISTEN_FDS'];
  delete environment['LISTEN_FDNAMES'];
  delete environment['LISTEN_PIDFDID'];
  // They may be meant for a parent that passed its environment on.
  if (pid !== String(process.pid) || !/^\d+$/.test(count ?? '')) return [];
  const named = names?.split(':') ?? [];
  return Array.from({ length: Number(count) }, (_, index) => {
    const fd = firstFd + index;
    closeOnExec(fd);
    return { fd, name: named[index] ?? 'unknown' };
  });
}
