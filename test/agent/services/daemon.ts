import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

import { runInNamespace } from '../../../netns/namespace.ts';

/** What services-process.ts tells all the time. */
export interface Report {
  readonly ready: boolean;
  readonly reason?: string;
  /** Of the Events it wrote. */
  readonly reasons: readonly string[];
  readonly messages: readonly string[];
  readonly repairs: number;
  readonly compares: number;
}

/** The subsystem in a process inside a namespace, and what it said last. */
export class Daemon {
  readonly child: ChildProcess;
  report: Report = { ready: false, reasons: [], messages: [], repairs: 0, compares: 0 };

  constructor(child: ChildProcess) {
    this.child = child;
    if (!child.stdout) throw new Error('no output');
    createInterface({ input: child.stdout }).on('line', (line) => {
      this.report = JSON.parse(line) as Report;
    });
  }

  async end(signal?: NodeJS.Signals): Promise<void> {
    const exited = once(this.child, 'exit');
    if (signal) this.child.kill(signal);
    else this.child.stdin?.end();
    await exited;
  }
}

export function startDaemon(namespace: string, backend: string, lockFile: string): Daemon {
  const script = new URL('services-process.ts', import.meta.url).pathname;
  const env = { ...process.env, XTABLES_LOCKFILE: lockFile };
  return new Daemon(
    runInNamespace(namespace, () =>
      spawn(process.execPath, [script, backend], { stdio: ['pipe', 'pipe', 'inherit'], env }),
    ),
  );
}

/** Waits until `condition` holds; the test's own time limit is the only one. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(50);
}
