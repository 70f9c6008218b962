import { spawn } from 'node:child_process';
import * as fs from 'node:fs';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { removeCgroups } from './cgroups.ts';
import type { NodePaths } from './paths.ts';
import { PodError } from './pod-error.ts';
import { isChrooted, writeRootedRunc } from './real-root.ts';
import { identifyProcess, isAlive } from './record.ts';
import type { ProcessIdentity } from './record.ts';

/** How a container ended, by conmon's exit file. */
export interface Exit {
  readonly exitCode: number;
  readonly finishedAt: Date;
}

export interface CreateOptions {
  readonly id: string;
  readonly bundle: string;
  readonly log: string;
  readonly pidFile: string;
  readonly terminal: boolean;
  /** Whether the container has a stdin, and what becomes of it when the first client that wrote to it ends. */
  readonly stdin: 'none' | 'stays' | 'once';
}

export interface ExecOptions {
  /** Where runc writes the process's pid as the host sees it. */
  readonly pidFile?: string;
  /** Where runc writes, as JSON lines, what it itself could not do. */
  readonly log?: string;
  /** The caller's stdio is a terminal. */
  readonly tty?: boolean;
}

/** The only environment of runc and conmon: nothing of the agent's leaks into containers' monitors. */
export const runtimeEnvironment = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' };

/**
 * The door to runc and conmon. conmon is each container's parent: it writes the log, holds the terminal and
 * records the exit code, and lives on without us.
 */
export class Runtime {
  readonly #paths: NodePaths;
  readonly #programs: { readonly runc: string; readonly conmon: string };
  /** The runc that makes containers: runc itself, or in a chroot a way to it. */
  readonly #maker: string;

  /** Throws PodError RuntimeMissing when runc or conmon is not installed. */
  constructor(paths: NodePaths) {
    this.#paths = paths;
    this.#programs = { runc: findProgram('runc'), conmon: findProgram('conmon') };
    for (const dir of [paths.runc, paths.exits, paths.sockets])
      fs.mkdirSync(dir, { recursive: true, mode: 0o700 });
    this.#maker = this.#programs.runc;
    if (isChrooted()) {
      this.#maker = paths.rootedRunc;
      writeRootedRunc(this.#maker, this.#programs.runc);
    }
  }

  /** Makes a container from its bundle, not yet running its program. Throws PodError RuntimeFailed in runc's words. */
  async create(options: CreateOptions): Promise<ProcessIdentity> {
    fs.mkdirSync(dirname(options.log), { recursive: true, mode: 0o755 });
    const conmon = spawn(this.#programs.conmon, this.#conmonArguments(options), {
      // conmon tells on fd 3 how the creation went.
      stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
      env: { ...runtimeEnvironment, _OCI_SYNCPIPE: '3' },
      cwd: options.bundle,
    });
    let complaint = '';
    conmon.stderr?.on('data', (chunk: Buffer) => (complaint += chunk.toString('utf8')));
    const answers = conmon.stdio[3] as Readable;
    // conmon goes on in the background and keeps both pipes: its answer is one line, not their end.
    const [answer] = await Promise.all([readLine(answers), ended(conmon)]);
    answers.destroy();
    conmon.stderr?.destroy();
    const { data = -1, message = '' } = parseAnswer(answer);
    const identity = data > 0 ? identifyProcess(data) : undefined;
    if (identity) return identity;
    const words = message || complaint || 'conmon ended without an answer';
    throw new PodError('RuntimeFailed', options.id, shorten(words));
  }

  /** Lets a created container run its program. Throws PodError RuntimeFailed. */
  async start(id: string): Promise<void> {
    await this.#runc('start', id);
  }

