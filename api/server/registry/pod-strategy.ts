import type { Pod } from '../../kinds/pod.ts';
import type { Strategy } from './strategy.ts';

const defaultGraceSeconds = 30;

/** Pods end slowly: their node's agent stops the containers and then deletes them with a grace of 0. */
export const podStrategy: Strategy<Pod> = {
  gracePeriodSeconds(pod, requested) {
    // Nobody runs it (any more), so nobody would end it.
    if (!pod.spec.nodeName || pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed') return 0;
    const seconds = requested ?? pod.spec.terminationGracePeriodSeconds ?? defaultGraceSeconds;
    return seconds < 0 ? 1 : seconds;
  },
};
