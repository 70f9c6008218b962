import { readFileSync } from 'node:fs';

import { isErrno } from '../netns/kernel-error.ts';
import * as sockets from '../netns/socket.ts';
import { close } from '../netns/libc.ts';
import { families } from './family.ts';
import type { Family, FamilyTraits } from './family.ts';

/** Socket domain and option level of each family's tables; linux/netfilter_ipv4/ip_tables.h and ip6_tables.h. */
const doors: Readonly<Record<Family, { readonly domain: number; readonly level: number }>> = {
  ipv4: { domain: sockets.AF_INET, level: sockets.SOL_IP },
  ipv6: { domain: sockets.AF_INET6, level: sockets.IPPROTO_IPV6 },
};

/** IPT_SO_GET_INFO and IP6T_SO_GET_INFO. */
const GET_INFO = 64;
/** struct ipt_getinfo: the table's name, its hooks, the offsets of 5 chains and of their ends, entries, bytes. */
const infoBytes = 32 + 4 * (1 + 5 + 5 + 1 + 1);
const nameBytes = 32;
const IPPROTO_RAW = 255;

/** The tables of the legacy interface that this network namespace has: asking for any other would create it. */
export function listLegacyTables({ legacyTables }: FamilyTraits): string[] {
  try {
    // The kernel lists them in the order in which they were made.
    return readFileSync(legacyTables, 'utf8').split('\n').filter(Boolean).sort();
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
}

/**
 * What the legacy interface tells about its tables without listing them (some 50 µs): how many entries and bytes, and
 * where the kernel's chains begin and end. Equal texts mean that nobody added or removed a rule or flushed a chain; a
 * rule replaced by another of the same size does not show. Empty when nobody uses the legacy interface here.
 * @throws KernelError EPERM without CAP_NET_ADMIN
 */
export function readLegacyCounters(): string {
  const lines: string[] = [];
  for (const traits of families) {
    const tables = listLegacyTables(traits);
    if (tables.length === 0) continue;
    const { domain, level } = doors[traits.family];
    const fd = sockets.open(domain, sockets.SOCK_RAW, IPPROTO_RAW);
    try {
      for (const table of tables) lines.push(`${traits.command} ${table} ${readInfo(fd, level, table)}`);
    } finally {
      close(fd);
    }
  }
  return lines.join('\n');
}

function readInfo(fd: number, level: number, table: string): string {
  const info = Buffer.alloc(infoBytes);
  info.write(table, 0, nameBytes - 1, 'latin1');
  sockets.getsockopt(fd, level, GET_INFO, info, `table ${table}`);
  return info.subarray(nameBytes).toString('hex');
}
