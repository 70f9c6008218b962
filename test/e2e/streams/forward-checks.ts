import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import * as net from 'node:net';
import { buffer } from 'node:stream/consumers';
import type { Test } from 'tap';
import { eventually } from '../../api/eventually.ts';
import type { Kube } from './kube.ts';

const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** Sends `bytes` to a local port, ends that direction, and returns what comes back. */
async function exchange(port: number, bytes: Buffer): Promise<Buffer> {
  const socket = net.connect({ host: '127.0.0.1', port, allowHalfOpen: true });
  socket.end(bytes);
  return buffer(socket);
}

export async function checkForward(t: Test, kube: Kube): Promise<void> {
  const bytes = randomBytes(300_000);
  const podName = (await kube.expect(['get', 'pods', '-l', 'app=echo', '-o', 'name'])).trim();
  const targets: [string, number][] = [
    [podName, 7000],
    ['rc/echo', 7000],
    ['deployment/echod', 7000],
    ['svc/echo', 80],
  ];
  for (const [target, port] of targets) {
    const { ports } = await kube.forward(t, target, `:${port}`);
    // A Service's port is told as that of the pod behind it.
    const local = [...ports.values()][0] ?? 0;
    t.equal(digest(await exchange(local, bytes)), digest(bytes), `port-forward ${target}`);
  }
  const { ports, errors, exited } = await kube.forward(t, podName, ':7000', ':9');
  const blocks = Array.from({ length: 40 }, (_, index) => randomBytes(1000 * index));
  const answers = await Promise.all(blocks.map((block) => exchange(ports.get(7000) ?? 0, block)));
  t.same(answers.map(digest), blocks.map(digest), 'forty connections at a time');
  await exchange(ports.get(9) ?? 0, Buffer.from('hello')).catch(() => undefined);
  await eventually('kubectl tells of the refusal', () => errors().includes('\n'));
  t.match(
    errors(),
    /an error occurred forwarding \d+ -> 9: error forwarding port 9 to pod .*connect: connection refused/,
  );
  // Newer ones give up after a refusal, older ones go on.
  if (kube.minor >= 25) await exited;
  t.match(await kube.run(['port-forward', 'waits', '8080:80']), {
    stderr: /unable to forward port because pod is not running. Current status=Pending/,
    code: 1,
  });
  t.match(await kube.run(['port-forward', 'nobody', '8080:80']), {
    stderr: /pods "nobody" not found/,
    code: 1,
  });
}

/** Sends all of `bytes` to the echoing pod while nothing of the answer is read for a while; returns the answer's digest. */
export async function echoSlowly(
  t: Test,
  kube: Kube,
  bytes: Buffer,
  pause: () => Promise<void>,
): Promise<string> {
  const { ports } = await kube.forward(t, 'rc/echo', ':7000');
  const socket = net.connect({ host: '127.0.0.1', port: ports.get(7000) ?? 0, allowHalfOpen: true });
  await once(socket, 'connect');
  socket.end(bytes);
  await pause();
  return digest(await buffer(socket));
}
