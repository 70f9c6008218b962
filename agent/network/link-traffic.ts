import type { FilterInstruction } from '../../netns/bpf.ts';
import {
  encodeInstructions,
  ensureIngressFilter,
  ensureIngressRedirect,
  removeIngressFilters,
} from '../../netns/ingress-filter.ts';
import type { IngressFilter } from '../../netns/ingress-filter.ts';
import type { Request } from '../../netns/message.ts';
import { ensureFilterPoint, ensureTokenBucket, removeRootQdisc } from '../../netns/traffic-control.ts';
import type { Qdisc, TokenBucket } from '../../netns/traffic-control.ts';
import { toBucket } from './bandwidth.ts';
import { guardSources } from './source-guard.ts';
import type { AttachedPod } from './view.ts';

/** The ifindexes of the links at the node's end of a pod's. */
export interface LinkEnds {
  readonly link: number;
  /** Of the ifb through which what the pod sends goes; 0: there is none. */
  readonly limiter: number;
}

/** What the node shall do with a pod's packets before anything else sees them, and before the pod does. */
export interface LinkTraffic {
  readonly guard: readonly FilterInstruction[];
  /** What goes to the pod waits here. */
  readonly ingress: TokenBucket | undefined;
  /** What comes from it waits here, on the ifb: at its own end a pod that may administer its network could lift it. */
  readonly egress: TokenBucket | undefined;
}

/** What the kernel has. */
export interface SeenTraffic {
  readonly qdiscs: readonly Qdisc[];
  readonly filters: readonly IngressFilter[];
}

/** A request, and what it is for: without guards pods can live. */
export interface TrafficRequest {
  readonly request: Request;
  readonly purpose: 'guard' | 'limit';
}

const priorities = { guard: 1, limit: 2 } as const;

/** @param mtu of the pod's link */
export function planTraffic({ mac, ips, bandwidth }: AttachedPod, mtu: number): LinkTraffic {
  const [ingress, egress] = [bandwidth?.ingress, bandwidth?.egress].map(
    (limit) => limit && toBucket(limit, mtu),
  );
  return { guard: guardSources({ mac, ips }), ingress, egress };
}

/** What makes it so; nothing where it is so already. What others hung there besides stays. */
export function diffTraffic(
  want: LinkTraffic,
  { link, limiter }: LinkEnds,
  seen: SeenTraffic,
): TrafficRequest[] {
  const filters = seen.filters.filter(({ ifindex }) => ifindex === link);
  const at = (priority: number): IngressFilter[] => filters.filter((filter) => filter.priority === priority);
  const hasPoint = seen.qdiscs.some(({ ifindex, kind }) => ifindex === link && kind === 'clsact');
  const guards = at(priorities.guard);
  const guard = [
    ...(hasPoint ? [] : [ensureFilterPoint(link)]),
    ...replace(guards, isGuard(want, guards), priorities.guard, link, () =>
      ensureIngressFilter(link, priorities.guard, 'weft-guard', want.guard),
    ),
  ];
  const redirects = at(priorities.limit);
  const limit = [
    // Where frames wait is there before they are sent there.
    ...diffBucket(want.egress, limiter, seen.qdiscs),
    ...(want.egress
      ? replace(redirects, isRedirect(limiter, redirects), priorities.limit, link, () =>
          ensureIngressRedirect(link, priorities.limit, 'weft-limit', limiter),
        )
      : redirects.some(({ target }) => target !== 0)
        ? [removeIngressFilters(link, priorities.limit)]
        : []),
    ...diffBucket(want.ingress, link, seen.qdiscs),
  ];
  return [
    ...guard.map((request) => ({ request, purpose: 'guard' }) as const),
    ...limit.map((request) => ({ request, purpose: 'limit' }) as const),
  ];
}

function isGuard({ guard }: LinkTraffic, filters: readonly IngressFilter[]): boolean {
  const [filter] = filters;
  return (
    filters.length === 1 && filter?.isVerdict === true && filter.program.equals(encodeInstructions(guard))
  );
}

function isRedirect(limiter: number, filters: readonly IngressFilter[]): boolean {
  return filters.length === 1 && filters[0]?.target === limiter;
}

/** One of the same kind is exchanged between two packets; anything else has to go first. */
function replace(
  present: readonly IngressFilter[],
  isRight: boolean,
  priority: number,
  link: number,
  ensure: () => Request,
): Request[] {
  if (isRight) return [];
  const isInPlace = present.length === 0 || (present.length === 1 && present[0]?.kind === 'bpf');
  return [...(isInPlace ? [] : [removeIngressFilters(link, priority)]), ensure()];
}

function diffBucket(want: TokenBucket | undefined, ifindex: number, qdiscs: readonly Qdisc[]): Request[] {
  const root = qdiscs.find((qdisc) => qdisc.ifindex === ifindex && qdisc.isRoot && !qdisc.isDefault);
  if (!want) return root?.bucket ? [removeRootQdisc(ifindex)] : [];
  if (root?.bucket && isSame(want, root.bucket)) return [];
  return [...(root && !root.bucket ? [removeRootQdisc(ifindex)] : []), ensureTokenBucket(ifindex, want)];
}

/** The kernel counts a burst in ticks of 64 ns. */
function isSame(want: TokenBucket, have: TokenBucket): boolean {
  const tolerance = 2 + want.burst / 1000 + want.rate / 1e7;
  return (
    want.rate === have.rate && want.limit === have.limit && Math.abs(want.burst - have.burst) <= tolerance
  );
}
