import { isErrno } from '../netns/kernel-error.ts';
import { sendUnixDatagram } from '../netns/unix-datagram.ts';

/** What systemd takes as the name of a stored file descriptor (sd_notify(3), FDNAME=). */
const fdNamePattern = /^[\x20-\x39\x3b-\x7e]{1,255}$/;
/** So many travel with one message (net/scm.h, SCM_MAX_FD). */
const fdsPerMessage = 253;

/**
 * Tells systemd how the service does (sd_notify(3)): `READY=1`, `STATUS=…`, `STOPPING=1`.
 * Does nothing when no service manager asked for it.
 */
export function notifyServiceManager(...lines: string[]): void {
  tell(lines);
}

/**
 * Gives the service manager copies of sockets, which it keeps while the service restarts, also after it died, and
 * hands to the next process (systemd's file descriptor store: FileDescriptorStoreMax=): see takeInheritedFds. What it
 * has already it keeps once. Returns whether there is anybody who keeps them.
 * @param name what the next process finds them by; several may share one. No colon.
 */
export function storeFds(name: string, fds: readonly number[]): boolean {
  if (!fdNamePattern.test(name)) throw new RangeError(`no name of a stored file descriptor: ${name}`);
  let taken = true;
  for (let from = 0; from < fds.length; from += fdsPerMessage) {
    // FDPOLL=0: an ICMP error is one of a socket's, too, and no reason to let go of it.
    const lines = ['FDSTORE=1', `FDNAME=${name}`, 'FDPOLL=0'];
    taken &&= tell(lines, fds.slice(from, from + fdsPerMessage));
  }
  return taken;
}

/** Has the service manager drop what was stored under a name; it is fine when there is nothing. */
export function forgetFds(name: string): void {
  tell(['FDSTOREREMOVE=1', `FDNAME=${name}`]);
}

/** Whether somebody was told. */
function tell(lines: readonly string[], fds: readonly number[] = []): boolean {
  const path = process.env['NOTIFY_SOCKET'];
  if (path === undefined || path === '') return false;
  try {
    sendUnixDatagram(path, lines.join('\n'), fds);
    return true;
  } catch (error) {
    // A service manager that went away for a while is no reason to end; a lab's is only there for a restart.
    if (isErrno(error, 'ECONNREFUSED', 'ENOENT')) return false;
    throw error;
  }
}
