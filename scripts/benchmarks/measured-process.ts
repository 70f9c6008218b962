import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { get } from 'node:http';
import { get as getSecurely } from 'node:https';
import type { RequestOptions } from 'node:https';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const weft = join(import.meta.dirname, '../../bin/weft');
const idleAfterMs = 120_000;

/** What a process holds in memory now, and what it has held at most, in MB. */
interface Memory {
  readonly rss: number;
  readonly peak: number;
}

export function memoryOf(pid: number): Memory {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const megabytes = (field: string): number =>
    Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1024;
  return { rss: megabytes('VmRSS'), peak: megabytes('VmHWM') };
}

/** CPU seconds of a process so far, all its threads; with `children` also of those of its children that have ended. */
export function cpuSecondsOf(pid: number, children = false): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // utime, stime, cutime, cstime: fields 14 to 17 of proc_pid_stat(5).
  const ticks = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticksPerSecond = 100;
  const sum = ticks.slice(11, children ? 15 : 13).reduce((total, each) => total + Number(each), 0);
  return sum / ticksPerSecond;
}

/** Resolves once a process has not used more than a tenth of a core for a second. */
async function whenIdle(pid: number): Promise<void> {
  const until = performance.now() + idleAfterMs;
  for (let before = cpuSecondsOf(pid); performance.now() < until;) {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const now = cpuSecondsOf(pid);
    if (now - before < 0.1) return;
    before = now;
  }
}

/** How long to wait for a daemon of weft, and how often to look, in ms. */
interface Patience {
  readonly giveUpAfterMs: number;
  readonly pollMs: number;
}

/** A daemon of weft in a process of its own, as users run it. */
export class MeasuredProcess {
  readonly #process: ChildProcess;
  readonly #withChildren: boolean;
  /** From the start of the process until /readyz says ok. */
  readonly readyMs: number;

  /** @param withChildren whether the CPU time of the tools it runs counts as its own */
  protected constructor(child: ChildProcess, readyMs: number, withChildren: boolean) {
    this.#process = child;
    this.readyMs = readyMs;
    this.#withChildren = withChildren;
  }

  memory(): Memory {
    return memoryOf(this.#process.pid ?? 0);
  }

  cpuSeconds(): number {
    return cpuSecondsOf(this.#process.pid ?? 0, this.#withChildren);
  }

  /** It has caught up with what it was given. */
  whenIdle(): Promise<void> {
    return whenIdle(this.#process.pid ?? 0);
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null) return;
    const ended = once(this.#process, 'exit');
    this.#process.kill('SIGTERM');
    await ended;
  }
}

/** Starts a command of `weft` with these flags, as users run it. */
export function startWeft(command: string, settings: Readonly<Record<string, string>>): ChildProcess {
  const flags = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
  const child = spawn(weft, [command, ...flags], { stdio: ['ignore', 'ignore', 'inherit'] });
  const end = (): boolean => child.kill('SIGKILL');
  process.once('exit', end);
  child.once('exit', () => process.off('exit', end));
  return child;
}

/** Resolves when it is ready. @throws Error when it ends or takes too long; then it is ended */
export async function whenReady(
  child: ChildProcess,
  isReady: () => Promise<boolean>,
  { giveUpAfterMs, pollMs }: Patience,
): Promise<void> {
  const name = child.spawnargs[1] ?? '';
  const startedAt = performance.now();
  while (!(await isReady())) {
    if (child.exitCode !== null) throw new Error(`weft ${name} ended with ${child.exitCode}`);
    if (performance.now() - startedAt > giveUpAfterMs) {
      child.kill('SIGKILL');
      throw new Error(`weft ${name} did not become ready`);
    }
    await sleep(pollMs);
  }
}

/** Whether it answers 200 now; no answer is none. */
export function answersOk(url: URL, options: RequestOptions = {}): Promise<boolean> {
  return new Promise((resolve) => {
    const request = url.protocol === 'https:' ? getSecurely : get;
    request(url, { agent: false, ...options }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    }).on('error', () => {
      // Not listening yet: asked again soon.
      resolve(false);
    });
  });
}
