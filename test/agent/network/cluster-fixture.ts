import type { ChildProcess } from 'node:child_process';
import { execFileSync, fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { NetworkMode } from '../../../agent/network/view.ts';
import type { Node } from '../../../api/kinds/node.ts';
import { ensureAddress } from '../../../netns/address.ts';
import { createLink, getLink, setLink } from '../../../netns/link.ts';
import {
  createNamespace,
  listNamespaces,
  removeNamespace,
  runInNamespace,
} from '../../../netns/namespace.ts';
import { NetlinkSocket } from '../../../netns/netlink.ts';
import type { Command, NodeSettings } from './node-process.ts';

const prefix = `weft-test${process.pid}-`;

/** The name of one of this test's own namespaces. */
export function testNamespace(name: string): string {
  return prefix + name;
}

/** Runs a program inside a namespace and returns what it printed; throws with its error output. */
export function run(namespace: string, ...command: string[]): string {
  const [program = '', ...args] = command;
  return runInNamespace(namespace, () => execFileSync(program, args, { encoding: 'utf8', stdio: 'pipe' }));
}

/** `ip -j …` inside a namespace. */
export function ip(namespace: string, ...args: string[]): Record<string, unknown>[] {
  return JSON.parse(run(namespace, 'ip', '-j', ...args) || '[]') as Record<string, unknown>[];
}

/**
 * Whether one of three packets, a second apart, goes there and back.
 *
 * @param options more for `ping`
 */
export function pings(namespace: string, address: string, ...options: string[]): boolean {
  try {
    run(namespace, 'ping', '-n', '-c', '1', '-w', '3', ...options, address);
    return true;
  } catch {
    return false; // ping says by its exit code that nothing came back
  }
}

/** Waits until `condition` holds; throws after half a minute, however long a look takes. */
export async function eventually(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`never happened: ${what}`);
    await sleep(50);
  }
}

/** As our own rules and many a firewall do: an answer that connection tracking saw nobody ask for does not come in. */
export function dropInvalid(namespace: string): void {
  const lines = [
    'add table inet firewall',
    'add chain inet firewall input { type filter hook input priority 0; }',
    'add rule inet firewall input ct state invalid drop',
  ];
  run(namespace, 'nft', lines.join('\n'));
}

interface Reply {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: string;
}

/** A node of the test cluster: a namespace `eth0` of which is on a common switch, and its network's process. */
export class TestNode {
  readonly name: string;
  readonly namespace: string;
  readonly settings: NodeSettings;
  #process: ChildProcess | undefined;
  #commands = 0;
  readonly #pending = new Map<
    number,
    { readonly resolve: (result: unknown) => void; readonly reject: (error: Error) => void }
  >();

  constructor(name: string, settings: NodeSettings) {
    this.name = name;
    this.namespace = testNamespace(name);
    this.settings = settings;
  }

  /** @param changes what is set otherwise this time */
  async start(nodes: readonly Node[], changes: Partial<NodeSettings> = {}): Promise<void> {
    const file = path.join(import.meta.dirname, 'node-process.ts');
    const settings = JSON.stringify({ ...this.settings, ...changes });
    const child = runInNamespace(this.namespace, () => fork(file, [settings]));
    this.#process = child;
    await new Promise<void>((resolve, reject) => {
      child.once('message', () => resolve());
      child.once('exit', (code) => reject(new Error(`node process ended with ${code ?? 'a signal'}`)));
    });
    child.on('message', (message) => this.#settle(message as Reply));
    await this.ask('start');
    if (nodes.length > 0) await this.ask('setNodes', nodes);
  }

  /** Sends one command and waits for its answer. */
  ask<T>(verb: Command['verb'], argument?: unknown): Promise<T> {
    const child = this.#process;
    if (!child) throw new Error(`${this.name} does not run`);
    const id = ++this.#commands;
    child.send({ id, verb, argument });
    return new Promise<unknown>((resolve, reject) =>
      this.#pending.set(id, { resolve, reject }),
    ) as Promise<T>;
  }

  #settle({ id, result, error }: Reply): void {
    const { resolve, reject } = this.#pending.get(id) ?? {};
    this.#pending.delete(id);
    if (error === undefined) resolve?.(result);
    else reject?.(new Error(error));
  }

