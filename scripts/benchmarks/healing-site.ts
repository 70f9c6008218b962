import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { NetworkMode } from '../../agent/network/view.ts';
import { familyOf, parseCidr, renderCidr } from '../../netns/ip.ts';
import type { Family } from '../../netns/ip.ts';
import { createNamespace, namespacePath, removeNamespace, runInNamespace } from '../../netns/namespace.ts';
import type { Change } from './healing-incidents.ts';

const weft = join(import.meta.dirname, '../../bin/weft');
const prefix = `weft-bench${process.pid}-`;
/** What hosts have of each family: `172.30.0.NUMBER/24`. */
const networks: Readonly<Record<Family, { readonly start: string; readonly prefix: number }>> = {
  ipv4: { start: '172.30.0.', prefix: 24 },
  ipv6: { start: 'fd00:172:30::', prefix: 64 },
};
/** Addresses that hosts do not start with. */
const firstChanged = 100;
/** What the card of a node may be called. */
const cardNames: readonly string[] = ['eth0', 'lan0'];
const attempts = 600;
const attachAttempts = 50;

export interface SiteSettings {
  readonly mode: NetworkMode;
  /** Of all addresses that hosts have; pods have both. */
  readonly underlay: Family;
}

/** A host on the common switch, by its card `eth0`, and what runs on it. */
class Host {
  readonly namespace: string;
  readonly #directory: string;
  #daemon: ChildProcess | undefined;

  constructor(name: string, address: string) {
    this.namespace = prefix + name;
    this.#directory = mkdtempSync(join(tmpdir(), 'weft-bench-healing-'));
    createNamespace(this.namespace).close();
    runInNamespace(`${prefix}switch`, () => {
      sh(`ip link add ${name} type veth peer name eth0 netns ${this.namespace}
        ip link set ${name} master switch up`);
    });
    this.sh(`ip link set lo up; ip link set eth0 up; ip address add ${address} dev eth0 nodad`);
  }

