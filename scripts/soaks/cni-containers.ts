import type { ChildProcess } from 'node:child_process';
import { createNamespace, listNamespaces, namespacePath, removeNamespace } from '../../netns/namespace.ts';
import type { CniNode, PluginAnswer } from './cni-node.ts';

/** A container as its runtime knows it. */
export interface Container {
  readonly containerId: string;
  /** The name of its network namespace. */
  readonly namespace: string;
  readonly hostPort: number;
  /** The addresses that ADD answered with. */
  readonly ips: readonly string[];
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

export const ifname = 'eth0';
const firstHostPort = 20_000;

/**
 * A container runtime's part: namespaces, ids, calls of the plugin, several at a time. It counts a container as
 * connected from when ADD said so until it asks for DEL, whatever becomes of that.
 */
export class Containers implements Disposable {
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

  /** Every port of the node that containers of this runtime may have. */
  get hostPorts(): number[] {
    return this.#places.map(({ number }) => firstHostPort + number);
  }

  /** What is left of namespaces that belong to no container. */
  get strayNamespaces(): string[] {
    const names = new Set(this.connected.map(({ namespace }) => namespace));
    return listNamespaces(this.#prefix).filter((name) => !names.has(name));
  }

  /**
   * Connects a container in every free place and takes away those that `shouldGo`, all at once. `onStart` is given
   * each plugin's process.
   */
  async churn(shouldGo: () => boolean, onStart?: (plugin: ChildProcess) => void): Promise<void> {
    await Promise.all(
      this.#places.map(async (place) => {
        if (!place.container) await this.#add(place, onStart);
        else if (shouldGo()) await this.#del(place, place.container, onStart);
      }),
    );
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

  [Symbol.dispose](): void {
    for (const name of listNamespaces(this.#prefix)) removeNamespace(name);
  }

  async #add(place: Place, onStart?: (plugin: ChildProcess) => void): Promise<void> {
    const name = `${this.#prefix}${(this.#made += 1)}`;
    createNamespace(name).close();
    const hostPort = firstHostPort + place.number;
    const portMappings = (['tcp', 'udp'] as const).map((protocol) => ({
      hostPort,
      containerPort: 80,
      protocol,
    }));
    const { code, stdout } = await this.#node.call(
      { ...variables(name), CNI_COMMAND: 'ADD', CNI_NETNS: namespacePath(name) },
      { runtimeConfig: { portMappings } },
      onStart,
    );
    if (code !== 0) {
      removeNamespace(name);
      return;
    }
    const ips = (JSON.parse(stdout) as Result).ips.map(({ address }) => address.split('/')[0] ?? '');
    place.container = { containerId: name, namespace: name, hostPort, ips };
  }

  /** Every other namespace is gone before DEL, as after a crash of the runtime. */
  async #del(
    place: Place,
    { namespace, containerId }: Container,
    onStart?: (plugin: ChildProcess) => void,
  ): Promise<PluginAnswer> {
    place.container = undefined;
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
