import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { hostEnvironment } from '../../agent/lab/lab-config.ts';
import type { LabHost, LabPlan } from '../../agent/lab/lab-plan.ts';
import { openLab } from '../../agent/lab/lab-settings.ts';
import { readBootId, readState } from '../../cni/lease-file.ts';
import { runInNamespace } from '../../netns/namespace.ts';
import { freePort } from '../free-port.ts';
import { runLab } from '../run-lab.ts';

const weft = join(import.meta.dirname, '../../bin/weft');
const faultsProcess = join(import.meta.dirname, 'cni-faults-process.ts');

/** When an agent is to end in the middle of its work: so many calls of the kernel from now. */
export interface Fault {
  readonly where: 'before' | 'after';
  readonly calls: number;
}

/** What the plugin said, or by which signal it ended. */
export interface PluginAnswer {
  readonly code: number | null;
  readonly stdout: string;
}

/** A lab of one node whose agent is run here, so that it can be ended at any instant. */
export class CniNode implements AsyncDisposable {
  readonly host: LabHost;
  readonly plan: LabPlan;
  readonly #lab: string;
  readonly #faultsFile: string;
  #agent: ChildProcess | undefined;
  #said = '';

  private constructor(lab: string) {
    this.#lab = lab;
    this.#faultsFile = join(mkdtempSync(join(tmpdir(), 'weft-faults-')), 'fault');
    this.plan = openLab(lab);
    const [host] = this.plan.nodes;
    if (!host) throw new Error('the lab has no node');
    this.host = host;
  }

  static async open(lab: string): Promise<CniNode> {
    runLab(lab, 'up', '--nodes', '1', '--api-port', String(await freePort()));
    const node = new CniNode(lab);
    runLab(lab, 'stop', 'node1');
    await node.start();
    return node;
  }

  get runs(): boolean {
    return this.#agent !== undefined && this.#agent.exitCode === null && this.#agent.signalCode === null;
  }

  /** What agents have complained of on their way, at most the last of it. */
  get complaints(): string {
    return this.#said;
  }

  /** Starts the agent, and resolves once it would connect a container; with a fault it may end before. */
  async start(fault?: Fault): Promise<void> {
    this.#writeFault(fault);
    const env = {
      ...hostEnvironment(this.plan, this.host),
      FAULTS_FILE: this.#faultsFile,
      NODE_OPTIONS: `--import=${faultsProcess}`,
    };
    const agent = runInNamespace(this.host.namespace, () =>
      spawn(weft, ['agent', '--config', join(this.host.stateDir, 'weft.yaml')], {
        env,
        stdio: ['ignore', 'ignore', 'pipe'],
      }),
    );
    this.#agent = agent;
    agent.stderr.on('data', (text: Buffer) => (this.#said = (this.#said + text.toString()).slice(-4000)));
    for (let i = 0; i < 600; i += 1) {
      if (!this.runs) {
        if (fault) return;
        throw new Error(`the agent ended: ${this.#said}`);
      }
      if ((await this.call({ CNI_COMMAND: 'STATUS' }, {})).code === 0) return;
      await sleep(50);
    }
    throw new Error('the agent does not become ready');
  }

  /** Lets the running agent end after some more calls of the kernel; without a fault lets it live. */
  arm(fault?: Fault): void {
    this.#writeFault(fault);
    this.#agent?.kill('SIGWINCH');
  }

  /** Starts the agent again if it ended, be it just now. */
  async ensure(): Promise<void> {
    this.arm();
    if ((await this.call({ CNI_COMMAND: 'STATUS' }, {})).code === 0) return;
    await this.kill();
    await this.start();
  }

  async kill(): Promise<void> {
    if (!this.#agent || !this.runs) return;
    const ended = once(this.#agent, 'exit');
    this.#agent.kill('SIGKILL');
    await ended;
  }

  /** Executes the plugin as a runtime does. `onStart` is given its process. */
  async call(
    variables: Readonly<Record<string, string>>,
    config: object,
    onStart?: (plugin: ChildProcess) => void,
  ): Promise<PluginAnswer> {
    const { runDir, namespace } = this.host;
    const env = { WEFT_RUN_DIR: runDir, CNI_PATH: join(runDir, 'cni/bin'), ...variables };
    const plugin = runInNamespace(namespace, () =>
      spawn(join(runDir, 'cni/bin/weft-cni'), { env, stdio: ['pipe', 'pipe', 'inherit'] }),
    );
    onStart?.(plugin);
    let stdout = '';
    plugin.stdout.on('data', (text: Buffer) => (stdout += text.toString()));
    plugin.stdin.on('error', () => undefined); // it was killed before it read
    plugin.stdin.end(JSON.stringify({ cniVersion: '1.1.0', name: 'weft', type: 'weft-cni', ...config }));
    await once(plugin, 'close');
    return { code: plugin.exitCode, stdout };
  }

  /** Runs a program on the node and returns what it printed. */
  run(program: string, ...args: string[]): string {
    return runInNamespace(this.host.namespace, () =>
      execFileSync(program, args, {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
        maxBuffer: 64 << 20,
      }),
    );
  }

  /** Who has addresses by what the agent has on disk. */
  leaseholders(): string[] {
    return Object.keys(readState(join(this.host.stateDir, 'network/leases.json'), readBootId()).leases);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    runLab(this.#lab, 'down');
    rmSync(join(this.#faultsFile, '..'), { recursive: true });
  }

  #writeFault(fault?: Fault): void {
    writeFileSync(this.#faultsFile, fault ? `${fault.where} ${fault.calls}` : '');
  }
}
