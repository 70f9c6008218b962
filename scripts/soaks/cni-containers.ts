import type { ChildProcess } from 'node:child_process';
import { createNamespace, listNamespaces, namespacePath, removeNamespace } from '../../netns/namespace.ts';
import type { CniNode, PluginAnswer } from './cni-node.ts';
import { askTcp } from './cni-client.ts';
import { ContainerServers, serverPort } from './cni-servers.ts';

/** A container as its runtime knows it. */
export interface Container {
  readonly containerId: string;
  /** The name of its network namespace. */
  readonly namespace: string;
  readonly hostPort: number;
  /** Whether its packets are limited, in both directions. */
  readonly isLimited: boolean;
  /** The addresses that ADD answered with. */
  readonly ips: readonly string[];
  readonly servers: ContainerServers;
}

/** A place for one container after the other, each with an id of its own. */
interface Place {
  readonly number: number;
  container: Container | undefined;
}

/** An ADD's answer, as far as it matters here (CNI specification 1.1.0). */
interface Result {
  readonly ips: readonly { readonly address: string }[];
}

type OnStart = (plugin: ChildProcess) => void;

export const ifname = 'eth0';
/** The Service that every cluster has: `kubernetes`, by whose address the API is reached. */
const apiService = { address: '10.96.0.1', port: 443 };
const firstHostPort = 20_000;
/** Bits and bits per second. */
const limits = {
  ingressRate: 100_000_000,
  ingressBurst: 10_000_000,
  egressRate: 50_000_000,
  egressBurst: 5_000_000,
};

/**
 * A container runtime's part: namespaces, ids, calls of the plugin, several at a time. It counts a container as
 * connected from when ADD said so until it asks for DEL, whatever becomes of that.
 */
export class Containers implements AsyncDisposable {
  readonly #node: CniNode;
  readonly #prefix = `leaks${process.pid}-`;
  readonly #places: readonly Place[];
  #made = 0;

  constructor(node: CniNode, count: number) {
    this.#node = node;
    this.#places = Array.from({ length: count }, (_, number) => ({ number, container: undefined }));
  }

  get connected(): Container[] {
    return this.#places.flatMap(({ container }) => container ?? []);
  }

  /** How many there have been, connected or not. */
  get made(): number {
    return this.#made;
  }

  /** Every port of the node that containers of this runtime may have. */
  get hostPorts(): number[] {
    return this.#places.map(({ number }) => firstHostPort + number);
  }

  /**
   * Connects a container in every free place and takes away those that `shouldGo`, all at once. `onStart` is given
   * each plugin's process.
   */
  async churn(shouldGo: () => boolean, onStart?: OnStart): Promise<void> {
    await Promise.all(
      this.#places.map(async (place) => {
        if (!place.container) await this.#add(place, onStart);
        else if (shouldGo()) await this.#del(place, place.container, onStart);
      }),
    );
  }

  /**
   * Each of the connected asks the next one for its name over TCP, in each family, and connects to a Service: entries of
   * conntrack that are to go with either end. Returns what went wrong.
   */
  async talk(): Promise<string[]> {
    const { connected } = this;
    const answers = connected.map(async ({ namespace }, i) => {
      const { ips = [], containerId = '' } = connected[(i + 1) % connected.length] ?? {};
      const wrong: string[] = [];
      for (const ip of ips) {
        const answer = await askTcp(namespace, ip, serverPort);
        if (answer !== containerId) wrong.push(`${ip} answers ${namespace} ${answer ?? 'nothing'}`);
      }
      // It speaks TLS, and closes where nobody greets it.
      await askTcp(namespace, apiService.address, apiService.port);
      return wrong;
    });
    return (await Promise.all(answers)).flat();
  }

  isConnected(number: number): boolean {
    return this.#places[number]?.container !== undefined;
  }

  /** Connects one in this place, or takes it away. */
  async turn(number: number): Promise<void> {
    const place = this.#places[number];
    if (!place) throw new RangeError(`there is no place ${number}`);
    if (place.container) await this.#del(place, place.container);
    else await this.#add(place);
  }

  /** Takes all of them away; returns what plugins said against it. */
  async removeAll(): Promise<string[]> {
    const answers = await Promise.all(
      this.#places.flatMap((place) => (place.container ? [this.#del(place, place.container)] : [])),
    );
    return answers.flatMap(({ code, stdout }) => (code === 0 ? [] : [stdout]));
  }

  collectGarbage(): Promise<PluginAnswer> {
    const attachments = this.connected.map(({ containerId }) => ({ containerID: containerId, ifname }));
    return this.#node.call({ CNI_COMMAND: 'GC' }, { 'cni.dev/valid-attachments': attachments });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { servers } of this.connected) await servers[Symbol.asyncDispose]();
    for (const name of listNamespaces(this.#prefix)) removeNamespace(name);
  }

  /** Every other one is limited. */
  async #add(place: Place, onStart?: OnStart): Promise<void> {
    const name = `${this.#prefix}${(this.#made += 1)}`;
    createNamespace(name).close();
    const hostPort = firstHostPort + place.number;
    const isLimited = place.number % 2 === 1;
    const portMappings = (['tcp', 'udp'] as const).map((protocol) => ({
      hostPort,
      containerPort: serverPort,
      protocol,
    }));
    const { code, stdout } = await this.#node.call(
      { ...variables(name), CNI_COMMAND: 'ADD', CNI_NETNS: namespacePath(name) },
      { runtimeConfig: { portMappings, ...(isLimited && { bandwidth: limits }) } },
      onStart,
    );
    if (code !== 0) {
      removeNamespace(name);
      return;
    }
    const ips = (JSON.parse(stdout) as Result).ips.map(({ address }) => address.split('/')[0] ?? '');
    const servers = new ContainerServers(name, name);
    place.container = { containerId: name, namespace: name, hostPort, isLimited, ips, servers };
  }

  /** Every other namespace is gone before DEL, as after a crash of the runtime. */
  async #del(
    place: Place,
    { namespace, containerId, servers }: Container,
    onStart?: OnStart,
  ): Promise<PluginAnswer> {
    place.container = undefined;
    await servers[Symbol.asyncDispose]();
    const early = Number(containerId.split('-').at(-1)) % 2 === 0;
    if (early) removeNamespace(namespace);
    const asked = { ...variables(containerId), CNI_COMMAND: 'DEL', CNI_NETNS: namespacePath(namespace) };
    const answer = await this.#node.call(asked, {}, onStart);
    if (!early) removeNamespace(namespace);
    return answer;
  }
}

function variables(containerId: string): Record<string, string> {
  return { CNI_CONTAINERID: containerId, CNI_IFNAME: ifname };
}
