import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { openSync, closeSync } from 'node:fs';
import t, { type Test } from 'tap';
import { describeSocket, turnAwayDatagrams } from '../../netns/bound-socket.ts';
import * as sockets from '../../netns/socket.ts';
import { close } from '../../netns/libc.ts';
import { listeningPort } from '../../netns/namespace.ts';
import { openServerSocket, setReceiveBytes, waitingBytes } from '../../netns/server-socket.ts';
import { encodeInetAddress } from '../../netns/sockaddr.ts';

const families = [
  { host: '127.0.0.1', domain: sockets.AF_INET, type: 'udp4' },
  { host: '::1', domain: sockets.AF_INET6, type: 'udp6' },
] as const;

function bound(t: Test, domain: number, type: number, host: string): number {
  const fd = sockets.open(domain, type | sockets.SOCK_NONBLOCK);
  t.teardown(() => close(fd));
  sockets.bind(fd, encodeInetAddress(host, 0));
  return fd;
}

for (const { host, domain, type } of families) {
  t.test(`${host}: a socket says where it is bound`, (t) => {
    const udp = bound(t, domain, sockets.SOCK_DGRAM, host);
    t.same(describeSocket(udp), { protocol: 'udp', host, port: listeningPort(udp) });
    const tcp = bound(t, domain, sockets.SOCK_STREAM, host);
    t.same(describeSocket(tcp), { protocol: 'tcp', host, port: listeningPort(tcp) });
    t.end();
  });

  t.test(`${host}: datagrams are turned away`, async (t) => {
    const server = bound(t, domain, sockets.SOCK_DGRAM, host);
    const port = listeningPort(server);
    const client = createSocket(type);
    t.teardown(() => client.close());
    client.bind(0, host);
    await once(client, 'listening');
    const send = (text: string): Promise<void> =>
      new Promise((resolve) => {
        client.send(text, port, host, () => resolve());
      });
    const read = (): string | undefined => {
      const buffer = Buffer.alloc(64);
      const length = sockets.recv(server, buffer, sockets.MSG_DONTWAIT);
      return length === undefined ? undefined : buffer.toString('utf8', 0, length);
    };
    await send('before');
    turnAwayDatagrams(server);
    await send('away');
    t.equal(read(), 'before', 'what had come is still there');
    t.equal(read(), undefined);
    const answered = once(client, 'message');
    sockets.sendTo(server, Buffer.from('late answer'), encodeInetAddress(host, client.address().port));
    t.equal(String((await answered)[0]), 'late answer', 'it can still be sent from');
    t.same(describeSocket(server), { protocol: 'udp', host, port }, 'still bound where it was');
  });
}

t.test('other files are no sockets of ours', (t) => {
  const file = openSync('/dev/null', 'r');
  const unix = sockets.open(sockets.AF_UNIX, sockets.SOCK_DGRAM);
  t.same([file, unix].map(describeSocket), [undefined, undefined]);
  closeSync(file);
  close(unix);
  t.end();
});

t.test('what waits to be received is known, and how much may', async (t) => {
  const fd = openServerSocket({
    protocol: 'udp',
    host: '127.0.0.1',
    port: 0,
    shared: false,
    receiveBytes: 1 << 20,
  });
  t.teardown(() => close(fd));
  t.equal(waitingBytes(fd), 0);
  const client = createSocket('udp4');
  t.teardown(() => client.close());
  const send = (): Promise<void> =>
    new Promise((resolve) => {
      client.send('a question', listeningPort(fd), '127.0.0.1', () => resolve());
    });
  for (let count = 0; count < 10; count += 1) await send();
  const waiting = waitingBytes(fd);
  t.ok(waiting >= 10 * 'a question'.length, `${waiting} bytes`);
  setReceiveBytes(fd, 4096);
  await send();
  t.equal(waitingBytes(fd), waiting, 'no more fits');
  setReceiveBytes(fd, 1 << 20);
  await send();
  t.ok(waitingBytes(fd) > waiting);
});
