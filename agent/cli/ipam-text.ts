import type { Difference } from '../ipam/audit.ts';
import type { LeaseList, ListedLease } from '../ipam/lease-list.ts';

const heads = ['ADDRESSES', 'ID', 'POD', 'CONTAINER', 'INTERFACE', 'NAMESPACE', 'SINCE', 'BOOT'] as const;

/** All leases of a node as a table, and the addresses that rest. */
export function renderLeases({ leases, resting }: LeaseList, now: number): string {
  const rows = [heads, ...leases.map(toRow)];
  const widths = heads.map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  const lines = rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '));
  const restingLines = resting.map(
    ({ address, until }) => `${address} rests for another ${Math.ceil((until - now) / 1000)} s`,
  );
  return [...lines, ...restingLines].map((line) => `${line.trimEnd()}\n`).join('');
}

function toRow({ id, ips, pod, cni, ifname, netns, since, isStale }: ListedLease): string[] {
  return [
    ips.join(','),
    id,
    pod ? `${pod.namespace}/${pod.name}` : '-',
    cni?.containerId ?? '-',
    ifname,
    netns,
    since === undefined ? '-' : `${new Date(since).toISOString().slice(0, 19)}Z`,
    isStale ? 'earlier' : 'this',
  ];
}

/** One line for each difference, with what to do about it. */
export function renderDifferences(differences: readonly Difference[], leases: number): string {
  if (differences.length === 0)
    return `${leases} leases: kernel and API agree with ${leases === 1 ? 'it' : 'them'}\n`;
  return differences.map(({ found, remedy }) => `${found}: ${remedy}\n`).join('');
}
