import type { CacheEvent } from '../../api/client/cache.ts';
import type { Pod } from '../../api/kinds/pod.ts';
import { isPodTerminal } from '../../api/kinds/pod-status.ts';
import { addressBytes } from '../../dns/names.ts';
import type { NameChange } from './messages.ts';

/** What a pod's addresses mean to DNS; a pod that is gone, or has ended, has none. */
export function podChange(key: string, pod: Pod | undefined): NameChange {
  return {
    kind: 'pod',
    key,
    addresses: pod ? addressesOf(pod).flatMap((text) => addressBytes(text) ?? []) : [],
  };
}

/** Whether an event of the pods' cache changes anybody's address: most tell of other things. */
export function changesAddresses(event: CacheEvent<Pod>): boolean {
  if (event.type === 'synced') return false;
  if (event.type !== 'updated') return addressesOf(event.object).length > 0;
  return addressesOf(event.object).join() !== addressesOf(event.previous).join();
}

/** A pod's addresses; one that has ended has none, for they may be another's by now. */
export function addressesOf(pod: Pod): readonly string[] {
  return isPodTerminal(pod) ? [] : (pod.status?.podIPs ?? []).map(({ ip }) => ip);
}
