import { isConflict, isNotFound } from '../../client/api-error.ts';
import { nodes } from '../../client/resources.ts';
import type { Node } from '../../kinds/node.ts';
import type { Controller, ControllerContext } from '../controller.ts';
import { nextShare, shareIndices } from './node-ranges.ts';
import type { ClusterRange } from './node-ranges.ts';
import { WorkQueue } from '../work-queue.ts';
import { WriteFence } from '../write-fence.ts';

const component = 'cidrAllocator';

/**
 * Gives each node its share of every cluster range. What is taken is read from the nodes themselves, so a restart
 * forgets nothing; one worker and a fence keep two nodes from the same share. Keys: node names.
 */
export class NodeIpam implements Controller {
  readonly #ctx: ControllerContext;
  readonly #ranges: readonly ClusterRange[];
  readonly #queue: WorkQueue;
  readonly #fence: WriteFence<Node>;
  /** Index of the share last handed out, per range. */
  readonly #last: number[];
  #unsubscribe: (() => void) | undefined;

  constructor(ctx: ControllerContext, ranges: readonly ClusterRange[]) {
    this.#ctx = ctx;
    this.#ranges = ranges;
    this.#last = ranges.map(() => -1);
    const log = ctx.log.child({ controller: 'node-ipam' });
    this.#queue = new WorkQueue({ log, process: (name) => this.#sync(name) });
    this.#fence = new WriteFence(ctx.caches.nodes);
  }

  start(): void {
    const nodeCache = this.#ctx.caches.nodes;
    this.#unsubscribe = nodeCache.subscribe((event) => {
      // Any event may mean that the fence is passed, or that a share is free again.
      if (event.type !== 'synced') this.#addWaiting();
    });
    this.#addWaiting();
    this.#queue.start();
  }

  async stop(): Promise<void> {
    this.#unsubscribe?.();
    await this.#queue.stop();
  }

  #addWaiting(): void {
    for (const node of this.#ctx.caches.nodes.list())
      if (needsShare(node)) this.#queue.add(node.metadata.name);
  }

  async #sync(name: string): Promise<void> {
    const node = this.#ctx.caches.nodes.get(name);
    if (!node || !needsShare(node) || !this.#fence.isPassed()) return;
    const chosen = this.#ranges.map((range, at) =>
      nextShare(range, this.#taken(range), this.#last[at] ?? -1),
    );
    const shares = chosen.filter((share) => share !== undefined);
    if (shares.length < this.#ranges.length) {
      this.#complain(node);
      return;
    }
    const podCIDRs = shares.map((share) => share.cidr);
    const { resourceVersion } = node.metadata;
    // The revision makes the write fail if somebody else gave the node a range meanwhile.
    const patch = { metadata: { resourceVersion }, spec: { podCIDR: podCIDRs[0], podCIDRs } };
    try {
      this.#fence.wrote(await this.#ctx.client.patch(nodes, { name }, patch, 'merge'));
    } catch (error) {
      // Changed or gone: the cache's next event starts over.
      if (!isNotFound(error) && !isConflict(error)) throw error;
      if (isConflict(error)) this.#queue.addAfter(name, 20);
      return;
    }
    shares.forEach((share, at) => (this.#last[at] = share.index));
    this.#ctx.log.info({ node: name, podCIDRs }, 'node got its ranges');
  }

  #taken(range: ClusterRange): Set<number> {
    const taken = new Set<number>();
    for (const node of this.#ctx.caches.nodes.list()) {
      for (const cidr of node.spec?.podCIDRs ?? []) {
        const indices = shareIndices(range, cidr);
        if (!indices) continue;
        for (let index = indices.first; index <= indices.last; index += 1) taken.add(index);
      }
    }
    return taken;
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
