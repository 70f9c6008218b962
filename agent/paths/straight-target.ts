import type { StraightWay } from '../network/peers.ts';
import { straightKey } from '../network/peers.ts';
import type { NodePlan } from '../network/view.ts';

/** A peer's range that may be reached straight. */
export interface StraightTarget {
  readonly node: string;
  readonly range: string;
  readonly way: StraightWay;
}

/** All that a plan leaves to proof. */
export function straightTargets({ peers }: NodePlan): StraightTarget[] {
  return [...(peers?.entries() ?? [])].flatMap(({ name: node, ways }) =>
    (ways.straight ?? []).map((way) => ({ node, range: way.range, way })),
  );
}

/** Whether what was found out about the one holds for the other. */
export function isSameStraightTarget(a: StraightTarget, b: StraightTarget): boolean {
  return a.node === b.node && describe(a.way) === describe(b.way);
}

function describe(way: StraightWay): string {
  return `${straightKey(way)} ${way.source} ${way.destination}`;
}
