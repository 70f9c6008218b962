import type { ChildProcess } from 'node:child_process';
import { execFile, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { announcementsOf } from '../../../agent/announce/frames.ts';
import type { AgentConfig } from '../../../agent/config/config.ts';
import type { Ending } from '../../../agent/subsystem.ts';
import { ApiClient } from '../../../api/client/client.ts';
import { nodes } from '../../../api/client/resources.ts';
import type { ClusterConfig } from '../../../api/cluster.ts';
import { startApiServer } from '../../../api/server/server.ts';
import type { ApiServer } from '../../../api/server/server.ts';
import { ensureAddress } from '../../../netns/address.ts';
import { ETH_P_ARP } from '../../../netns/ethernet.ts';
import { createLink, getLink, setLink } from '../../../netns/link.ts';
import {
  createNamespace,
  listenInNamespace,
  listNamespaces,
  removeNamespace,
  runInNamespace,
} from '../../../netns/namespace.ts';
import { NetlinkSocket } from '../../../netns/netlink.ts';
import { PacketSocket } from '../../../netns/packet-socket.ts';
import { testCluster } from '../../cluster.ts';
import { silent } from '../api-fixture.ts';
import { exampleConfig } from '../example-config.ts';
import type { AnnouncerSettings } from './announcer-process.ts';

const prefix = `weft-test${process.pid}-`;
const apiAddress = '172.30.0.1';
const apiPort = 6443;

const cluster: ClusterConfig = {
  ...testCluster,
  loadBalancerPools: ['172.30.0.224/28', 'fd00:172:30::1:0/124'],
};

/** Runs a program on a host of the test's network; resolves with what it printed. The API serves on meanwhile. */
async function run(host: string, ...[program, ...args]: [string, ...string[]]): Promise<string> {
  const { stdout } = await runInNamespace(prefix + host, () => promisify(execFile)(program, args));
  return stdout;
}

/** A node whose announcer runs in a process of its own. */
export class AnnouncingNode {
  readonly name: string;
  readonly mac: string;
  readonly #settings: AnnouncerSettings;
  #process: ChildProcess | undefined;

  constructor(name: string, mac: string, settings: AnnouncerSettings) {
    this.name = name;
    this.mac = mac;
    this.#settings = settings;
  }

  async start(): Promise<void> {
    const file = path.join(import.meta.dirname, 'announcer-process.ts');
    const child = runInNamespace(prefix + this.name, () => fork(file, [JSON.stringify(this.#settings)]));
    this.#process = child;
    const [message] = (await Promise.race([once(child, 'message'), once(child, 'exit')])) as unknown[];
    if (message !== 'started') throw new Error(`${this.name} did not start`);
  }

  async metrics(): Promise<string> {
    this.#process?.send('metrics');
    const [text] = (await once(this.#process ?? process, 'message')) as [string];
    return text;
  }

  async end(ending: Ending): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    child?.send(ending);
    if (child) await once(child, 'exit');
  }

  async kill(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (!child || child.exitCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  /** Lets no packet through to the API, or all of them again: the node's other traffic goes on. */
  cutOff(cut: boolean): Promise<void> {
    return cutOff(this.name, 'output', `ip daddr ${apiAddress} drop`, cut);
  }
}

async function cutOff(host: string, hook: string, rule: string, cut: boolean): Promise<void> {
  if (!cut) {
    await run(host, 'nft', 'delete', 'table', 'inet', 'cut');
    return;
  }
  const chain = `type filter hook ${hook} priority 0;`;
  await run(
    host,
    'nft',
    `add table inet cut; add chain inet cut here { ${chain} }; add rule inet cut here ${rule}`,
  );
}

/** Three nodes, the API and a client on one switch without a way out. Disposing takes everything away. */
export class Segment implements AsyncDisposable {
  readonly admin: ApiClient;
  readonly nodes: readonly AnnouncingNode[];
  readonly #server: ApiServer;
  readonly #directory: string;

  static async create(nodeCount: number): Promise<Segment> {
    const directory = mkdtempSync(path.join(tmpdir(), 'weft-announce-'));
    createNamespace(`${prefix}switch`).close();
    {
      using socket = new NetlinkSocket({ namespace: `${prefix}switch` });
      socket.request([createLink('switch', { kind: 'bridge' }), setLink('switch', { up: true })]);
    }
    plugIn('api', 1);
    const server = await startApiServer({
      stateDir: path.join(directory, 'server'),
      cluster,
      listen: [{ host: '127.0.0.1', port: 0 }],
      listenFds: [listenInNamespace(`${prefix}api`, { host: apiAddress, port: apiPort })],
      advertised: { address: apiAddress },
      log: silent,
    });
    plugIn('client', 2);
    const hosts: AnnouncingNode[] = [];
    for (let number = 1; number <= nodeCount; number += 1) {
      const name = `node${number}`;
      const config = agentConfig(name, plugIn(name, 10 + number), path.join(directory, name));
      const text = await run(name, 'ip', '-j', 'link', 'show', 'eth0');
      const [link] = JSON.parse(text) as { address: string }[];
      hosts.push(new AnnouncingNode(name, link?.address ?? '', { config, cluster, token: server.joinToken }));
    }
    return new Segment(directory, server, hosts);
  }

  private constructor(directory: string, server: ApiServer, hosts: readonly AnnouncingNode[]) {
    this.#directory = directory;
    this.#server = server;
    this.admin = new ApiClient(server.loopback);
    this.nodes = hosts;
  }

  /** The node's object, ready, as its agent would have it. */
  async register({ name }: AnnouncingNode): Promise<void> {
    await this.admin.create(nodes, { metadata: { name } });
    const conditions = [{ type: 'Ready', status: 'True' }];
    await this.admin.patchStatus(nodes, { name }, { status: { conditions } }, 'merge');
  }

  /** Who the client's kernel believes has the address, by its neighbour table. It is asked to find out first. */
  async resolve(address: string): Promise<AnnouncingNode | undefined> {
    try {
      await run('client', 'ping', '-n', '-c', '1', '-W', '0.2', address);
    } catch {
      // Nothing answers there: asking who has the address is all it is for.
    }
    return this.neighbor(address);
  }

  /** The same without a question. */
  async neighbor(address: string): Promise<AnnouncingNode | undefined> {
    const text = await run('client', 'ip', '-j', 'neigh', 'show', 'to', address, 'dev', 'eth0');
    const [entry] = JSON.parse(text || '[]') as { lladdr?: string }[];
    return this.nodes.find(({ mac }) => mac === entry?.lladdr);
  }

  /** Makes the client forget what it knew. */
  async forget(address: string): Promise<void> {
    await run('client', 'ip', 'neigh', 'flush', 'to', address);
  }

  /** The client's link says that these hardware addresses have the address. */
  claim(address: string, macs: readonly string[]): void {
    using netlink = new NetlinkSocket({ namespace: `${prefix}client` });
    const { ifindex } = getLink(netlink, 'eth0');
    const open = (): PacketSocket =>
      new PacketSocket({ ifindex, etherType: ETH_P_ARP, onFrame: () => undefined });
    using socket = runInNamespace(`${prefix}client`, open);
    for (const mac of macs) for (const frame of announcementsOf(address, mac)) socket.send(frame);
  }

  /** Takes the API away from everybody, or gives it back. */
  cutApi(cut: boolean): Promise<void> {
    return cutOff('api', 'input', `tcp dport ${apiPort} drop`, cut);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const node of this.nodes) await node.kill();
    this.admin.close();
    await this.#server.close();
    for (const name of listNamespaces(prefix)) removeNamespace(name);
    rmSync(this.#directory, { recursive: true });
  }
}

/** A host on the switch with its addresses, IPv4 first. */
function plugIn(name: string, number: number): string[] {
  const addresses = [`172.30.0.${number}`, `fd00:172:30::${number}`];
  using namespace = createNamespace(prefix + name);
  using hub = new NetlinkSocket({ namespace: `${prefix}switch` });
  const { ifindex: master } = getLink(hub, 'switch');
  const peer = { name: 'eth0', namespaceFd: namespace.fd };
  hub.request([createLink(name, { kind: 'veth', peer }, { master }), setLink(name, { up: true })]);
  using socket = new NetlinkSocket({ namespace });
  const { ifindex } = getLink(socket, 'eth0');
  socket.request([
    setLink('lo', { up: true }),
    setLink(ifindex, { up: true }),
    ...addresses.map((address, index) =>
      ensureAddress({ ifindex, address, prefix: [24, 64][index] ?? 0, protocol: 0, passive: false }),
    ),
  ]);
  return addresses;
}

function agentConfig(nodeName: string, nodeIPs: readonly string[], stateDir: string): AgentConfig {
  const server = `https://${apiAddress}:${apiPort}`;
  return exampleConfig(stateDir, { nodeName, server, nodeIPs, backend: 'nftables' });
}

/** Waits until `condition` holds and returns for how long, in ms; throws after 20 s. */
export async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<number> {
  const startedAt = performance.now();
  while (performance.now() < startedAt + 20_000) {
    if (await condition()) return Math.round(performance.now() - startedAt);
    await sleep(20);
  }
  throw new Error(`never happened: ${what}`);
}
