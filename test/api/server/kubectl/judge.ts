import { execFile, spawn, type ChildProcessByStdio } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { Test } from 'tap';
import type { Kubectl } from '../../../kubectls.ts';

/** What one command printed, on which stream, and how it ended. */
export interface Printed {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number;
}

interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
}

type Pattern = RegExp | string;

/**
 * A command line, what it must print (a string: exactly that; a pattern: that among others), and where not 0 its exit
 * code. `from` and `until` are the first and last minor version of kubectl that it is about.
 */
export type Check = readonly [
  line: string,
  prints: Pattern | readonly Pattern[],
  options?: RunOptions & { readonly code?: number; readonly from?: number; readonly until?: number },
];

/** One kubectl in front of one server, in a folder of its own with the files that its commands name. */
export class Judge {
  readonly #kubectl: Kubectl;
  readonly #kubeconfig: string;
  readonly folder: string;

  static async start(
    t: Test,
    kubectl: Kubectl,
    kubeconfig: string,
    files: Readonly<Record<string, string>> = {},
  ): Promise<Judge> {
    const folder = await mkdtemp(join(tmpdir(), 'weft-judge-'));
    t.teardown(() => rm(folder, { recursive: true, force: true }));
    const judge = new Judge(kubectl, kubeconfig, folder);
    for (const [name, text] of Object.entries(files)) await judge.write(name, text);
    return judge;
  }

  private constructor(kubectl: Kubectl, kubeconfig: string, folder: string) {
    this.#kubectl = kubectl;
    this.#kubeconfig = kubeconfig;
    this.folder = folder;
  }

  /** Makes a file that commands can name. */
  write(name: string, text: string): Promise<void> {
    return writeFile(join(this.folder, name), text);
  }

  /** Runs one command line; resolves however it ends. */
  run(line: string, { env = {}, input = '' }: RunOptions = {}): Promise<Printed> {
    const options = { cwd: this.folder, env: this.#env(env), timeout: 60_000, maxBuffer: 64 * 1024 * 1024 };
    return new Promise((resolve) => {
      const child = execFile(this.#kubectl.path, splitWords(line), options, (error, stdout, stderr) => {
        const code = error ? (typeof error.code === 'number' ? error.code : -1) : 0;
        resolve({ stdout, stderr, code });
      });
      child.stdin?.end(input);
    });
  }

  /** Starts a command that goes on until it is killed. */
  follow(line: string): ChildProcessByStdio<null, Readable, null> {
    const stdio = ['ignore', 'pipe', 'ignore'] as const;
    return spawn(this.#kubectl.path, splitWords(line), {
      cwd: this.folder,
      env: this.#env({}),
      stdio: [...stdio],
    });
  }

  /** Runs a table's lines one after the other and asserts each. */
  async check(t: Test, checks: readonly Check[]): Promise<void> {
    const { minor, version } = this.#kubectl;
    for (const [line, prints, { code = 0, from = 0, until = Infinity, ...options } = {}] of checks) {
      if (minor < from || minor > until) continue;
      const printed = await this.run(line, options);
      const all = printed.stdout + printed.stderr;
      for (const pattern of [prints].flat()) {
        const name = `${version}: ${line}`;
        if (typeof pattern === 'string') t.equal(all.trim(), pattern, name);
        else t.match(all, pattern, name);
      }
      t.equal(printed.code, code, `${version}: ${line} ends with ${code}`);
    }
  }

  #env(extra: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
    // A user's own settings of kubectl have no say here, and it remembers no other server's discovery.
    const own = { HOME: this.folder, KUBECONFIG: this.#kubeconfig, KUBE_EDITOR: '', TERM: 'dumb' };
    return { ...process.env, ...own, ...extra };
  }
}

/** Words as a shell splits them; single and double quotes only hold together. */
function splitWords(line: string): string[] {
  const words = line.match(/(?:[^\s'"]+|'[^']*'|"[^"]*")+/g) ?? [];
  return words.map((word) =>
    word.replaceAll(/'([^']*)'|"([^"]*)"/g, (_, single, double) => String(single ?? double)),
  );
}