  /** Stops its process, or lets it go on. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#process?.kill(signal);
  }

  async kill(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (!child || child.exitCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }
}

/** Nodes whose namespaces are joined by a switch and have no way out. Disposing takes everything away. */
export class TestCluster implements AsyncDisposable {
  readonly nodes: readonly TestNode[];
  readonly stateDir = mkdtempSync(path.join(tmpdir(), 'weft-test-'));
  readonly #podNamespaces = new Set<string>();
  readonly #mode: NetworkMode;

  /**
   * @param mode how nodes reach each other's pods
   * @param ranges where the nodes' addresses are found; absent: they are told which they have
   */
  constructor(count: number, mode: NetworkMode = 'vxlan', ranges?: readonly string[]) {
    this.#mode = mode;
    const switchName = testNamespace('switch');
    createNamespace(switchName).close();
    using socket = new NetlinkSocket({ namespace: switchName });
    socket.request([createLink('switch', { kind: 'bridge' }), setLink('switch', { up: true })]);
    const { ifindex: master } = getLink(socket, 'switch');
    this.nodes = Array.from({ length: count }, (_, i) => this.#createNode(socket, master, i + 1, ranges));
  }

  /** The Node objects as the API would have them. */
  objects(): Node[] {
    return this.nodes.map(({ name, settings }, i) => ({
      metadata: { name, creationTimestamp: `2026-01-01T00:00:0${i}Z` },
      spec: { podCIDRs: [`10.244.${i + 1}.0/24`, `fd00:10:244:${i + 1}::/64`] },
      status: { addresses: settings.nodeIPs.map((address) => ({ type: 'InternalIP', address })) },
    }));
  }

  /** Uids must be this test's own: pods' namespaces are the machine's. */
  uid(name: string): string {
    const uid = `test${process.pid}-${name}`;
    this.#podNamespaces.add(`weft-${uid}`);
    return uid;
  }

  /** A namespace that somebody else made, as a runtime would: its path. */
  foreignNamespace(name: string): string {
    using namespace = createNamespace(testNamespace(`foreign-${name}`));
    return namespace.path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const node of this.nodes) await node.kill();
    for (const name of [...listNamespaces(prefix), ...this.#podNamespaces]) removeNamespace(name);
    rmSync(this.stateDir, { recursive: true });
  }

  #createNode(
    socket: NetlinkSocket,
    master: number,
    number: number,
    ranges: readonly string[] | undefined,
  ): TestNode {
    const name = `node${number}`;
    const nodeIPs = [`172.30.0.${10 + number}`, `fd00:172:30::${10 + number}`];
    const stateDir = path.join(this.stateDir, name);
    const node = new TestNode(name, {
      nodeName: name,
      nodeIPs,
      ...(ranges ? { ranges } : {}),
      stateDir,
      dnsIPs: ['10.96.0.10', 'fd00:10:96::a'],
      networkMode: this.#mode,
    });
    using namespace = createNamespace(node.namespace);
    const peer = { name: 'eth0', namespaceFd: namespace.fd };
    socket.request([createLink(name, { kind: 'veth', peer }, { master }), setLink(name, { up: true })]);
    using inside = new NetlinkSocket({ namespace });
    inside.request([setLink('lo', { up: true }), setLink('eth0', { up: true })]);
    const { ifindex } = getLink(inside, 'eth0');
    const prefixes = [24, 64];
    inside.request(
      nodeIPs.map((address, i) =>
        ensureAddress({ ifindex, address, prefix: prefixes[i] ?? 0, protocol: 4, passive: false }),
      ),
    );
    return node;
  }
}
