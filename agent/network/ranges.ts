import { addressAt, overlap, parseCidr, renderCidr } from '../../netns/ip.ts';
import type { ClusterNode, PodRange } from './view.ts';

/** The ranges with their gateways: the first address of each. */
export function podRanges(cidrs: readonly string[]): PodRange[] {
  return cidrs.map((text) => {
    const cidr = parseCidr(text);
    return { family: cidr.family, cidr: renderCidr(cidr), gateway: addressAt(cidr, 1n) };
  });
}

/** Which node has which ranges. A range that overlaps an older node's is nobody's: packets must not go two ways. */
export function assignRanges(nodes: readonly ClusterNode[]): {
  readonly accepted: ReadonlyMap<string, readonly string[]>;
  readonly problems: string[];
} {
  const accepted = new Map<string, readonly string[]>();
  const taken: { readonly cidr: ReturnType<typeof parseCidr>; readonly owner: string }[] = [];
  const problems: string[] = [];
  const oldestFirst = nodes.toSorted((a, b) => compare(a.created, b.created) || compare(a.name, b.name));
  for (const { name, podCIDRs } of oldestFirst) {
    const cidrs = podCIDRs.map(parseCidr);
    const clash = taken.find((other) => cidrs.some((cidr) => overlap(cidr, other.cidr)));
    if (clash) {
      problems.push(
        `podCIDR ${podCIDRs.join(',')} of node ${name} is node ${clash.owner}'s; delete one of them`,
      );
      continue;
    }
    taken.push(...cidrs.map((cidr) => ({ cidr, owner: name })));
    if (cidrs.length > 0) accepted.set(name, podCIDRs);
  }
  return { accepted, problems };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