  /** Removes a container and what runs in it. A missing one is fine. */
  async remove(id: string, cgroup: string): Promise<void> {
    if (fs.existsSync(join(this.#paths.runc, id))) await this.#runc('delete', '--force', id);
    fs.rmSync(join(this.#paths.sockets, id), { force: true });
    fs.rmSync(join(this.#paths.exits, id), { force: true });
    await removeCgroups(cgroup);
  }

  /** Signals a container's first process; gone is fine. */
  kill(process_: ProcessIdentity, signal: NodeJS.Signals): void {
    if (isAlive(process_)) process.kill(process_.pid, signal);
  }

  /** How the container ended; undefined while conmon has not said so. */
  readExit(id: string): Exit | undefined {
    const file = join(this.#paths.exits, id);
    try {
      return { exitCode: Number(fs.readFileSync(file, 'utf8')), finishedAt: fs.statSync(file).mtime };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** Calls `onExit` with the id of each container that ends from now on; may call twice. Returns how to stop. */
  watchExits(onExit: (id: string) => void, onError: (error: Error) => void): () => void {
    const watcher = fs.watch(this.#paths.exits, (_event, name) => {
      // conmon writes a temporary file, then renames it.
      if (name && /^[0-9a-f]{32}$/.test(name)) onExit(name);
    });
    watcher.on('error', onError);
    return () => watcher.close();
  }

  /** Program and arguments that run a process in a running container; the caller spawns them. */
  execCommand(id: string, command: readonly string[], options: ExecOptions = {}): [string, string[]] {
    const { log, pidFile, tty } = options;
    const all = ['--root', this.#paths.runc, ...(log ? ['--log', log, '--log-format', 'json'] : []), 'exec'];
    if (pidFile) all.push('--pid-file', pidFile);
    if (tty) all.push('--tty', '--env', 'TERM=xterm');
    return [this.#programs.runc, [...all, id, ...command]];
  }

  /** The socket on which conmon takes a container's input and tells its output. */
  attachSocket(id: string): string {
    return join(this.#paths.sockets, id, 'attach');
  }

  /** A new directory of its own for one exec's pid file and log. */
  makeExecDir(): string {
    return fs.mkdtempSync(join(this.#paths.sockets, 'exec-'));
  }

  #conmonArguments({ id, bundle, log, pidFile, terminal, stdin }: CreateOptions): string[] {
    const paths = this.#paths;
    return [
      ...['--api-version', '1', '--cid', id, '--cuuid', id, '--name', id],
      ...['--runtime', this.#maker, '--runtime-arg', `--root=${paths.runc}`],
      ...['--bundle', bundle, '--container-pidfile', pidFile, '--conmon-pidfile', join(bundle, 'conmon.pid')],
      ...['--log-path', `k8s-file:${log}`, '--exit-dir', paths.exits, '--socket-dir-path', paths.sockets],
      ...(terminal ? ['--terminal'] : []),
      ...(stdin === 'none' ? [] : ['--stdin']),
      ...(stdin === 'stays' ? ['--leave-stdin-open'] : []),
    ];
  }

  async #runc(...args: string[]): Promise<void> {
    const child = spawn(this.#programs.runc, ['--root', this.#paths.runc, ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: runtimeEnvironment,
    });
    const [complaint, code] = await Promise.all([readText(child.stderr), ended(child)]);
    if (code !== 0)
      throw new PodError('RuntimeFailed', args.at(-1) ?? '', shorten(complaint || `runc ended with ${code}`));
  }
}

/** Resolves with the exit code, -1 when a signal ended it. Rejects when it cannot start. */
function ended(child: ReturnType<typeof spawn>): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? -1));
  });
}

async function readText(stream: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8').trim();
}

/** The first line of a stream, or all of it when it ends before. */
async function readLine(stream: Readable): Promise<string> {
  let text = '';
  for await (const chunk of stream) {
    text += (chunk as Buffer).toString('utf8');
    if (text.includes('\n')) break;
  }
  return text.trim();
}

function parseAnswer(answer: string): { data?: number; message?: string } {
  return answer === '' ? {} : (JSON.parse(answer) as { data?: number; message?: string });
}

/** runc's log lines carry time and level; the message is what a user needs. */
function shorten(words: string): string {
  const message = /msg="((?:[^"\\]|\\.)*)"/.exec(words)?.[1] ?? words;
  return message.replaceAll('\\"', '"').slice(0, 1024);
}

function findProgram(name: string): string {
  for (const dir of runtimeEnvironment.PATH.split(':')) {
    const file = join(dir, name);
    if (fs.existsSync(file)) return file;
  }
  throw new PodError('RuntimeMissing', name, `${name} is not installed: apt-get install ${name}`);
}
