import path from 'node:path';
import { readBootId, readState } from '../../../cni/lease-file.ts';
import type { Lease } from '../../../cni/pool.ts';
import { createNamespace, namespacePath, removeNamespace } from '../../../netns/namespace.ts';
import type { TestNode } from '../network/cluster-fixture.ts';
import { ip, testNamespace } from '../network/cluster-fixture.ts';
import type { PrintedResult } from './plugin.ts';

/** Where a node's agent listens and keeps its notes. */
export function runDirOf({ settings }: TestNode): string {
  return path.join(settings.stateDir, 'run');
}

/** The node's ends of containers' links by name; those that were retired go a moment later, all at once. */
export function containerLinks(node: TestNode): string[] {
  return ip(node.namespace, 'link', 'show', 'type', 'veth')
    .filter(({ ifalias }) => String(ifalias).startsWith('weft:pod:'))
    .map(({ ifname }) => String(ifname));
}

/** Whether retired links are gone, too. */
export function hasNoWeftVeth(node: TestNode): boolean {
  return ip(node.namespace, 'link', 'show', 'type', 'veth').every(
    ({ ifname }) => !String(ifname).startsWith('weft'),
  );
}

/** Leases by their owners, as the disk has them. */
export function leasesOf({ settings }: TestNode): Record<string, Lease<unknown>> {
  return readState(path.join(settings.stateDir, 'network', 'leases.json'), readBootId()).leases;
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
