import type { Pod } from '../../kinds/pod.ts';
import { podKind } from '../../kinds/pod.ts';
import { isPodTerminal } from '../../kinds/pod-status.ts';
import { serviceAccountKind } from '../../kinds/service-account.ts';
import type { Store, Write } from '../../store/store.ts';
import { forbidden } from '../status-error.ts';
import { decodeEntry, objectKey } from './codec.ts';
import { admitPodSpec } from './pod-admission.ts';
import type { Strategy } from './strategy.ts';

const defaultGraceSeconds = 30;
const defaultAccount = 'default';

/** What a pod is given when it is made, and how it ends. */
export class PodStrategy implements Strategy<Pod> {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  prepare({ spec }: Pod, old?: Pod): void {
    admitPodSpec(spec, old?.spec);
    if (old || spec.serviceAccountName) return;
    spec.serviceAccountName = defaultAccount;
    spec.serviceAccount = defaultAccount;
  }

  /** What Kubernetes' ServiceAccount admission does; it claims nothing. */
  async claimForCreate(pod: Pod): Promise<Write[]> {
    const { spec, metadata } = pod;
    const { namespace = '' } = metadata;
    const name = spec.serviceAccountName ?? defaultAccount;
    const entry = await this.#store.get(objectKey(serviceAccountKind, namespace, name));
    if (!entry) {
      // A new namespace gets its own in a moment; nothing that a pod needs here depends on it.
      if (name === defaultAccount) return [];
      const why = `error looking up service account ${namespace}/${name}: serviceaccount "${name}" not found`;
      throw forbidden(podKind, metadata.name, why);
    }
    const { imagePullSecrets = [] } = decodeEntry(serviceAccountKind, entry);
    if (!spec.imagePullSecrets?.length && imagePullSecrets.length > 0) {
      spec.imagePullSecrets = structuredClone(imagePullSecrets);
    }
    return [];
  }

  /** Pods end slowly: their node's agent stops the containers and then deletes them with a grace of 0. */
  gracePeriodSeconds(pod: Pod, requested: number | undefined): number {
    // Nobody runs it (any more), so nobody would end it.
    if (!pod.spec.nodeName || isPodTerminal(pod)) return 0;
    const seconds = requested ?? pod.spec.terminationGracePeriodSeconds ?? defaultGraceSeconds;
    return seconds < 0 ? 1 : seconds;
  }
}
