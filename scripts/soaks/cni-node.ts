import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { hostEnvironment } from '../../agent/lab/lab-config.ts';
import type { LabPlan } from '../../agent/lab/lab-plan.ts';
import { openLab } from '../../agent/lab/lab-settings.ts';
import { runInNamespace } from '../../netns/namespace.ts';
import { freePort } from '../../rig/free-port.ts';
import { runLab } from '../run-lab.ts';
import { HostShell } from './host-shell.ts';

const weft = join(import.meta.dirname, '../../bin/weft');
const faultsProcess = join(import.meta.dirname, 'cni-faults-process.ts');

const backends = ['nftables', 'iptables-nft', 'iptables-legacy'] as const;
const podLinks = ['bridge', 'routed'] as const;

/** How a node makes its rules and its pods' links. */
export interface NodeKind {
  readonly backend: (typeof backends)[number];
  readonly podLink: (typeof podLinks)[number];
}

export const nodeKinds: readonly NodeKind[] = backends.flatMap((backend) =>
  podLinks.map((podLink) => ({ backend, podLink })),
);

export function renderKind({ backend, podLink }: NodeKind): string {
  return `${backend},${podLink}`;
}

/** The kind of this name, as `nftables,routed`. */
export function parseKind(name: string): NodeKind {
  const kind = nodeKinds.find((each) => renderKind(each) === name);
  if (!kind) throw new Error(`no kind of node is ${name}, but ${nodeKinds.map(renderKind).join(' ')}`);
  return kind;
}

/** What happens to an agent in the middle of its work, so many steps from now (see cni-faults-process.ts). */
export interface Fault {
  readonly what: 'before' | 'after' | 'refuse';
  readonly step: number;
}

/** What the plugin said, or by which signal it ended. */
export interface PluginAnswer {
  readonly code: number | null;
  readonly stdout: string;
}

/** A lab of one node whose agent is run here, so that it can be ended at any instant. */
export class CniNode extends HostShell implements AsyncDisposable {
  readonly kind: NodeKind;
  readonly plan: LabPlan;
  readonly #lab: string;
  readonly #faultsFile: string;
  #agent: ChildProcess | undefined;
  #said = '';
  #kills = 0;
  #killedPlugins = 0;

  private constructor(lab: string, kind: NodeKind) {
    const plan = openLab(lab);
    const [host] = plan.nodes;
    if (!host) throw new Error('the lab has no node');
    super(host);
    this.plan = plan;
    this.#lab = lab;
    this.kind = kind;
    this.#faultsFile = join(mkdtempSync(join(tmpdir(), 'weft-faults-')), 'fault');
  }

  static async open(lab: string, kind: NodeKind): Promise<CniNode> {
    const backend = kind.backend === 'nftables' ? 'nftables' : 'iptables';
    const port = String(await freePort());
    const options = ['--backend', backend, '--pod-link', kind.podLink, '--api-port', port];
    runLab(lab, 'up', '--nodes', '1', ...options);
    const node = new CniNode(lab, kind);
    runLab(lab, 'stop', 'node1');
    // Where others have rules in the legacy interface, the agent uses that, too.
    if (kind.backend === 'iptables-legacy')
      node.run('iptables-legacy', '-A', 'FORWARD', '-s', '192.0.2.1', '-j', 'DROP');
    await node.start();
    return node;
  }

  get runs(): boolean {
    return this.#agent !== undefined && this.#agent.exitCode === null && this.#agent.signalCode === null;
  }

  /** The agent's process, while it runs. */
  get pid(): number | undefined {
    return this.runs ? this.#agent?.pid : undefined;
  }

  /** How many agents have ended before their time. */
  get kills(): number {
    return this.#kills;
  }

  /** How many plugins have. */
  get killedPlugins(): number {
    return this.#killedPlugins;
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
      spawn(weft, ['agent', '--config', this.#configFile], { env, stdio: ['ignore', 'ignore', 'pipe'] }),
    );
    this.#agent = agent;
    agent.once('exit', () => (this.#kills += 1));
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

  /** Lets something happen to the running agent after some more steps; without a fault lets it live. */
  arm(fault?: Fault): void {
    this.#writeFault(fault);
    this.#agent?.kill('SIGWINCH');
  }

  /** The names of the agent's steps between the last two times that it was armed. */
  get steps(): string[] {
    return readFileSync(`${this.#faultsFile}.steps`, 'utf8').split('\n');
  }

  /** The name of the step that the fault came at; undefined: it was not reached yet. */
  get reached(): string | undefined {
    const file = `${this.#faultsFile}.reached`;
    return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
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
    if (plugin.signalCode !== null) this.#killedPlugins += 1;
    return { code: plugin.exitCode, stdout };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    runLab(this.#lab, 'down');
    rmSync(join(this.#faultsFile, '..'), { recursive: true });
  }

  get #configFile(): string {
    return join(this.host.stateDir, 'weft.yaml');
  }

  #writeFault(fault?: Fault): void {
    rmSync(`${this.#faultsFile}.reached`, { force: true });
    writeFileSync(this.#faultsFile, fault ? `${fault.what} ${fault.step}` : '');
  }
}
