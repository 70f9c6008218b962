import { spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import { ReadStream } from 'node:tty';
import type { Readable } from 'node:stream';
import { execa } from 'execa';
import type { Test } from 'tap';
import { openPty, resizeTerminal } from '../../../netns/pty.ts';
import { startForward } from '../../agent/streams/kubectl-forward.ts';
import type { Forward } from '../../agent/streams/kubectl-forward.ts';
import { eventually } from '../../api/eventually.ts';
import type { Kubectl } from '../../kubectls.ts';

export interface Result {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number;
}

/** A kubectl that a person types at. */
export interface Terminal {
  type(text: string): void;
  resize(columns: number, rows: number): void;
  /** Waits until the screen has shown this since the last call. */
  expect(pattern: RegExp): Promise<void>;
  readonly exitCode: Promise<number>;
}

/** One kubectl against a lab, with input, in the background and on a terminal. */
export class Kube {
  readonly minor: number;
  readonly #program: string;
  readonly #access: readonly string[];

  constructor({ path, minor }: Kubectl, kubeconfig: string, cacheDir: string) {
    this.#program = path;
    this.minor = minor;
    this.#access = ['--kubeconfig', kubeconfig, '--cache-dir', `${cacheDir}/${minor}`];
  }

  async run(args: readonly string[], input: string | Buffer = ''): Promise<Result> {
    const options = { input, reject: false, stripFinalNewline: false, timeout: 60_000 } as const;
    const { stdout, stderr, exitCode } = await execa(this.#program, [...this.#access, ...args], options);
    return { stdout, stderr, code: exitCode ?? -1 };
  }

  /** As {@link run}; throws with kubectl's words when it fails. */
  async expect(args: readonly string[], input: string | Buffer = ''): Promise<string> {
    const { stdout, stderr, code } = await this.run(args, input);
    if (code !== 0) throw new Error(`kubectl ${args.join(' ')} ended with ${code}: ${stderr}`);
    return stdout;
  }

  /** Starts it with input from a file descriptor; its output is the caller's to read. */
  start(args: readonly string[], input: number | 'ignore' = 'ignore') {
    const child = spawn(this.#program, [...this.#access, ...args], { stdio: [input, 'pipe', 'pipe'] });
    let errors = '';
    child.stderr?.on('data', (chunk: Buffer) => (errors += chunk.toString()));
    const exitCode = new Promise<number>((resolve) => child.once('exit', (code) => resolve(code ?? -1)));
    return {
      output: child.stdout as Readable,
      errors: () => errors,
      exitCode,
      kill: () => child.kill('SIGINT'),
    };
  }

  forward(t: Test, ...args: string[]): Promise<Forward> {
    return startForward(t, this.#program, [
      ...this.#access,
      'port-forward',
      '--address',
      '127.0.0.1',
      ...args,
    ]);
  }

  terminal(t: Test, args: readonly string[], size = { columns: 80, rows: 24 }): Terminal {
    const { master, slave } = openPty();
    resizeTerminal(master, size.columns, size.rows);
    const child = spawn(this.#program, [...this.#access, ...args], { stdio: [slave, slave, slave] });
    closeSync(slave);
    const screen = new ReadStream(master);
    let shown = '';
    screen.on('data', (chunk: Buffer) => (shown += chunk.toString()));
    // EIO once nobody has the other side open any more.
    screen.on('error', () => screen.destroy());
    t.teardown(() => child.kill());
    return {
      type: (text) => screen.write(text),
      resize: (columns, rows) => {
        resizeTerminal(master, columns, rows);
        // Not the child's controlling terminal: the kernel does not tell it.
        child.kill('SIGWINCH');
      },
      expect: async (pattern) => {
        await eventually(`the screen shows ${pattern.source}`, () => pattern.test(shown)).catch(
          (cause: unknown) => {
            throw new Error(`the screen shows ${JSON.stringify(shown)}`, { cause });
          },
        );
        shown = '';
      },
      exitCode: new Promise((resolve) => child.once('exit', (code) => resolve(code ?? -1))),
    };
  }
}
