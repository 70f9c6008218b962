import ipaddr from 'ipaddr.js';
import type { ClusterConfig } from './config.ts';

/** An address as a number, and how many bits its family has. */
interface Span {
  readonly first: bigint;
  readonly last: bigint;
  readonly bits: 32 | 128;
}

function toBigInt(bytes: readonly number[]): bigint {
  return bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}

function spanOf(range: string): Span {
  const [address, length] = ipaddr.parseCIDR(range.includes('/') ? range : `${range}/${bitsOf(range)}`);
  const bits = address.kind() === 'ipv4' ? 32 : 128;
  const first = toBigInt(address.toByteArray());
  return { first, last: first | ((1n << BigInt(bits - length)) - 1n), bits };
}

function bitsOf(address: string): 32 | 128 {
  return address.includes(':') ? 128 : 32;
}

/** Whether two ranges or addresses share at least one address. */
export function overlaps(left: string, right: string): boolean {
  const [a, b] = [spanOf(left), spanOf(right)];
  return a.bits === b.bits && a.first <= b.last && b.first <= a.last;
}

/** The n-th address of a range; `10.96.0.0/16`, 10 → `10.96.0.10`. */
export function addressAt(range: string, index: number): string {
  const { first, bits } = spanOf(range);
  const value = first + BigInt(index);
  const bytes = Array.from({ length: bits / 8 }, (_, i) =>
    Number((value >> BigInt(bits - 8 - 8 * i)) & 0xffn),
  );
  return ipaddr.fromByteArray(bytes).toString();
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
    ...listFamilyMistakes(cluster),
    ...listShareMistakes(cluster),
    ...listDnsMistakes(cluster),
  ];
}

function listFamilyMistakes({ clusterCIDRs, serviceCIDRs }: ClusterConfig): string[] {
  const families = (ranges: readonly string[]): string => ranges.map(bitsOfRange).join();
  if (clusterCIDRs.length === 0) return ['clusterCIDRs is empty: give one range for each address family'];
  if (families(clusterCIDRs) !== families(serviceCIDRs)) {
    return [
      'clusterCIDRs and serviceCIDRs differ in families: give both one range per family in the same order',
    ];
  }
  if (new Set(clusterCIDRs.map(bitsOfRange)).size !== clusterCIDRs.length) {
    return ['clusterCIDRs has two ranges of one family: give one range for each address family'];
  }
  return [];
}

function bitsOfRange(range: string): number {
  return bitsOf(range);
}

function listShareMistakes({ clusterCIDRs, nodeCIDRMaskSizes }: ClusterConfig): string[] {
  return clusterCIDRs.flatMap((range) => {
    const length = Number(range.split('/')[1]);
    const [name, share] =
      bitsOf(range) === 32
        ? ['nodeMaskIPv4', nodeCIDRMaskSizes.ipv4]
        : ['nodeMaskIPv6', nodeCIDRMaskSizes.ipv6];
    return share < length
      ? [`${name} ${share} is wider than clusterCIDRs ${range}: use ${length} or more`]
      : [];
  });
}

function listDnsMistakes({ dnsIPs, serviceCIDRs }: ClusterConfig): string[] {
  return dnsIPs
    .filter((ip) => !serviceCIDRs.some((range) => overlaps(ip, range)))
    .map((ip) => `dnsIPs ${ip} is outside serviceCIDRs ${serviceCIDRs.join(', ')}: take an address inside`);
}
