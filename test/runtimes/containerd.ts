import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { runInNamespace } from '../../netns/namespace.ts';
import { CriClient } from './cri-client.ts';
import { imageName } from './image.ts';
import type { TestImage } from './image.ts';
import { runtimesEnvironment } from '../../rig/runtime-programs.ts';

export interface RuntimeOptions {
  /** The network namespace that is its host. */
  readonly namespace: string;
  /** For its state and its log; nothing of it is anywhere else but what containers need while they run. */
  readonly directory: string;
  readonly image: TestImage;
  /** Where the node's agent puts its CNI plugin and the configuration of its pods' network. */
  readonly cni: { readonly binDir: string; readonly configDir: string };
  /** For the CNI plugin. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** A containerd of its own, with its CRI service, in a network namespace. */
export class Containerd implements AsyncDisposable {
  readonly cri: CriClient;
  readonly #daemon: ChildProcess;

  private constructor(daemon: ChildProcess, cri: CriClient) {
    this.#daemon = daemon;
    this.cri = cri;
  }

  static async start(options: RuntimeOptions): Promise<Containerd> {
    const { namespace, directory, image } = options;
    mkdirSync(directory, { recursive: true });
    const config = join(directory, 'config.toml');
    const log = join(directory, 'log');
    const socket = join(directory, 'containerd.sock');
    writeFileSync(config, renderConfig(options, socket));
    const env = runtimesEnvironment(options.environment);
    const logFd = openSync(log, 'a');
    const daemon = runInNamespace(namespace, () =>
      spawn('containerd', ['--config', config], { env, stdio: ['ignore', logFd, logFd] }),
    );
    closeSync(logFd);
    const ctr = (...args: string[]): string =>
      execFileSync('ctr', ['--address', socket, '--namespace', 'k8s.io', ...args], {
        env,
        encoding: 'utf8',
        stdio: 'pipe',
      });
    await whenAnswers(() => ctr('version'), daemon, log);
    const names = ['--base-name', imageName.split(':')[0] ?? '', '--index-name', imageName];
    ctr('images', 'import', '--snapshotter', 'native', ...names, image.archive);
    return new Containerd(daemon, new CriClient(socket));
  }

  /** Ends it at once; its containers live on. */
  kill(): Promise<void> {
    return this.#end('SIGKILL');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cri[Symbol.dispose]();
    await this.#end('SIGTERM');
  }

  async #end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    if (this.#daemon.exitCode !== null || this.#daemon.signalCode !== null) return;
    const ended = once(this.#daemon, 'exit');
    this.#daemon.kill(signal);
    await ended;
  }
}

async function whenAnswers(ask: () => void, daemon: ChildProcess, log: string): Promise<void> {
  for (let i = 0; i < 100; i += 1) {
    try {
      ask();
      return;
    } catch {
      if (daemon.exitCode !== null) break;
      await sleep(50);
    }
  }
  daemon.kill('SIGKILL');
  throw new Error(`containerd does not answer:\n${readFileSync(log, 'utf8').slice(-2000)}`);
}

/** As Debian's containerd has it by default, but for places, and for what a namespace without AppArmor lacks. */
function renderConfig({ directory, cni }: RuntimeOptions, socket: string): string {
  const cri = 'plugins."io.containerd.grpc.v1.cri"';
  return `version = 2
root = "${directory}/root"
state = "${directory}/state"
[grpc]
  address = "${socket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "${directory}/opt"
[${cri}]
  sandbox_image = "${imageName}"
  disable_apparmor = true
  restrict_oom_score_adj = true
[${cri}.cni]
  bin_dir = "${cni.binDir}"
  conf_dir = "${cni.configDir}"
[${cri}.containerd]
  snapshotter = "native"
  default_runtime_name = "runc"
[${cri}.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
`;
}
