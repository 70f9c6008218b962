import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import t, { type Test } from 'tap';
import { BatchedSocket, type BatchedSocketHandlers } from '../../netns/batched-socket.ts';
import { close } from '../../netns/libc.ts';
import { listeningPort } from '../../netns/namespace.ts';
import { PollRelay } from '../../netns/poll-relay.ts';
import { openServerSocket } from '../../netns/server-socket.ts';

interface Fixture {
  readonly port: number;
  readonly fd: number;
  readonly errors: unknown[];
}

function serve(
  t: Test,
  host: string,
  onDatagram: BatchedSocketHandlers['onDatagram'],
  pollFdOf?: (fd: number) => number,
): Fixture {
  const fd = openServerSocket({ protocol: 'udp', host, port: 0, receiveBytes: 4 << 20, shared: false });
  const socket = new BatchedSocket(fd, pollFdOf?.(fd));
  const errors: unknown[] = [];
  t.teardown(() => {
    socket.close();
    close(fd);
  });
  socket.start({ onDatagram, onError: (error) => errors.push(error) });
  return { port: listeningPort(fd), fd, errors };
}

async function open(t: Test, host: string): Promise<{ socket: Socket; received: string[] }> {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  t.teardown(() => socket.close());
  socket.bind(0, host);
  await once(socket, 'listening');
  const received: string[] = [];
  socket.on('message', (bytes: Buffer) => {
    received.push(bytes.toString());
    socket.emit('received');
  });
  return { socket, received };
}

for (const { host, address } of [
  { host: '127.0.0.1', address: '7f000001' },
  { host: '::1', address: '00000000000000000000000000000001' },
]) {
  t.test(
    `${host}: each answer goes to who asked, at once or later, also from between silent ones`,
    async (t) => {
      const seen = new Set<string>();
      const { port, errors } = serve(t, host, (datagram) => {
        const { message, out, address, port } = datagram;
        const text = message.toString();
        const number = Number(text.split(' ')[1]);
        seen.add(`${Buffer.from(address).toString('hex')} ${port}`);
        if (number % 3 === 0) return 0;
        // Longer than the question.
        const answer = `${text} answered`;
        if (number % 3 === 1) return out.write(answer);
        const send = datagram.later();
        setImmediate(() => send(Buffer.from(answer)));
        return 0;
      });
      const clients = await Promise.all(Array.from({ length: 5 }, () => open(t, host)));
      const total = 300;
      // All before the event loop turns: batches are full, and what is silent is in their midst.
      for (let number = 0; number < total; number += 1) {
        const client = number % clients.length;
        clients[client]?.socket.send(`${client} ${number}`, port, host);
      }
      const count = (): number => clients.reduce((sum, { received }) => sum + received.length, 0);
      while (count() < (total * 2) / 3) {
        await new Promise(setImmediate);
      }
      for (const [index, { received }] of clients.entries()) {
        const numbers = Array.from({ length: total }, (_, number) => number);
        const expected = numbers
          .filter((number) => number % clients.length === index && number % 3 !== 0)
          .map((number) => `${index} ${number} answered`);
        t.strictSame(received.sort(), expected.sort());
      }
      t.strictSame(
        [...seen].sort(),
        clients.map(({ socket }) => `${address} ${socket.address().port}`).sort(),
      );
      t.strictSame(errors, []);
    },
  );
}

t.test('what cannot be sent is told of, and what comes after it is sent', async (t) => {
  const { port, errors } = serve(t, '127.0.0.1', ({ message, out }) => {
    // Too long for any datagram of IPv4: as if the kernel refused to send it.
    if (message.toString() === 'refuse') return 1 << 17;
    return out.write('fine');
  });
  const { socket, received } = await open(t, '127.0.0.1');
  for (const text of ['one', 'refuse', 'three']) socket.send(text, port, '127.0.0.1');
  while (received.length < 2) await once(socket, 'received');
  t.strictSame(received, ['fine', 'fine']);
  t.match(errors, [{ code: /EMSGSIZE|EFAULT/, syscall: 'sendmmsg' }]);
});

t.test('a longer datagram than there is room for comes cut', async (t) => {
  const lengths: number[] = [];
  const { port } = serve(t, '127.0.0.1', ({ message, out }) => {
    lengths.push(message.length);
    return out.write('cut');
  });
  const { socket } = await open(t, '127.0.0.1');
  socket.send(Buffer.alloc(9000), port, '127.0.0.1');
  await once(socket, 'received');
  t.strictSame(lengths, [2048]);
});

t.test('behind a relay that is cut nothing is heard any more; it waits in the socket', async (t) => {
  const heard: string[] = [];
  const relays: PollRelay[] = [];
  const { port, fd } = serve(
    t,
    '127.0.0.1',
    ({ message, out }) => {
      heard.push(message.toString());
      return out.write('heard');
    },
    (fd) => {
      const relay = new PollRelay(fd);
      relays.push(relay);
      t.teardown(() => relay[Symbol.dispose]());
      return relay.fd;
    },
  );
  const { socket } = await open(t, '127.0.0.1');
  socket.send('before', port, '127.0.0.1');
  await once(socket, 'received');
  for (const relay of relays) relay.cut();
  socket.send('after', port, '127.0.0.1');
  // Another reader of the same socket finds it there.
  const next = new BatchedSocket(fd);
  t.teardown(() => next.close());
  const waited = Promise.withResolvers<string>();
  next.start({
    onDatagram: ({ message }) => {
      waited.resolve(message.toString());
      return 0;
    },
    onError: (error) => waited.reject(error),
  });
  t.equal(await waited.promise, 'after');
  t.strictSame(heard, ['before']);
});
