import { ignoreMissing, isAlreadyExists } from '../../client/api-error.ts';
import { onlyThis } from '../../client/client.ts';
import type { ApiClient } from '../../client/client.ts';
import { controllerRevisions, daemonSets } from '../../client/resources.ts';
import type { ControllerRevision } from '../../kinds/controller-revision.ts';
import type { DaemonSet } from '../../kinds/daemon-set.ts';
import { controllerOf } from '../workloads/claims.ts';
import { isRevisionOf, renderRevision } from './daemon-revisions.ts';
import type { RevisionPlan } from './daemon-revisions.ts';
import type { WriteFence } from '../write-fence.ts';

/** Keeps the revisions of DaemonSets in the API. */
export class DaemonHistory {
  readonly #client: ApiClient;

  constructor(client: ApiClient) {
    this.#client = client;
  }

  /** Resolves with the revision of the present template, made or renumbered where need be. */
  async ensureCurrent(
    daemonSet: DaemonSet,
    { current, revision }: RevisionPlan,
    fence: WriteFence<ControllerRevision>,
  ): Promise<ControllerRevision> {
    if (!current) return this.#create(daemonSet, revision, fence);
    if (current.revision >= revision) return current;
    const { name, namespace, resourceVersion } = current.metadata;
    const patch = { metadata: { resourceVersion }, revision };
    const renumbered = await this.#client.patch(controllerRevisions, { namespace, name }, patch, 'merge');
    fence.wrote(renumbered);
    return renumbered;
  }

  async #create(
    daemonSet: DaemonSet,
    revision: number,
    fence: WriteFence<ControllerRevision>,
  ): Promise<ControllerRevision> {
    const wanted = renderRevision(daemonSet, revision);
    try {
      const created = await this.#client.create(controllerRevisions, wanted);
      fence.wrote(created);
      return created;
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
    }
    const { name, namespace } = wanted.metadata;
    const there = await this.#client.get(controllerRevisions, { namespace, name });
    const isOurs = controllerOf(there.metadata)?.uid === daemonSet.metadata.uid;
    if (isOurs && isRevisionOf(daemonSet, there)) return there;
    // The name is another template's: the next pass takes another one.
    const collisionCount = (daemonSet.status?.collisionCount ?? 0) + 1;
    const at = { namespace, name: daemonSet.metadata.name };
    await this.#client.patchStatus(daemonSets, at, { status: { collisionCount } }, 'merge');
    throw new Error(`revision "${name}" is of another template`);
  }

  async remove(
    revisions: readonly ControllerRevision[],
    fence: WriteFence<ControllerRevision>,
  ): Promise<void> {
    for (const revision of revisions) {
      const { name, namespace } = revision.metadata;
      const request = this.#client.delete(controllerRevisions, { namespace, name }, onlyThis(revision));
      if (await ignoreMissing(request)) fence.removed(revision);
    }
  }
}
