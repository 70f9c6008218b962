import type { ReadCache } from '../../api/client/cache.ts';
import type { ApiClient } from '../../api/client/client.ts';
import { isNotFound } from '../../api/client/api-error.ts';
import { pods } from '../../api/client/resources.ts';
import type { Pod } from '../../api/kinds/pod.ts';
import type { PodRecord } from './record.ts';

/**
 * Proof that a pod of this node is no more: the cache is synced, does not have it, and the API itself, asked again,
 * says so. Ending a pod that was not deleted asks for one of these, and nothing else makes them: an agent that has
 * not read the API cannot end anything.
 */
export class ConfirmedGone {
  readonly uid: string;

  private constructor(uid: string) {
    this.uid = uid;
  }

  /** Undefined when the pod is there, or nobody can know. Throws ApiError when the API cannot be asked. */
  static async confirm(
    cache: ReadCache<Pod>,
    client: Pick<ApiClient, 'get'>,
    nodeName: string,
    record: Pick<PodRecord, 'uid' | 'namespace' | 'name'>,
  ): Promise<ConfirmedGone | undefined> {
    const { uid, namespace, name } = record;
    if (!cache.synced || cache.get(`${namespace}/${name}`)?.metadata.uid === uid) return undefined;
    try {
      const pod = await client.get(pods, { namespace, name });
      const isOurs = pod.metadata.uid === uid && pod.spec.nodeName === nodeName;
      return isOurs ? undefined : new ConfirmedGone(uid);
    } catch (error) {
      if (isNotFound(error)) return new ConfirmedGone(uid);
      throw error;
    }
  }
}
