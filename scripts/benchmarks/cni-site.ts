import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findDaemon } from '../../agent/lab/lab-daemons.ts';
import { openLab } from '../../agent/lab/lab-settings.ts';
import { createNamespace, namespacePath, removeNamespace, runInNamespace } from '../../netns/namespace.ts';
import { debianPlugins } from '../../rig/runtime-programs.ts';
import { freePort } from '../../rig/free-port.ts';
import { runLab } from '../run-lab.ts';
import { cpuSecondsOf } from './measured-process.ts';

const callsProgram = join(import.meta.dirname, 'cni-calls.pl');
const lab = 'bench-cni';

/** A plugin with its host, and how it is configured. */
interface Plugin {
  readonly name: string;
  /** The host's network namespace. */
  readonly namespace: string;
  readonly file: string;
  readonly config: object;
  readonly variables: Readonly<Record<string, string>>;
  /** CPU time in ms that others have spent on calls so far: a daemon. */
  readonly cpuMs: () => number;
}

/** What a number of calls took. */
export interface Calls {
  /** Each from fork to exit, in ms. */
  readonly ms: readonly number[];
  /** CPU time of all, a daemon's share with it, in ms. */
  readonly cpuMs: number;
}

/** A host with a CNI plugin, and containers' namespaces. Gone when disposed of. */
export class CniSite implements Disposable {
  readonly #plugin: Plugin;
  readonly #directory = mkdtempSync(join(tmpdir(), 'weft-bench-cni-'));
  readonly #undo: DisposableStack;

  private constructor(plugin: Plugin, undo: DisposableStack) {
    this.#plugin = plugin;
    this.#undo = undo;
    writeFileSync(this.#config, JSON.stringify(plugin.config));
  }

  /** A lab's node with its agent, as a user has it. */
  static async weft(): Promise<CniSite> {
    using undo = new DisposableStack();
    undo.defer(() => runLab(lab, 'down'));
    runLab(lab, 'up', '--nodes', '1', '--api-port', String(await freePort()));
    const plan = openLab(lab);
    const { namespace = '', runDir = '' } = plan.nodes[0] ?? {};
    const pid = findDaemon(plan, 'node1')?.pid ?? 0;
    const plugin: Plugin = {
      name: 'weft',
      namespace,
      file: join(runDir, 'cni/bin/weft-cni'),
      config: { cniVersion: '1.0.0', name: 'weft', type: 'weft-cni' },
      variables: { WEFT_RUN_DIR: runDir, CNI_PATH: join(runDir, 'cni/bin') },
      cpuMs: () => cpuSecondsOf(pid) * 1000,
    };
    return new CniSite(plugin, undo.move());
  }

  /** Debian's bridge with host-local: IPv4 alone, or it would wait for duplicate address detection. */
  static debian(): CniSite {
    using undo = new DisposableStack();
    const namespace = `weft-bench${process.pid}-debian`;
    createNamespace(namespace).close();
    undo.defer(() => removeNamespace(namespace));
    const dataDir = mkdtempSync(join(tmpdir(), 'weft-bench-host-local-'));
    undo.defer(() => rmSync(dataDir, { recursive: true }));
    const ipam = { type: 'host-local', dataDir, ranges: [[{ subnet: '10.99.0.0/16' }]] };
    const plugin: Plugin = {
      name: 'bridge + host-local',
      namespace,
      file: join(debianPlugins, 'bridge'),
      config: {
        ...{ cniVersion: '1.0.0', name: 'bench', type: 'bridge', bridge: 'cni0' },
        ...{ isDefaultGateway: true, ipam },
      },
      variables: { CNI_PATH: debianPlugins },
      cpuMs: () => 0,
    };
    return new CniSite(plugin, undo.move());
  }

  get namespace(): string {
    return this.#plugin.namespace;
  }

  get #config(): string {
    return join(this.#directory, 'config');
  }

  /** Namespaces for containers of these names; made before anything is measured. */
  makeContainers(names: readonly string[]): void {
    for (const name of names) createNamespace(name).close();
  }

  removeContainers(names: readonly string[]): void {
    for (const name of names) removeNamespace(name);
  }

  /**
   * Calls the plugin for each container.
   * @throws Error when one fails, with its words
   */
  call(verb: 'ADD' | 'DEL', names: readonly string[], atOnce: number): Calls {
    const { cpuMs } = this.#plugin;
    const before = cpuMs();
    const { results, ownCpuMs } = this.#run(
      names.map((name) => this.#job(verb, name)),
      atOnce,
    );
    const ms = results.map(({ ms, code }, i) => {
      if (code !== 0) throw new Error(`${this.#plugin.name}: ${verb}: ${this.answer(names[i] ?? '')}`);
      return ms;
    });
    return { ms, cpuMs: ownCpuMs + cpuMs() - before };
  }

  /** Calls a program that does nothing, one after the other: each from fork to exit, in ms. */
  callNothing(times: number): number[] {
    const job = ['/bin/true', this.#config, this.#output('nothing')].join(' ');
    return this.#run(Array<string>(times).fill(job), 1).results.map(({ ms }) => ms);
  }

  /** What the plugin printed for a container. */
  answer(name: string): string {
    return readFileSync(this.#output(name), 'utf8');
  }

  [Symbol.dispose](): void {
    this.#undo.dispose();
    rmSync(this.#directory, { recursive: true });
  }

  #run(
    jobs: readonly string[],
    atOnce: number,
  ): { readonly results: readonly { ms: number; code: number }[]; readonly ownCpuMs: number } {
    const output = runInNamespace(this.namespace, () =>
      execFileSync('perl', [callsProgram, String(atOnce)], { input: jobs.join('\n'), encoding: 'utf8' }),
    );
    const lines = output.trim().split('\n');
    const results = lines.slice(0, -1).map((line) => {
      const [ms = NaN, code = NaN] = line.split(' ').map(Number);
      return { ms, code };
    });
    return { results, ownCpuMs: Number(lines.at(-1)) };
  }

  #job(verb: string, name: string): string {
    const { file, variables } = this.#plugin;
    const asked = {
      ...variables,
      CNI_COMMAND: verb,
      CNI_CONTAINERID: name,
      CNI_NETNS: namespacePath(name),
      CNI_IFNAME: 'eth0',
    };
    const settings = Object.entries(asked).map(([key, value]) => `${key}=${value}`);
    return [file, this.#config, this.#output(name), ...settings].join(' ');
  }

  #output(name: string): string {
    mkdirSync(this.#directory, { recursive: true });
    return join(this.#directory, name);
  }
}
