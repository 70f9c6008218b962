import { ignoreMissing, isConflict, isNotFound } from '../../client/api-error.ts';
import type { KubeObject, OwnerReference } from '../../kinds/meta.ts';
import type { Controller, ControllerContext } from '../controller.ts';
import { OwnerGraph } from './owner-graph.ts';
import type { GraphNode, GraphSource } from './owner-graph.ts';
import { decideOwnership, foregroundFinalizer, isWaitingFor, orphanFinalizer } from './ownership.ts';
import type { OwnerState } from './ownership.ts';
import { WorkQueue } from '../work-queue.ts';

/**
 * Deletes what nobody owns any more and carries out foreground and orphaning deletions. Keys: uids.
 * Owners of kinds outside its sources count as present: it never deletes what it cannot judge.
 */
export class GarbageCollector implements Controller {
  readonly #ctx: ControllerContext;
  readonly #queue: WorkQueue;
  readonly #graph: OwnerGraph;

  constructor(ctx: ControllerContext, sources: readonly GraphSource[]) {
    this.#ctx = ctx;
    const log = ctx.log.child({ controller: 'garbage-collector' });
    this.#queue = new WorkQueue({ log, workers: 5, process: (uid) => this.#sync(uid) });
    this.#graph = new OwnerGraph(sources, (uid) => {
      this.#queue.add(uid);
    });
  }

  start(): void {
    for (const uid of this.#graph.uids()) this.#queue.add(uid);
    this.#queue.start();
  }

  async stop(): Promise<void> {
    await this.#queue.stop();
  }

  async #sync(uid: string): Promise<void> {
    const node = this.#graph.get(uid);
    const dependents = this.#graph.dependentsOf(uid);
    if (!node) {
      for (const dependent of dependents) await this.#judge(dependent);
      return;
    }
    if (isWaitingFor(node.object, orphanFinalizer)) return this.#orphan(node, dependents);
    if (isWaitingFor(node.object, foregroundFinalizer)) return this.#deleteForeground(node, dependents);
    await this.#judge(node);
  }

  async #judge(node: GraphNode): Promise<void> {
    const { uid = '', ownerReferences = [], namespace } = node.object.metadata;
    const states = new Map<string, OwnerState>();
    for (const owner of ownerReferences) states.set(owner.uid, await this.#stateOf(owner, namespace));
    const decision = decideOwnership(
      node.object,
      (owner) => states.get(owner.uid) ?? 'solid',
      this.#graph.dependentsOf(uid).length > 0,
    );
    if (decision.action === 'unlink') await this.#unlink(node, decision.uids);
    if (decision.action !== 'delete') return;
    const isCircle =
      decision.propagationPolicy === 'Foreground' &&
      this.#graph.dependentsOf(uid).some(({ object }) => isWaitingFor(object, foregroundFinalizer));
    if (isCircle) await this.#unblock(node);
    else await this.#delete(node, decision.propagationPolicy);
  }

  /** Of objects that own each other none could go first: this one no longer holds its owners, and goes after them. */
  async #unblock(node: GraphNode): Promise<void> {
    const { ownerReferences = [] } = node.object.metadata;
    const unblocked = ownerReferences.map((owner) => ({ ...owner, blockOwnerDeletion: false }));
    await this.#patchMetadata(node, { ownerReferences: unblocked });
  }

  async #stateOf(owner: OwnerReference, namespace: string | undefined): Promise<OwnerState> {
    const source = this.#graph.sourceOf(owner);
    // A reference from outside all namespaces into one names no namespace: nothing can be said of its owner.
    if (!source || (source.resource.namespaced && namespace === undefined)) return 'solid';
    const known = this.#graph.get(owner.uid);
    if (known && isMeant(known, source, owner, namespace)) {
      const waiting = owner.blockOwnerDeletion === true && isWaitingFor(known.object, foregroundFinalizer);
      return waiting ? 'waiting' : 'solid';
    }
    // Not in the cache may mean not in the cache yet: only the API itself says that an owner is gone.
    return (await this.#isThere(source, owner, namespace)) ? 'solid' : 'dangling';
  }

  async #isThere(
    source: GraphSource,
    owner: OwnerReference,
    namespace: string | undefined,
  ): Promise<boolean> {
    const where = source.resource.namespaced ? { namespace, name: owner.name } : { name: owner.name };
    const there = await ignoreMissing(this.#ctx.client.get(source.resource, where));
    return there?.metadata.uid === owner.uid;
  }

  async #orphan(node: GraphNode, dependents: readonly GraphNode[]): Promise<void> {
    const { uid = '' } = node.object.metadata;
    let left = 0;
    for (const dependent of dependents) if (!(await this.#unlink(dependent, [uid]))) left += 1;
    // Once the owner is gone, what still names it would be deleted.
    if (left === 0) await this.#removeFinalizer(node, orphanFinalizer);
    else this.#queue.addAfter(uid, 100);
  }

  async #deleteForeground(node: GraphNode, dependents: readonly GraphNode[]): Promise<void> {
    const uid = node.object.metadata.uid;
    const blocking = dependents.filter(({ object }) =>
      object.metadata.ownerReferences?.some(
        (owner) => owner.uid === uid && owner.blockOwnerDeletion === true,
      ),
    );
    if (blocking.length === 0) return this.#removeFinalizer(node, foregroundFinalizer);
    for (const dependent of dependents) await this.#judge(dependent);
  }

  async #delete(node: GraphNode, propagationPolicy: 'Background' | 'Foreground' | 'Orphan'): Promise<void> {
    const { name, namespace, uid, resourceVersion } = node.object.metadata;
    const preconditions = {
      ...(uid !== undefined && { uid }),
      // Somebody may adopt it this very moment.
      ...(resourceVersion !== undefined && { resourceVersion }),
    };
    await this.#tolerant(uid, async () => {
      await this.#ctx.client.delete(
        node.source.resource,
        { namespace, name },
        { propagationPolicy, preconditions },
      );
      this.#ctx.log.info(
        { kind: node.source.kind, namespace, name, propagationPolicy },
        'deleted, its owner is gone',
      );
    });
  }

  /** Resolves with whether the object names these owners no longer. */
  async #unlink(node: GraphNode, owners: readonly string[]): Promise<boolean> {
    const { ownerReferences = [] } = node.object.metadata;
    const left = ownerReferences.filter((owner) => !owners.includes(owner.uid));
    return this.#patchMetadata(node, { ownerReferences: left.length > 0 ? left : null });
  }

  async #removeFinalizer(node: GraphNode, finalizer: string): Promise<void> {
    const left = (node.object.metadata.finalizers ?? []).filter((one) => one !== finalizer);
    await this.#patchMetadata(node, { finalizers: left.length > 0 ? left : null });
  }

  #patchMetadata(node: GraphNode, change: object): Promise<boolean> {
    const { name, namespace, uid, resourceVersion } = node.object.metadata;
    const patch = { metadata: { uid, resourceVersion, ...change } };
    return this.#tolerant(uid, async () => {
      await this.#ctx.client.patch<KubeObject>(node.source.resource, { namespace, name }, patch, 'merge');
    });
  }

  /** Gone already is fine; changed meanwhile resolves with false: look again when the cache shows it. */
  async #tolerant(uid: string | undefined, action: () => Promise<void>): Promise<boolean> {
    try {
      await action();
      return true;
    } catch (error) {
      if (isNotFound(error)) return true;
      if (!isConflict(error)) throw error;
      if (uid !== undefined) this.#queue.addAfter(uid, 100);
      return false;
    }
  }
}

/** Whether a reference says where `node` is: an owner in another namespace, or of another name, is none. */
function isMeant(
  node: GraphNode,
  source: GraphSource,
  owner: OwnerReference,
  namespace: string | undefined,
): boolean {
  const { metadata } = node.object;
  const isNear = !source.resource.namespaced || metadata.namespace === namespace;
  return node.source === source && metadata.name === owner.name && isNear;
}
