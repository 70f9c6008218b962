import type { Pod } from '../../kinds/pod.ts';
import { resolveIntOrPercent } from '../../kinds/int-or-percent.ts';
import { isAvailable, isCurrent, isLeaving } from './daemons.ts';
import type { DaemonView, NodeView } from './daemons.ts';
import { isPodTerminal } from '../../kinds/pod-status.ts';
import { isPodReady } from '../pod-conditions.ts';

/** What to do next for a DaemonSet. Ended pods are not in it: they are replaced slowly. */
export interface DaemonStep {
  /** Names of the nodes that lack their pod. */
  readonly create: readonly string[];
  readonly remove: readonly Pod[];
}

const nothing: DaemonStep = { create: [], remove: [] };

/** At most so many pods are created or deleted in one pass (upstream's BurstReplicas). */
const burst = 250;

/** One pod on every node first; then, and only then, the next step of replacing old ones. */
export function planDaemons(view: DaemonView): DaemonStep {
  const { daemonSet } = view;
  if (daemonSet.metadata.deletionTimestamp !== undefined) return nothing;
  const limits = limitsOf(view);
  const upkeep = planUpkeep(view, limits.surge > 0);
  const isIdle = upkeep.create.length + upkeep.remove.length === 0;
  const step =
    isIdle && daemonSet.spec.updateStrategy.type === 'RollingUpdate' ? planUpdate(view, limits) : upkeep;
  return { create: step.create.slice(0, burst), remove: step.remove.slice(0, burst) };
}

interface Limits {
  /** On how many nodes two pods may run. */
  readonly surge: number;
  /** On how many nodes the pod may be missing. */
  readonly unavailable: number;
}

function limitsOf({ daemonSet, nodes }: DaemonView): Limits {
  const { type, rollingUpdate } = daemonSet.spec.updateStrategy;
  if (type !== 'RollingUpdate') return { surge: 0, unavailable: 0 };
  const desired = nodes.filter(({ fit }) => fit === 'run').length;
  const surge = resolveIntOrPercent(rollingUpdate?.maxSurge ?? 0, desired, 'up');
  const unavailable = resolveIntOrPercent(rollingUpdate?.maxUnavailable ?? 0, desired, 'up');
  return surge === 0 && unavailable === 0 ? { surge, unavailable: 1 } : { surge, unavailable };
}

function planUpkeep(view: DaemonView, maySurge: boolean): DaemonStep {
  const create = view.nodes.filter(({ fit, pods }) => fit === 'run' && pods.length === 0);
  const remove = view.nodes.flatMap(({ fit, pods }) => {
    const staying = pods.filter((pod) => !isLeaving(pod));
    if (fit === 'leave') return staying;
    const running = staying.filter((pod) => !isPodTerminal(pod));
    return maySurge ? surplusInSurge(running, view) : running.slice(1);
  });
  return { create: create.map(({ name }) => name), remove };
}

/** Of one node: an old pod may stay beside a new one while it serves and the new one does not yet. */
function surplusInSurge(pods: readonly Pod[], view: DaemonView): Pod[] {
  const [fresh, ...moreFresh] = pods.filter((pod) => isCurrent(pod, view.hash));
  const [old, ...moreOld] = pods.filter((pod) => !isCurrent(pod, view.hash));
  const isReplaced = fresh && old && (!isPodReady(old) || isAvailable(fresh, view));
  return [...moreFresh, ...moreOld, ...(isReplaced ? [old] : [])];
}

function planUpdate(view: DaemonView, limits: Limits): DaemonStep {
  const nodes = view.nodes.filter(({ fit, pods }) => fit === 'run' || (fit === 'stay' && pods.length > 0));
  return limits.surge > 0
    ? planSurge(view, nodes, limits.surge)
    : planReplacement(view, nodes, limits.unavailable);
}

/** The old and the new pod of a node; pods on their way out do not count. */
function pairOf({ pods }: NodeView, hash: string): { fresh?: Pod | undefined; old?: Pod | undefined } {
  const staying = pods.filter((pod) => !isLeaving(pod));
  return {
    fresh: staying.find((pod) => isCurrent(pod, hash)),
    old: staying.find((pod) => !isCurrent(pod, hash)),
  };
}

/** Deletes as many old pods as may be missing; the pass after makes the new ones. */
function planReplacement(view: DaemonView, nodes: readonly NodeView[], most: number): DaemonStep {
  const broken: Pod[] = [];
  const serving: Pod[] = [];
  let unavailable = 0;
  for (const node of nodes) {
    const { fresh, old } = pairOf(node, view.hash);
    if (old && !fresh && isAvailable(old, view)) serving.push(old);
    else if (old && !fresh) broken.push(old);
    if (!serves(fresh ?? old, view)) unavailable += 1;
  }
  return { create: [], remove: [...broken, ...serving.slice(0, Math.max(0, most - unavailable))] };
}

function serves(pod: Pod | undefined, view: DaemonView): boolean {
  return pod !== undefined && isAvailable(pod, view);
}

/** Makes new pods beside as many old ones as may be doubled; the upkeep deletes the old one when the new one serves. */
function planSurge(view: DaemonView, nodes: readonly NodeView[], most: number): DaemonStep {
  const broken: string[] = [];
  const serving: string[] = [];
  let surging = 0;
  for (const node of nodes) {
    const { fresh, old } = pairOf(node, view.hash);
    if (fresh && old) surging += 1;
    if (fresh || !old || node.fit !== 'run') continue;
    (isAvailable(old, view) ? serving : broken).push(node.name);
  }
  return { create: [...broken, ...serving.slice(0, Math.max(0, most - surging))], remove: [] };
}
