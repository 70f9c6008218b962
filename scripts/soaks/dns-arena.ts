import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createNamespace, removeNamespace, runInNamespace } from '../../netns/namespace.ts';
import { memoryOf } from '../benchmarks/measured-process.ts';
import type { Served } from './dns-client-process.ts';
import type { Flood } from './dns-flood-process.ts';

const port = 5300;
const upstreamPort = 5301;
const services = 1000;

/** A namespace with nothing but a loopback device, and in it the agent's DNS server with one worker. */
export class DnsArena implements AsyncDisposable {
  readonly #namespace = `weft-soak${process.pid}`;
  readonly #server: ChildProcess;
  #said = '';

  static async open(): Promise<DnsArena> {
    const arena = new DnsArena();
    // Its names are read, and its code is compiled, before anything is measured.
    await sleep(5000);
    return arena;
  }

  private constructor() {
    using _ = createNamespace(this.#namespace);
    runInNamespace(this.#namespace, () => execFileSync('ip', ['link', 'set', 'lo', 'up']));
    this.#server = this.#start('../benchmarks/dns-weft-process.ts', [
      JSON.stringify({ port, services, threads: 1, upstreamPort }),
    ]);
    for (const stream of [this.#server.stdout, this.#server.stderr]) {
      stream?.on('data', (text: Buffer) => (this.#said = (this.#said + text.toString()).slice(-4000)));
    }
  }

  /** What the server has complained of, or that it ended. */
  get complaints(): string[] {
    const ended = this.#server.exitCode !== null || this.#server.signalCode !== null;
    return [...(ended ? ['the server ended'] : []), ...(this.#said === '' ? [] : [this.#said])];
  }

  /** Resident memory of the server, in MB. */
  get rss(): number {
    return memoryOf(this.#server.pid ?? 0).rss;
  }

  /** How a good client was served while `during` ran. */
  async watch(
    during: () => Promise<void>,
  ): Promise<{ readonly cluster: Served; readonly elsewhere: Served }> {
    const client = this.#start('dns-client-process.ts', [String(port), String(upstreamPort)]);
    await sleep(2000);
    await during();
    client.stdin?.end();
    return JSON.parse(await outputOf(client)) as { cluster: Served; elsewhere: Served };
  }

  async flood(flood: Omit<Flood, 'port'>): Promise<{ readonly sent: number; readonly seconds: number }> {
    const flooding = this.#start('dns-flood-process.ts', [JSON.stringify({ port, ...flood })]);
    return JSON.parse(await outputOf(flooding)) as { sent: number; seconds: number };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#server, 'exit');
    if (this.#server.kill('SIGKILL')) await ended;
    removeNamespace(this.#namespace);
  }

  #start(file: string, args: readonly string[]): ChildProcess {
    // Who floods is one of many who want the processor, the server and the good client come first.
    const nice = file.includes('flood') ? ['nice', '-n', '5'] : [];
    const [command = '', ...rest] = [...nice, process.execPath, join(import.meta.dirname, file), ...args];
    return runInNamespace(this.#namespace, () => spawn(command, rest, { stdio: ['pipe', 'pipe', 'pipe'] }));
  }
}

async function outputOf(child: ChildProcess): Promise<string> {
  let output = '';
  let errors = '';
  child.stdout?.on('data', (text: Buffer) => (output += text.toString()));
  child.stderr?.on('data', (text: Buffer) => (errors += text.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`a client ended with ${code}: ${errors}`);
  return output;
}

export function renderServed({ asked, lost, medianMs, p99Ms, slowestMs }: Served): string {
  const [median, p99, slowest] = [medianMs, p99Ms, slowestMs].map((ms) => ms.toFixed(1));
  return `${lost} of ${asked} lost, median ${median} ms, p99 ${p99} ms, slowest ${slowest} ms`;
}
