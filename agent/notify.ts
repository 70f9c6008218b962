import { AF_UNIX, close, sendTo, SOCK_DGRAM, socket } from '../netns/libc.ts';
import { encodeUnixAddress } from '../netns/sockaddr.ts';

/**
 * Tells systemd how the service does (sd_notify(3)): `READY=1`, `STATUS=…`, `STOPPING=1`.
 * Does nothing when no service manager asked for it.
 */
export function notifyServiceManager(...lines: string[]): void {
  const path = process.env['NOTIFY_SOCKET'];
  if (path === undefined || path === '') return;
  const fd = socket(AF_UNIX, SOCK_DGRAM);
  try {
    sendTo(fd, Buffer.from(lines.join('\n')), encodeUnixAddress(path));
  } finally {
    close(fd);
  }
}
