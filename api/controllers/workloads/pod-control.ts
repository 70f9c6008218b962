import { isNamespaceTerminating, isNotFound } from '../../client/api-error.ts';
import { onlyThis } from '../../client/client.ts';
import { pods } from '../../client/resources.ts';
import type { KubeObject } from '../../kinds/meta.ts';
import type { Pod } from '../../kinds/pod.ts';
import type { PodTemplateSpec } from '../../kinds/pod-spec.ts';
import { controllerReference } from './claims.ts';
import type { OwnerKind } from './claims.ts';
import type { ControllerContext } from '../controller.ts';
import type { WriteFence } from '../write-fence.ts';

/** Why pods could not be made or deleted. */
export interface PodFailure {
  readonly reason: string;
  readonly message: string;
}

/** A new pod of an owner's template; the server completes its name. */
export function renderPod(
  ownerKind: OwnerKind,
  owner: KubeObject,
  template: PodTemplateSpec | undefined,
): Pod {
  const { name, namespace } = owner.metadata;
  const { labels, annotations, finalizers } = template?.metadata ?? {};
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: '',
      generateName: `${name}-`,
      ...(namespace !== undefined && { namespace }),
      ...(labels && { labels }),
      ...(annotations && { annotations }),
      ...(finalizers && { finalizers }),
      ownerReferences: [controllerReference(ownerKind, owner)],
    },
    spec: structuredClone(template?.spec ?? { containers: [] }),
  };
}

/** Makes and deletes the pods of owners of one kind, and says so in events. */
export class PodControl<O extends KubeObject> {
  readonly #ctx: Pick<ControllerContext, 'client' | 'events'>;
  readonly #ownerKind: OwnerKind<O>;
  readonly #component: string;

  constructor(ctx: Pick<ControllerContext, 'client' | 'events'>, ownerKind: OwnerKind<O>, component: string) {
    this.#ctx = ctx;
    this.#ownerKind = ownerKind;
    this.#component = component;
  }

  /** Slow start: one, two, four, … at a time, so that a template nobody accepts costs one request, not hundreds. */
  async create(owner: O, made: readonly Pod[], fence: WriteFence<Pod>): Promise<PodFailure | undefined> {
    for (let done = 0, batch = 1; done < made.length; done += batch, batch *= 2) {
      const failures = await Promise.all(
        made.slice(done, done + batch).map((pod) => this.#createOne(owner, pod, fence)),
      );
      const failure = failures.find((one) => one !== undefined);
      if (failure) return failure;
    }
    return undefined;
  }

  async #createOne(owner: O, wanted: Pod, fence: WriteFence<Pod>): Promise<PodFailure | undefined> {
    try {
      const pod = await this.#ctx.client.create(pods, wanted);
      fence.wrote(pod);
      this.note(owner, 'Normal', 'SuccessfulCreate', `Created pod: ${pod.metadata.name}`);
      return undefined;
    } catch (error) {
      // Its namespace is going, and soon the owner with it.
      if (isNamespaceTerminating(error)) return undefined;
      const message = `Error creating: ${(error as Error).message}`;
      this.note(owner, 'Warning', 'FailedCreate', message);
      return { reason: 'FailedCreate', message };
    }
  }

  async remove(owner: O, surplus: readonly Pod[], fence: WriteFence<Pod>): Promise<PodFailure | undefined> {
    const failures = await Promise.all(surplus.map((pod) => this.#removeOne(owner, pod, fence)));
    return failures.find((one) => one !== undefined);
  }

  async #removeOne(owner: O, pod: Pod, fence: WriteFence<Pod>): Promise<PodFailure | undefined> {
    const { name, namespace } = pod.metadata;
    try {
      await this.#ctx.client.delete(pods, { namespace, name }, onlyThis(pod));
      fence.removed(pod);
      this.note(owner, 'Normal', 'SuccessfulDelete', `Deleted pod: ${name}`);
      return undefined;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      const message = `Error deleting: ${(error as Error).message}`;
      this.note(owner, 'Warning', 'FailedDelete', message);
      return { reason: 'FailedDelete', message };
    }
  }

  /** An event about the owner. */
  note(owner: O, type: 'Normal' | 'Warning', reason: string, message: string): void {
    const { apiVersion, kind } = this.#ownerKind;
    this.#ctx.events.record({
      component: this.#component,
      apiVersion,
      kind,
      object: owner,
      type,
      reason,
      message,
    });
  }
}
