import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, fstatSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runInNamespace } from '../netns/namespace.ts';
import { openUnixDatagram, receiveUnixDatagram } from '../netns/unix-datagram.ts';
import { WatchedSocket } from '../netns/watched-socket.ts';

export interface SupervisedProgram {
  readonly command: readonly [string, ...string[]];
  readonly environment?: NodeJS.ProcessEnv;
  /** Where it runs; the supervisor's own by default. */
  readonly namespace?: string;
  /** Where its output goes, as of child_process.spawn. */
  readonly output?: 'ignore' | 'inherit' | number;
}

/** A shell takes the place that systemd's own child has: LISTEN_PID is the number it has before it becomes the program. */
const becomeProgram = 'LISTEN_PID=$$; export LISTEN_PID; exec "$@"';

/**
 * As much of systemd as a service with Type=notify, Restart=always and FileDescriptorStoreMax= meets: takes what it is
 * told over NOTIFY_SOCKET (sd_notify(3)), keeps the file descriptors that it is given, and hands them to the next
 * process (sd_listen_fds(3)).
 */
export class Supervisor implements Disposable {
  /** What the service said, but for its file descriptors: `READY=1`, `STOPPING=1`. */
  readonly said: string[] = [];
  readonly #program: SupervisedProgram;
  readonly #directory = mkdtempSync(join(tmpdir(), 'weft-supervisor-'));
  /** A file: abstract names are those of one network namespace. */
  readonly #path = join(this.#directory, 'notify');
  readonly #notifications: WatchedSocket;
  /** In the order in which they came. */
  readonly #stored: { readonly fd: number; readonly name: string; readonly inode: number }[] = [];
  #child: ChildProcess | undefined;
  #onReady: () => void = () => undefined;

  constructor(program: SupervisedProgram) {
    this.#program = program;
    this.#notifications = new WatchedSocket(openUnixDatagram(this.#path), () => this.#receive());
  }

  get pid(): number {
    return this.#child?.pid ?? -1;
  }

  /** The names under which something is stored, each as often as it is. */
  get stored(): readonly string[] {
    return this.#stored.map(({ name }) => name);
  }

  /** Starts the service; resolves when it said that it is ready. */
  async start(): Promise<void> {
    const { command, environment = process.env, namespace = '/proc/self/ns/net', output } = this.#program;
    const ready = new Promise<void>((resolve) => {
      this.#onReady = resolve;
    });
    const listen = {
      LISTEN_FDS: String(this.#stored.length),
      LISTEN_FDNAMES: this.#stored.map(({ name }) => name).join(':'),
    };
    const child = runInNamespace(namespace, () =>
      spawn('sh', ['-c', becomeProgram, 'sh', ...command], {
        env: { ...environment, NOTIFY_SOCKET: this.#path, ...(this.#stored.length > 0 ? listen : {}) },
        stdio: ['ignore', output ?? 'inherit', output ?? 'inherit', ...this.#stored.map(({ fd }) => fd)],
      }),
    );
    this.#child = child;
    const ended = once(child, 'exit').then(([code]) => {
      throw new Error(`the service ended with ${String(code)} before it was ready`);
    });
    await Promise.race([ready, ended]);
    ended.catch(() => undefined);
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** Ends the service with a signal; resolves when it is gone. What it stored stays. */
  async end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child?.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
    this.#receive();
  }

  [Symbol.dispose](): void {
    this.#child?.kill('SIGKILL');
    this.#notifications.close();
    for (const { fd } of this.#stored.splice(0)) closeSync(fd);
    rmSync(this.#directory, { recursive: true });
  }

  #receive(): void {
    if (!this.#notifications.open) return;
    for (;;) {
      const message = receiveUnixDatagram(this.#notifications.fd);
      if (!message) return;
      const lines = message.text.split('\n');
      const name = lines.find((line) => line.startsWith('FDNAME='))?.slice('FDNAME='.length) ?? 'stored';
      if (lines.includes('FDSTORE=1')) this.#store(message.fds, name);
      else if (lines.includes('FDSTOREREMOVE=1')) this.#remove(name);
      else this.said.push(...lines);
      if (lines.includes('READY=1')) this.#onReady();
    }
  }

  /** What is stored already is not stored twice. */
  #store(fds: readonly number[], name: string): void {
    for (const fd of fds) {
      const inode = fstatSync(fd).ino;
      if (this.#stored.some((each) => each.inode === inode)) closeSync(fd);
      else this.#stored.push({ fd, name, inode });
    }
  }

  #remove(name: string): void {
    for (const each of this.#stored.filter((stored) => stored.name === name)) {
      this.#stored.splice(this.#stored.indexOf(each), 1);
      closeSync(each.fd);
    }
  }
}
