import { isConflict, isInvalid, isNotFound } from '../../client/api-error.ts';
import { nodes } from '../../client/resources.ts';
import type { Node } from '../../kinds/node.ts';
import type { Controller, ControllerContext } from '../controller.ts';
import { ShareTable } from './node-ranges.ts';
import type { ClusterRange, Share } from './node-ranges.ts';
import { WorkQueue } from '../work-queue.ts';

const component = 'cidrAllocator';

/**
 * Gives each node its share of every cluster range. What is taken is read from the nodes themselves, so a restart
 * forgets nothing. That no two get the same is the API's doing where it is ours: it refuses a taken range, and another
 * one is tried. An event costs the node that it is about. Keys: node names.
 */
export class NodeIpam implements Controller {
  readonly #ctx: ControllerContext;
  readonly #tables: readonly ShareTable[];
  readonly #queue: WorkQueue;
  /** What each node has, as the tables count it. */
  readonly #held = new Map<string, readonly string[]>();
  /** Nodes whose ranges we wrote and the cache does not show yet, with the revision of that. */
  readonly #written = new Map<string, bigint>();
  /** Nodes that none was left for. */
  readonly #starved = new Set<string>();
  #unsubscribe: (() => void) | undefined;

  constructor(ctx: ControllerContext, ranges: readonly ClusterRange[]) {
    this.#ctx = ctx;
    this.#tables = ranges.map((range) => new ShareTable(range));
    const log = ctx.log.child({ controller: 'node-ipam' });
    this.#queue = new WorkQueue({
      log,
      process: async (name) => {
        await this.#sync(name);
        this.#serveStarved();
      },
    });
  }

  start(): void {
    const nodeCache = this.#ctx.caches.nodes;
    this.#unsubscribe = nodeCache.subscribe((event) => {
      if (event.type === 'deleted') this.#forget(event.key);
      else if (event.type !== 'synced') this.#note(event.object);
    });
    for (const node of nodeCache.list()) this.#note(node);
    this.#queue.start();
  }

  async stop(): Promise<void> {
    this.#unsubscribe?.();
    await this.#queue.stop();
  }

  #note(node: Node): void {
    const { name, resourceVersion = '0' } = node.metadata;
    // An event from before our own write says nothing about the ranges.
    if (BigInt(resourceVersion) < (this.#written.get(name) ?? 0n)) return;
    this.#written.delete(name);
    this.#hold(name, node.spec?.podCIDRs ?? []);
    if (!needsShare(node)) this.#starved.delete(name);
    else if (!this.#starved.has(name)) this.#queue.add(name);
  }

  #forget(name: string): void {
    this.#written.delete(name);
    this.#starved.delete(name);
    this.#hold(name, []);
  }

  #hold(name: string, podCIDRs: readonly string[]): void {
    const before = this.#held.get(name) ?? [];
    // Heartbeats: nothing to count.
    if (before.join() === podCIDRs.join()) return;
    for (const table of this.#tables) {
      for (const cidr of before) table.release(cidr);
      for (const cidr of podCIDRs) table.take(cidr);
    }
    if (podCIDRs.length > 0) this.#held.set(name, podCIDRs);
    else this.#held.delete(name);
    if (before.length > 0) this.#serveStarved();
  }

  /** One at a time: each is followed by the next as long as there is something left. */
  #serveStarved(): void {
    const [name] = this.#starved;
    if (name === undefined || this.#tables.some((table) => !table.next())) return;
    this.#starved.delete(name);
    this.#queue.add(name);
  }

  async #sync(name: string): Promise<void> {
    const node = this.#ctx.caches.nodes.get(name);
    if (!node || !needsShare(node) || this.#written.has(name)) return;
    const shares = this.#tables.map((table) => table.next()).filter((share) => share !== undefined);
    if (shares.length < this.#tables.length) {
      this.#starved.add(name);
      this.#complain(node);
      return;
    }
    await this.#give(node, shares);
  }

  async #give({ metadata: { name, resourceVersion } }: Node, shares: readonly Share[]): Promise<void> {
    const podCIDRs = shares.map((share) => share.cidr);
    // The revision makes the write fail if somebody else gave the node a range meanwhile.
    const patch = { metadata: { resourceVersion }, spec: { podCIDR: podCIDRs[0], podCIDRs } };
    try {
      const { metadata } = await this.#ctx.client.patch(nodes, { name }, patch, 'merge');
      const revision = BigInt(metadata.resourceVersion ?? '0');
      // Whatever became of the node since: the cache has told of it.
      if (this.#ctx.caches.nodes.revision < revision) {
        this.#written.set(name, revision);
        this.#hold(name, podCIDRs);
      }
    } catch (error) {
      // Changed or gone: the cache's next event starts over.
      if (isConflict(error)) this.#queue.addAfter(name, 20);
      if (isConflict(error) || isNotFound(error)) return;
      // One of them is somebody's whom the cache does not show yet: the next attempt is about others.
      if (isInvalid(error)) this.#pass(shares);
      throw error;
    }
    this.#pass(shares);
    this.#ctx.log.info({ node: name, podCIDRs }, 'node got its ranges');
  }

  #pass(shares: readonly Share[]): void {
    for (const [at, table] of this.#tables.entries()) if (shares[at]) table.pass(shares[at]);
  }

  #complain(node: Node): void {
    const message = `Node ${node.metadata.name} status is now: CIDRNotAvailable`;
    this.#ctx.events.record({
      component,
      apiVersion: 'v1',
      kind: 'Node',
      object: node,
      type: 'Warning',
      reason: 'CIDRNotAvailable',
      message,
    });
  }
}

function needsShare(node: Node): boolean {
  return (node.spec?.podCIDRs ?? []).length === 0 && node.metadata.deletionTimestamp === undefined;
}
