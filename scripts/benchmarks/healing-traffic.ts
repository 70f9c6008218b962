import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { runInNamespace } from '../../netns/namespace.ts';

const beatSeconds = 0.01;
/** So long echoes have to come without a gap before all is well. */
const steadyMs = 500;
const longestBeatMs = 100;
/** Nothing is waited for any longer. */
const patienceMs = 20_000;

/**
 * Echoes from one namespace to an address, a hundred a second. Unlike TCP, which waits the longer the longer nothing
 * came back, they notice at once that the way is there again. The kernel answers them: nobody's event loop is measured.
 */
export class EchoTraffic implements AsyncDisposable {
  readonly #ping: ChildProcess;
  readonly #address: string;
  /** When the answers came, in ms since the epoch. */
  #answers: number[] = [];

  constructor(from: string, address: string) {
    this.#address = address;
    const args = ['-n', '-D', '-O', '-i', String(beatSeconds), address];
    this.#ping = runInNamespace(from, () => spawn('ping', args, { stdio: ['ignore', 'pipe', 'ignore'] }));
    if (!this.#ping.stdout) throw new Error('ping has no output');
    createInterface(this.#ping.stdout).on('line', (line) => this.#note(line));
  }

  /** Waits until answers come as they should; the longest time without one since `since`, in ms. */
  async longestGapMs(since: number): Promise<number> {
    const deadline = Date.now() + patienceMs;
    while (!this.#isSteady(since)) {
      if (Date.now() > deadline) throw new Error(`${this.#address} does not answer any more`);
      await sleep(50);
    }
    const answers = this.#answers.filter((at) => at > since);
    this.#answers = this.#answers.slice(-1);
    return Math.max(...answers.map((at, i) => at - (answers[i - 1] ?? since)));
  }

  #isSteady(since: number): boolean {
    const now = Date.now();
    const from = now - steadyMs;
    return from > since && isDense([from, ...this.#answers.filter((at) => at > from), now]);
  }

  #note(line: string): void {
    const at = /^\[([\d.]+)\] \d+ bytes from/.exec(line)?.[1];
    if (at !== undefined) this.#answers.push(Number(at) * 1000);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ping.exitCode !== null) return;
    const ended = once(this.#ping, 'exit');
    this.#ping.kill('SIGKILL');
    await ended;
  }
}

function isDense(times: readonly number[]): boolean {
  return times.every((at, i) => at - (times[i - 1] ?? at) < longestBeatMs);
}
