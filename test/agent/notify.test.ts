import t from 'tap';
import { forgetFds, notifyServiceManager, storeFds } from '../../agent/notify.ts';
import { close } from '../../netns/libc.ts';
import { MSG_DONTWAIT, recv } from '../../netns/socket.ts';
import { openUnixDatagram } from '../../netns/unix-datagram.ts';

t.test('systemd is told over its socket, and nobody where there is none', (t) => {
  const path = `@weft-notify-test-${process.pid}`;
  const fd = openUnixDatagram(path);
  t.teardown(() => {
    close(fd);
    delete process.env['NOTIFY_SOCKET'];
  });
  const read = (): string | undefined => {
    const buffer = Buffer.alloc(256);
    const length = recv(fd, buffer, MSG_DONTWAIT);
    return length === undefined ? undefined : buffer.toString('utf8', 0, length);
  };
  delete process.env['NOTIFY_SOCKET'];
  notifyServiceManager('READY=1');
  t.equal(read(), undefined);
  process.env['NOTIFY_SOCKET'] = path;
  notifyServiceManager('READY=1', 'STATUS=well');
  t.equal(read(), 'READY=1\nSTATUS=well');
  t.end();
});

t.test('a service manager that is not there is no failure, and keeps nothing', (t) => {
  t.teardown(() => {
    delete process.env['NOTIFY_SOCKET'];
  });
  for (const path of [undefined, '', `@weft-notify-nobody-${process.pid}`, '/nonexistent/notify']) {
    if (path === undefined) delete process.env['NOTIFY_SOCKET'];
    else process.env['NOTIFY_SOCKET'] = path;
    notifyServiceManager('READY=1');
    forgetFds('sockets');
    t.equal(storeFds('sockets', [0]), false, path ?? 'not asked for');
  }
  t.throws(() => storeFds('a:b', [0]), RangeError, 'names are separated by colons');
  t.end();
});
