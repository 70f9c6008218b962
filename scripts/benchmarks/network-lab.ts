import { execFileSync } from 'node:child_process';
import type { Pod } from '../../api/kinds/pod.ts';
import type { List } from '../../api/kinds/meta.ts';
import { runLab } from '../run-lab.ts';
import type { NetworkPath } from './network-path.ts';

/** Pods of the lab by name, and the nodes they are on. */
const placement = { client: 'node1', neighbor: 'node1', remote: 'node2' } as const;

type PodName = keyof typeof placement;

interface NetworkLabOptions {
  readonly name: string;
  readonly apiPort: number;
  /** Flags of `weft lab up`. */
  readonly flags: readonly string[];
}

/** A lab of two nodes with idle pods, as a user has it: agents, rules, DNS and all. Gone when disposed of. */
export class NetworkLab implements Disposable {
  readonly #name: string;
  readonly #pods: ReadonlyMap<string, Pod>;

  constructor({ name, apiPort, flags }: NetworkLabOptions) {
    this.#name = name;
    using undo = new DisposableStack();
    undo.defer(() => runLab(this.#name, 'down'));
    runLab(this.#name, 'up', '--nodes', '2', '--api-port', String(apiPort), ...flags);
    this.#pods = this.#startPods();
    undo.move();
  }

  [Symbol.dispose](): void {
    runLab(this.#name, 'down');
  }

  /** Between pods of two nodes. */
  across(name: string): NetworkPath {
    return this.#path(name, 'client', 'remote');
  }

  /** Between two pods of a node. */
  within(name: string): NetworkPath {
    return this.#path(name, 'client', 'neighbor');
  }

  /** Between the nodes, without pods. */
  underlay(name: string): NetworkPath {
    const { hostIP = '' } = this.#pod('remote').status ?? {};
    return { name, client: this.#node('node1'), server: this.#node('node2'), address: hostIP };
  }

  #path(name: string, client: PodName, server: PodName): NetworkPath {
    const { podIP = '' } = this.#pod(server).status ?? {};
    return { name, client: this.#namespace(client), server: this.#namespace(server), address: podIP };
  }

  #node(name: string): string {
    return `weft-${this.#name}-${name}`;
  }

  #namespace(pod: PodName): string {
    return `weft-${this.#pod(pod).metadata.uid ?? ''}`;
  }

  #pod(name: PodName): Pod {
    const pod = this.#pods.get(name);
    if (!pod) throw new Error(`there is no pod ${name}`);
    return pod;
  }

  #startPods(): ReadonlyMap<string, Pod> {
    const items = Object.entries(placement).map(([name, nodeName]) => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name },
      spec: { nodeName, containers: [{ name: 'nginx', image: 'nginx' }] },
    }));
    this.#kubectl(['apply', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
    this.#kubectl(['wait', '--for=condition=Ready', 'pod', '--all', '--timeout=60s']);
    const { items: pods } = JSON.parse(this.#kubectl(['get', 'pods', '-o', 'json'])) as List<Pod>;
    return new Map(pods.map((pod) => [pod.metadata.name, pod]));
  }

  #kubectl(args: readonly string[], input = ''): string {
    const kubeconfig = runLab(this.#name, 'kubeconfig').trim();
    return execFileSync('kubectl', ['--kubeconfig', kubeconfig, ...args], { input, encoding: 'utf8' });
  }
}
