import { spawn } from 'node:child_process';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

import { runInNamespace } from '../../netns/namespace.ts';
import type { ProbeAnswer, ProbeCommand } from './probe.ts';

type WithoutId<T> = T extends unknown ? Omit<T, 'id'> : never;

/** A probe process in a network namespace and the questions it has not answered yet. */
export class Probe {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #pending = new Map<number, (answer: string) => void>();
  #next = 1;

  constructor(namespace: string) {
    const script = new URL('./probe.ts', import.meta.url).pathname;
    this.#child = runInNamespace(namespace, () => spawn(process.execPath, [script]));
    this.#child.stderr.resume();
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      const { id, answer } = JSON.parse(line) as ProbeAnswer;
      this.#pending.get(id)?.(answer);
      this.#pending.delete(id);
    });
    this.#child.on('exit', () => {
      for (const resolve of this.#pending.values()) resolve('the probe ended');
    });
  }

  send(command: WithoutId<ProbeCommand>): Promise<string> {
    const id = this.#next++;
    return new Promise((resolve) => {
      this.#pending.set(id, resolve);
      this.#child.stdin.write(`${JSON.stringify({ id, ...command })}\n`);
    });
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.stdin.end();
    await exited;
  }
}
