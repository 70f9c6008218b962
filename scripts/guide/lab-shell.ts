import { execFile } from 'node:child_process';
import { join } from 'node:path';
import type { Endpoints } from '../../api/kinds/endpoints.ts';
import type { List } from '../../api/kinds/meta.ts';
import type { Node } from '../../api/kinds/node.ts';
import type { Pod } from '../../api/kinds/pod.ts';
import type { Service } from '../../api/kinds/service.ts';

export interface LabShellOptions {
  /** The lab's name, as given to `weft lab --name`. */
  readonly lab: string;
  /** The kubectl to walk with. */
  readonly kubectl: string;
  /** kubectl's discovery cache; tests use a fresh one. */
  readonly cacheDir?: string;
  /** Told of each command before it runs, as a user would type it. */
  readonly onCommand?: (command: string) => void;
}

export interface Output {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number;
}

const root = join(import.meta.dirname, '../..');
const weft = join(root, 'bin/weft');
const manifests = join(root, 'docs/guide');

/** The two tools of the walk: kubectl against the lab's API, and commands on the lab's nodes. */
export class LabShell {
  readonly #options: LabShellOptions;
  #kubeconfig: string | undefined;

  constructor(options: LabShellOptions) {
    this.#options = options;
  }

  /** Runs kubectl and returns its standard output. Throws with kubectl's words when it fails. */
  async kubectl(...args: string[]): Promise<string> {
    return expectSuccess(`kubectl ${args.join(' ')}`, await this.tryKubectl(...args));
  }

  async tryKubectl(...args: string[]): Promise<Output> {
    this.#options.onCommand?.(`kubectl ${args.join(' ').replaceAll(`${manifests}/`, '')}`);
    this.#kubeconfig ??= (await this.weft('kubeconfig')).trim();
    const cache = this.#options.cacheDir ? ['--cache-dir', this.#options.cacheDir] : [];
    return run(this.#options.kubectl, ['--kubeconfig', this.#kubeconfig, ...cache, ...args]);
  }

  /** Runs `weft lab SUBCOMMAND …` and returns its standard output. */
  async weft(...args: string[]): Promise<string> {
    return expectSuccess(
      `weft lab ${args.join(' ')}`,
      await run(weft, ['lab', '--name', this.#options.lab, ...args]),
    );
  }

  /** Runs a command on a lab node (or `outside`) and returns its standard output. */
  async onNode(node: string, ...command: string[]): Promise<string> {
    this.#options.onCommand?.(`weft lab exec ${node} -- ${command.join(' ')}`);
    return this.weft('exec', node, '--', ...command);
  }

  /** Runs a command in a pod's first container and returns its standard output. */
  async inPod(pod: string, ...command: string[]): Promise<string> {
    return this.kubectl('exec', pod, '--', ...command);
  }

  async nodes(): Promise<Node[]> {
    return this.#list<Node>('nodes');
  }

  async pods(...selection: string[]): Promise<Pod[]> {
    return this.#list<Pod>('pods', ...selection);
  }

  /** Runs a program where the guide's files are. */
  async inGuide(file: string, ...args: string[]): Promise<string> {
    this.#options.onCommand?.([file, ...args].join(' '));
    return expectSuccess(file, await run(file, args, manifests));
  }

  async service(name: string): Promise<Service> {
    return JSON.parse(await this.kubectl('get', 'service', name, '-o', 'json')) as Service;
  }

  async endpoints(name: string): Promise<Endpoints> {
    return JSON.parse(await this.kubectl('get', 'endpoints', name, '-o', 'json')) as Endpoints;
  }

  async #list<T>(plural: string, ...selection: string[]): Promise<T[]> {
    return (JSON.parse(await this.kubectl('get', plural, ...selection, '-o', 'json')) as List<T>).items;
  }
}

/** The path of one of the guide's manifests. */
export function manifest(name: string): string {
  return join(manifests, name);
}

/** Calls `attempt` until it returns a value, at most `timeoutMs` long; then throws what it last complained of. */
export async function eventually<T>(attempt: () => Promise<T>, timeoutMs = 30_000): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

function expectSuccess(command: string, { stdout, stderr, code }: Output): string {
  if (code === 0) return stdout;
  throw new Error(`${command} ended with ${code}: ${`${stdout}${stderr}`.trim().slice(0, 500)}`);
}

function run(file: string, args: readonly string[], cwd = root): Promise<Output> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      file,
      args,
      { cwd, timeout: 60_000, maxBuffer: 64 << 20 },
      (error, stdout, stderr) => {
        if (typeof error?.code === 'string') reject(new Error(error.message, { cause: error }));
        else resolve({ stdout, stderr, code: child.exitCode ?? 124 });
      },
    );
    child.stdin?.end();
  });
}
