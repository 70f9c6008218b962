import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { get } from 'node:https';
import { join } from 'node:path';
import type { ClientOptions } from '../../api/client/http.ts';
import { parseKubeconfig } from '../../api/client/kubeconfig.ts';

const weft = join(import.meta.dirname, '../../bin/weft');
const giveUpAfterMs = 120_000;
const pollMs = 10;

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
export async function whenIdle(pid: number): Promise<void> {
  const until = performance.now() + giveUpAfterMs;
  for (let before = cpuSecondsOf(pid); performance.now() < until;) {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const now = cpuSecondsOf(pid);
    if (now - before < 0.1) return;
    before = now;
  }
}

/** A `weft server` in a process of its own on 127.0.0.1, as users run it: controllers and all. */
export class MeasuredServer {
  readonly #process: ChildProcess;
  readonly access: ClientOptions;
  /** From the start of the process until /readyz says ok. */
  readonly readyMs: number;

  /** Starts it over `stateDir`, new or left by an earlier one, and resolves when it is ready. */
  static async start(
    stateDir: string,
    port: number,
    more: Readonly<Record<string, string>> = {},
  ): Promise<MeasuredServer> {
    const startedAt = performance.now();
    const settings = {
      'state-dir': stateDir,
      'api-port': String(port),
      'listen-addresses': '127.0.0.1',
      'advertise-address': '127.0.0.1',
      'log-level': 'warn',
      ...more,
    };
    const child = startWeft('server', settings);
    const kubeconfig = join(stateDir, 'server/admin.kubeconfig');
    while (!(existsSync(kubeconfig) && (await isReady(readAccess(kubeconfig))))) {
      if (child.exitCode !== null) throw new Error(`weft server ended with ${child.exitCode}`);
      if (performance.now() - startedAt > giveUpAfterMs) {
        child.kill('SIGKILL');
        throw new Error('weft server did not become ready');
      }
      await new Promise((resolve) => setTimeout(resolve, pollMs));
    }
    return new MeasuredServer(child, readAccess(kubeconfig), performance.now() - startedAt);
  }

  private constructor(child: ChildProcess, access: ClientOptions, readyMs: number) {
    this.#process = child;
    this.access = access;
    this.readyMs = readyMs;
  }

  memory(): Memory {
    return memoryOf(this.#process.pid ?? 0);
  }

  cpuSeconds(): number {
    return cpuSecondsOf(this.#process.pid ?? 0);
  }

  /** Its controllers have caught up. */
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

function readAccess(kubeconfig: string): ClientOptions {
  return { ...parseKubeconfig(readFileSync(kubeconfig, 'utf8')), timeoutMs: giveUpAfterMs };
}

function isReady({ server, ca }: ClientOptions): Promise<boolean> {
  return new Promise((resolve) => {
    get(new URL('/readyz', server), { ca, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    }).on('error', () => {
      // Not listening yet: asked again soon.
      resolve(false);
    });
  });
}
