import path from 'node:path';
import { readBootId, readState } from '../../../cni/lease-file.ts';
import type { Lease } from '../../../cni/pool.ts';
import { createNamespace, namespacePath, removeNamespace } from '../../../netns/namespace.ts';
import type { Node } from '../../../api/kinds/node.ts';
import type { TestNode } from '../network/cluster-fixture.ts';
import { ip, testNamespace } from '../network/cluster-fixture.ts';
import { Plugin } from './plugin.ts';
import type { PrintedResult } from './plugin.ts';

/** A node whose agent serves container runtimes. */
export class ServingNode {
  /** Where the agent listens and keeps its notes. */
  readonly runDir: string;
  readonly plugin: Plugin;
  readonly #node: TestNode;

  constructor(node: TestNode) {
    this.#node = node;
    this.runDir = path.join(node.settings.stateDir, 'run');
    this.plugin = new Plugin(this.runDir);
  }

  async start(nodes: readonly Node[]): Promise<void> {
    await this.#node.start(nodes);
    await this.#node.ask('serveRuntimes');
  }

  /** The node's ends of containers' links by name; those that were retired go a moment later, all at once. */
  links(): string[] {
    return this.#veths()
      .filter(({ ifalias }) => String(ifalias).startsWith('weft:pod:'))
      .map(({ ifname }) => String(ifname));
  }

  /** Whether retired links are gone, too. */
  hasNoLink(): boolean {
    return this.#veths().every(({ ifname }) => !String(ifname).startsWith('weft'));
  }

  /** Leases by their owners, as the disk has them. */
  leases(): Record<string, Lease<unknown>> {
    const file = path.join(this.#node.settings.stateDir, 'network', 'leases.json');
    return readState(file, readBootId()).leases;
  }

  #veths(): ReturnType<typeof ip> {
    return ip(this.#node.namespace, 'link', 'show', 'type', 'veth');
  }
}

export interface Container {
  readonly containerId: string;
  readonly netns: string;
  remove(): void;
}

/** A container's namespace, as its runtime makes it. */
export function makeContainer(name: string): Container {
  const namespace = testNamespace(name);
  createNamespace(namespace).close();
  return {
    containerId: `${name}-0123456789abcdef`,
    netns: namespacePath(namespace),
    remove: () => removeNamespace(namespace),
  };
}

/** The owner of a container's lease. */
export function ownerOf({ containerId }: Container, ifname = 'eth0'): string {
  return `cni:${containerId}:${ifname}`;
}

export function firstAddress({ ips }: PrintedResult): string {
  return ips[0]?.address.replace('/32', '') ?? '';
}
