import { parseAddressPool, poolsOverlap } from '../../api/address-pool.ts';
import { familyOf, overlap, parseCidr } from '../../netns/ip.ts';
import type { Family } from '../../netns/ip.ts';
import type { ClusterConfig } from '../../api/cluster.ts';

/** Whether two ranges or addresses share at least one address. */
export function overlaps(left: string, right: string): boolean {
  return overlap(parseCidr(asRange(left)), parseCidr(asRange(right)));
}

function asRange(text: string): string {
  if (text.includes('/')) return text;
  return familyOf(text) === 'ipv4' ? `${text}/32` : `${text}/128`;
}

/** What is wrong with a cluster's ranges taken together; one sentence each, which says what to do. */
export function listRangeMistakes(cluster: ClusterConfig, nodeIPs: readonly string[]): string[] {
  const ranges = [
    ...cluster.clusterCIDRs.map((range) => ({ of: 'clusterCIDRs', range })),
    ...cluster.serviceCIDRs.map((range) => ({ of: 'serviceCIDRs', range })),
    ...nodeIPs.map((range) => ({ of: 'nodeIPs', range })),
  ];
  const clashes = ranges.flatMap((left, index) =>
    ranges
      .slice(index + 1)
      .filter((right) => overlaps(left.range, right.range))
      .map(
        (right) =>
          `${left.of} ${left.range} overlaps ${right.of} ${right.range}: choose ranges that share no address`,
      ),
  );
  return [
    ...clashes,
    ...listPoolMistakes(cluster.loadBalancerPools, ranges),
    ...listFamilyMistakes(cluster),
    ...listShareMistakes(cluster),
    ...listDnsMistakes(cluster),
  ];
}

/** An address of a pool must be nobody else's. */
function listPoolMistakes(
  pools: readonly string[],
  ranges: readonly { readonly of: string; readonly range: string }[],
): string[] {
  const others = [...pools.map((range) => ({ of: 'loadBalancerPools', range })), ...ranges];
  return pools.flatMap((pool, index) =>
    others
      .slice(index + 1)
      .filter(({ range }) => sharesAddress(pool, range))
      .map(
        ({ of, range }) =>
          `loadBalancerPools ${pool} overlaps ${of} ${range}: choose addresses that nothing else has`,
      ),
  );
}

function sharesAddress(pool: string, range: string): boolean {
  const [left, right] = [
    parseAddressPool(pool),
    parseAddressPool(range.includes('-') ? range : asRange(range)),
  ];
  return left !== undefined && right !== undefined && poolsOverlap(left, right);
}

function listFamilyMistakes({ clusterCIDRs, serviceCIDRs }: ClusterConfig): string[] {
  const pods = clusterCIDRs.map(familyOf);
  if (pods.length === 0) return ['clusterCIDRs is empty: give one range for each address family'];
  if (pods.join() !== serviceCIDRs.map(familyOf).join()) {
    return [
      'clusterCIDRs and serviceCIDRs differ in families: give both one range per family in the same order',
    ];
  }
  if (new Set<Family>(pods).size !== pods.length) {
    return ['clusterCIDRs has two ranges of one family: give one range for each address family'];
  }
  return [];
}

function listShareMistakes({ clusterCIDRs, nodeCIDRMaskSizes }: ClusterConfig): string[] {
  return clusterCIDRs.flatMap((range) => {
    const { family, prefix } = parseCidr(range);
    const share = nodeCIDRMaskSizes[family];
    const name = family === 'ipv4' ? 'nodeMaskIPv4' : 'nodeMaskIPv6';
    return share < prefix
      ? [`${name} ${share} is wider than clusterCIDRs ${range}: use ${prefix} or more`]
      : [];
  });
}

function listDnsMistakes({ dnsIPs, serviceCIDRs }: ClusterConfig): string[] {
  return dnsIPs
    .filter((ip) => !serviceCIDRs.some((range) => overlaps(ip, range)))
    .map((ip) => `dnsIPs ${ip} is outside serviceCIDRs ${serviceCIDRs.join(', ')}: take an address inside`);
}
