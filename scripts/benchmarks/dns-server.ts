import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import { runInNamespace } from '../../netns/namespace.ts';
import { cpuSecondsOf, memoryOf } from './measured-process.ts';

interface ServerOptions {
  readonly name: string;
  /** A program that stays in the foreground, and its arguments. */
  readonly command: readonly string[];
  /** The network namespace it serves in. */
  readonly namespace: string;
  readonly port: number;
  /** What puts a command that follows on the right processors. */
  readonly place: readonly string[];
  /** It is ready when this name has this address. */
  readonly probe: { readonly name: string; readonly address: string };
  /** With a channel for messages. */
  readonly ipc?: boolean;
}

const giveUpAfterMs = 60_000;

/** A DNS server in a process of its own, on 127.0.0.1 in a namespace, on processors of its own. */
export class DnsServerProcess {
  readonly name: string;
  readonly port: number;
  readonly process: ChildProcess;

  /** Starts it and resolves when it answers. @throws Error when it ends before, or never answers */
  static async start(options: ServerOptions): Promise<DnsServerProcess> {
    const { name, place, namespace, port, ipc = false } = options;
    const [program = '', ...args] = [...place, ...options.command];
    const child = runInNamespace(namespace, () =>
      spawn(program, args, {
        stdio: ['ignore', 'pipe', 'pipe', ...(ipc ? (['ipc'] as const) : [])],
      }),
    );
    const server = new DnsServerProcess(name, port, child);
    let said = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (text: Buffer) => (said = (said + text.toString()).slice(-2000)));
    }
    // A program that cannot be started ends without an exit status.
    child.once('error', (error) => (said += error.message));
    for (const startedAt = performance.now(); !(await answers(options));) {
      const ended = child.exitCode ?? child.signalCode;
      const late = performance.now() - startedAt > giveUpAfterMs;
      if (ended === null && !late) continue;
      await server.stop();
      throw new Error(`${name} ${late ? 'does not answer' : `ended with ${ended}`}: ${said.trim()}`);
    }
    return server;
  }

  private constructor(name: string, port: number, child: ChildProcess) {
    this.name = name;
    this.port = port;
    this.process = child;
    const end = (): boolean => child.kill('SIGKILL');
    process.once('exit', end);
    child.once('exit', () => process.off('exit', end));
  }

  /** User and system time of all its threads so far. */
  cpuSeconds(): number {
    return cpuSecondsOf(this.process.pid ?? 0);
  }

  /** Resident, in MB. */
  get rss(): number {
    return memoryOf(this.process.pid ?? 0).rss;
  }

  /** Tells it something over its channel. */
  send(message: object | string): void {
    this.process.send(message);
  }

  /** Asks it something and returns its answer. */
  async ask<Answer>(message: string): Promise<Answer> {
    const answered = once(this.process, 'message') as Promise<[Answer]>;
    this.send(message);
    const [answer] = await answered;
    return answer;
  }

  async stop(): Promise<void> {
    const { exitCode, signalCode, pid } = this.process;
    if (exitCode !== null || signalCode !== null || pid === undefined) return;
    const ended = once(this.process, 'exit');
    this.process.kill('SIGTERM');
    const patience = setTimeout(() => this.process.kill('SIGKILL'), 5000);
    await ended;
    clearTimeout(patience);
  }
}

/** Asks by dig, which is none of the servers; waits a little where nobody listens yet. */
async function answers({ namespace, port, probe: { name, address } }: ServerOptions): Promise<boolean> {
  const args = ['@127.0.0.1', '-p', String(port), '+short', '+tries=1', '+time=1', name, 'A'];
  const asking = runInNamespace(namespace, () => promisify(execFile)('dig', args));
  const { stdout } = await asking.catch(() => ({ stdout: 'no answer' }));
  if (stdout.trim() === address) return true;
  await sleep(100);
  return false;
}