  get stateDir(): string {
    return join(this.#directory, 'state');
  }

  get runDir(): string {
    return join(this.#directory, 'run');
  }

  /** Runs a shell script inside; an `ip` that fails ends it. */
  sh(script: string, environment: Readonly<Record<string, string>> = {}): string {
    return runInNamespace(this.namespace, () => sh(script, environment));
  }

  start(...args: string[]): void {
    const directories = ['--state-dir', this.stateDir, '--run-dir', this.runDir];
    const environment = {
      ...process.env,
      WEFT_LOG_LEVEL: 'error',
      XTABLES_LOCKFILE: join(this.#directory, 'xtables.lock'),
    };
    this.#daemon = runInNamespace(this.namespace, () =>
      spawn(weft, [...args, ...directories], { stdio: ['ignore', 'ignore', 'inherit'], env: environment }),
    );
  }

  async end(): Promise<void> {
    const daemon = this.#daemon;
    if (daemon?.exitCode === null) {
      const ended = once(daemon, 'exit');
      daemon.kill('SIGTERM');
      await ended;
    }
    removeNamespace(this.namespace);
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** A server and two nodes on one switch, with a container on each node. Gone when disposed of. */
export class HealingSite implements AsyncDisposable {
  readonly #settings: SiteSettings;
  readonly #undo: AsyncDisposableStack;
  /** The one that things happen to. */
  readonly #node: Host;
  /** The namespace of the container on the other node. */
  readonly from: string;
  /** The addresses of the container on the node, those that the mode leads to. */
  readonly reachable: readonly string[];
  /** How often the node has been given something new. */
  #changes = 0;

  private constructor(
    settings: SiteSettings,
    { node, from, reachable }: { readonly node: Host } & Pick<HealingSite, 'from' | 'reachable'>,
    undo: AsyncDisposableStack,
  ) {
    this.#settings = settings;
    this.#node = node;
    this.from = from;
    this.reachable = reachable;
    this.#undo = undo;
  }

  static async start(settings: SiteSettings): Promise<HealingSite> {
    await using undo = new AsyncDisposableStack();
    const { mode, underlay } = settings;
    createNamespace(`${prefix}switch`).close();
    undo.defer(() => {
      removeNamespace(`${prefix}switch`);
    });
    runInNamespace(`${prefix}switch`, () => sh('ip link add switch type bridge; ip link set switch up'));
    const add = (name: string, number: number): Host => {
      const host = new Host(name, addressOf(underlay, number).cidr);
      undo.defer(() => host.end());
      return host;
    };
    const server = add('server', 2);
    const { address } = addressOf(underlay, 2);
    server.start('server', '--advertise-address', address);
    const url = `https://${underlay === 'ipv6' ? `[${address}]` : address}:6443`;
    const nodes = [add('node1', 11), add('node2', 12)] as const;
    for (const [i, node] of nodes.entries()) {
      node.start(
        ...['agent', '--node-name', `node${i + 1}`, '--network-mode', mode],
        ...['--server', url, '--token-file', join(server.stateDir, 'server/token')],
        ...['--node-ips', renderCidr(parseCidr(addressOf(underlay, 1).cidr))],
        ...[
          '--cni-bin-dirs',
          join(node.runDir, 'cni/bin'),
          '--cni-config-dir',
          join(node.runDir, 'cni/net.d'),
        ],
      );
    }
    for (const node of nodes) await ready(node);
    const [from, to] = [`${prefix}from`, `${prefix}to`];
    for (const namespace of [from, to]) {
      createNamespace(namespace).close();
      undo.defer(() => {
        removeNamespace(namespace);
      });
    }
    const [other, node] = nodes;
    await attach(other, from);
    // Direct ways lead IPv6 pods by IPv6 only.
    const leads = (address: string): boolean =>
      mode === 'vxlan' || underlay === 'ipv6' || familyOf(address) === 'ipv4';
    const reachable = (await attach(node, to)).filter(leads);
    return new HealingSite(settings, { node, from, reachable }, undo.move());
  }

  /** What the node may be given next; every time something that it never had. */
  nextChange(): Change {
    const { underlay } = this.#settings;
    const links = JSON.parse(this.#node.sh('ip -j -d address show')) as {
      ifname: string;
      addr_info: { local: string; prefixlen: number; scope: string }[];
    }[];
    const carrier = links.find(({ ifname }) => cardNames.includes(ifname));
    const isOurs = ({ local, scope }: { local: string; scope: string }): boolean =>
      familyOf(local) === underlay && scope === 'global';
    const address = carrier?.addr_info.find(isOurs);
    if (!carrier || !address) throw new Error('the node has no address');
    this.#changes += 1;
    return {
      link: carrier.ifname,
      other: cardNames.find((name) => name !== carrier.ifname) ?? '',
      from: `${address.local}/${address.prefixlen}`,
      to: addressOf(underlay, firstChanged + this.#changes).cidr,
      mac: `02:00:5e:00:53:${this.#changes.toString(16).padStart(2, '0')}`,
    };
  }

  /** Runs a shell script on the node. @throws Error when one of its commands fails */
  run(script: string, change: Change): void {
    this.#node.sh(script, { ...change });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#undo.disposeAsync();
  }
}

function addressOf(family: Family, number: number): { readonly address: string; readonly cidr: string } {
  const { start, prefix } = networks[family];
  const address = `${start}${family === 'ipv6' ? number.toString(16) : number}`;
  return { address, cidr: `${address}/${prefix}` };
}

/** As a container runtime does: a CNI call, again while it is told to try later. Returns the container's addresses. */
async function attach(host: Host, namespace: string): Promise<string[]> {
  const call = {
    WEFT_RUN_DIR: host.runDir,
    CNI_PATH: join(host.runDir, 'cni/bin'),
    CNI_COMMAND: 'ADD',
    CNI_CONTAINERID: namespace,
    CNI_NETNS: namespacePath(namespace),
    CNI_IFNAME: 'eth0',
  };
  const config = JSON.stringify({ cniVersion: '1.0.0', name: 'weft', type: 'weft-cni' });
  const script = `echo '${config}' | ${join(host.runDir, 'cni/bin/weft-cni')} || true`;
  for (let attempt = 0; ; attempt += 1) {
    const answer = host.sh(script, call);
    const { ips } = JSON.parse(answer) as { ips?: { address: string }[] };
    if (ips) return ips.map(({ address }) => address.replace(/\/.*/, ''));
    if (attempt === attachAttempts) throw new Error(`${namespace} is not attached: ${answer}`);
    await sleep(200);
  }
}

async function ready(host: Host): Promise<void> {
  let answer = '';
  for (let attempt = 0; attempt < attempts; attempt += 1) {
    try {
      answer = host.sh(`curl -s --max-time 5 -w '\\n%{http_code}' http://127.0.0.1:10256/readyz`);
      if (answer.endsWith('\n200')) return;
    } catch {
      // It does not listen yet.
    }
    await sleep(100);
  }
  throw new Error(`${host.namespace} never gets ready: ${answer}`);
}

function sh(script: string, environment: Readonly<Record<string, string>> = {}): string {
  return execFileSync('sh', ['-ec', script], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
  });
}
