import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { runInNamespace } from '../../../netns/namespace.ts';

/** Takes what comes and says so when it ends. */
const receiver = `
  const server = require('node:net').createServer((socket) => socket.resume().on('end', () => socket.end('all')));
  server.listen(0, '::', () => console.log(server.address().port));`;
/** Sends and prints how many seconds it took until the other end had it all. */
const sender = `
  const [host, port, bytes] = process.argv.slice(1);
  const start = performance.now();
  const socket = require('node:net').connect({ host, port: Number(port), allowHalfOpen: true });
  socket.end(Buffer.alloc(Number(bytes)));
  socket.once('data', () => console.log((performance.now() - start) / 1000));`;

/**
 * How fast TCP gets `bytes` from one namespace to an address in another, in bytes per second, with all that it takes to
 * begin and end: whatever else the machine does makes it slower, nothing makes it faster.
 */
export async function measureThroughput(
  from: string,
  to: string,
  address: string,
  bytes: number,
): Promise<number> {
  const server = start(to, receiver);
  try {
    const port = await readLine(server);
    const client = start(from, sender, address, port, String(bytes));
    return bytes / Number(await readLine(client));
  } finally {
    server.kill('SIGKILL');
    await once(server, 'close');
  }
}

function start(namespace: string, script: string, ...args: string[]): ChildProcess {
  return runInNamespace(namespace, () =>
    spawn(process.execPath, ['-e', script, ...args], { stdio: ['ignore', 'pipe', 'inherit'] }),
  );
}

async function readLine({ stdout }: ChildProcess): Promise<string> {
  const [line] = (await once(stdout ?? process.stdin, 'data')) as [Buffer];
  return line.toString().trim();
}
