import { isDeepStrictEqual } from 'node:util';
import { ignoreMissing, isAlreadyExists, isNamespaceTerminating } from '../../client/api-error.ts';
import { onlyThis } from '../../client/client.ts';
import { replicaSets } from '../../client/resources.ts';
import type { Deployment } from '../../kinds/deployment.ts';
import type { ReplicaSet } from '../../kinds/replica-set.ts';
import { controllerOf } from '../workloads/claims.ts';
import type { ControllerContext } from '../controller.ts';
import { replicasOf } from './deployment-rollout.ts';
import type { RolloutStep, SetChange } from './deployment-rollout.ts';
import { deploymentOwner, findNewReplicaSet, renderReplicaSet } from './deployment-sets.ts';
import type { WriteFence } from '../write-fence.ts';

type Created =
  | { readonly set: ReplicaSet }
  /** Why there is none; with the new count when the name was another template's. */
  | { readonly failure: string | undefined; readonly collisionCount?: number };

/** Makes, changes and removes the ReplicaSets of Deployments, and says so in events. */
export class ReplicaSetControl {
  readonly #ctx: Pick<ControllerContext, 'client' | 'events'>;
  readonly #component: string;

  constructor(ctx: Pick<ControllerContext, 'client' | 'events'>, component: string) {
    this.#ctx = ctx;
    this.#component = component;
  }

  async create(
    deployment: Deployment,
    { revision, replicas }: NonNullable<RolloutStep['create']>,
    fence: WriteFence<ReplicaSet>,
  ): Promise<Created> {
    const wanted = renderReplicaSet(deployment, revision, replicas);
    const { name } = wanted.metadata;
    try {
      const set = await this.#ctx.client.create(replicaSets, wanted);
      fence.wrote(set);
      if (replicas > 0) {
        this.#note(deployment, 'ScalingReplicaSet', `Scaled up replica set ${name} from 0 to ${replicas}`);
      }
      return { set };
    } catch (error) {
      // The namespace is going, and soon the Deployment with it.
      if (isNamespaceTerminating(error)) return { failure: undefined };
      if (isAlreadyExists(error)) return this.#meet(deployment, wanted);
      const message = `Failed to create new replica set "${name}": ${(error as Error).message}`;
      this.#note(deployment, 'ReplicaSetCreateError', message, 'Warning');
      return { failure: message };
    }
  }

  /** Another object has the name: ours that the cache does not show yet, or one of another template. */
  async #meet(deployment: Deployment, wanted: ReplicaSet): Promise<Created> {
    const { name, namespace } = wanted.metadata;
    const there = await this.#ctx.client.get(replicaSets, { namespace, name });
    const isOurs = controllerOf(there.metadata)?.uid === deployment.metadata.uid;
    if (isOurs && findNewReplicaSet(deployment, [there])) return { set: there };
    const collisionCount = (deployment.status?.collisionCount ?? 0) + 1;
    return { failure: `replica set "${name}" is of another template`, collisionCount };
  }

  /** Resolves with the set as it is now. Rejects with Conflict if it changed meanwhile. */
  async change(
    deployment: Deployment,
    { set, replicas, annotations }: SetChange,
    fence: WriteFence<ReplicaSet>,
  ): Promise<ReplicaSet> {
    const { name, namespace, uid, resourceVersion } = set.metadata;
    const { minReadySeconds = null } = deployment.spec;
    const isNewest = findNewReplicaSet(deployment, [set]) !== undefined;
    const patch = {
      metadata: {
        uid,
        resourceVersion,
        ...(!isDeepStrictEqual(annotations, set.metadata.annotations) && { annotations }),
      },
      spec: { replicas, ...(isNewest && { minReadySeconds }) },
    };
    const changed = await this.#ctx.client.patch(replicaSets, { namespace, name }, patch, 'merge');
    fence.wrote(changed);
    const before = replicasOf(set);
    if (replicas !== before) {
      const direction = replicas > before ? 'up' : 'down';
      const message = `Scaled ${direction} replica set ${name} from ${before} to ${replicas}`;
      this.#note(deployment, 'ScalingReplicaSet', message);
    }
    return changed;
  }

  async remove(set: ReplicaSet, fence: WriteFence<ReplicaSet>): Promise<void> {
    const { name, namespace } = set.metadata;
    const request = this.#ctx.client.delete(replicaSets, { namespace, name }, onlyThis(set));
    if (await ignoreMissing(request)) fence.removed(set);
  }

  #note(
    deployment: Deployment,
    reason: string,
    message: string,
    type: 'Normal' | 'Warning' = 'Normal',
  ): void {
    const { apiVersion, kind } = deploymentOwner;
    const { events } = this.#ctx;
    events.record({
      component: this.#component,
      apiVersion,
      kind,
      object: deployment,
      type,
      reason,
      message,
    });
  }
}
