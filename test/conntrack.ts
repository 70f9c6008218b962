import { Conntrack } from '../netns/conntrack.ts';
import type { ConntrackFilter, TrackedFlow } from '../netns/conntrack.ts';

/** {@link Conntrack.list} in whatever network namespace the thread is in now. */
export function listConntrack(protocol: Parameters<Conntrack['list']>[0]): TrackedFlow[] {
  using conntrack = new Conntrack();
  return conntrack.list(protocol);
}

/** {@link Conntrack.forget} likewise. */
export function deleteConntrack(filters: readonly ConntrackFilter[]): void {
  using conntrack = new Conntrack();
  conntrack.forget(filters);
}
