import { readFileSync, readdirSync, readlinkSync } from 'node:fs';

/** Kinds of sockets by their tables in /proc/PID/net, and the column of each where the inode's number is. */
const socketTables = {
  tcp: 9,
  tcp6: 9,
  udp: 9,
  udp6: 9,
  raw: 9,
  raw6: 9,
  packet: 8,
  netlink: 9,
  unix: 6,
} as const;

/**
 * What a process holds open, each by its kind: the path of a file, `net` for a namespace, `socket unix`; `socket` alone
 * is one in another network namespace than the process's own. Connections by TCP, of which clients of the API keep as
 * many as they like, are left out. Nothing: no process.
 */
export function readDescriptors(pid: number | undefined): string[] {
  if (pid === undefined) return [];
  const kinds = readSocketKinds(pid);
  const directory = `/proc/${pid}/fd`;
  return readdirSync(directory).flatMap((fd) => {
    try {
      const link = readlinkSync(`${directory}/${fd}`);
      const [, kind = link, inode = ''] = /^(\w+):\[(\d+)\]$/.exec(link) ?? [];
      const table = kind === 'socket' ? kinds.get(inode) : undefined;
      if (table?.startsWith('tcp')) return [];
      return [table === undefined ? kind : `socket ${table}`];
    } catch {
      return []; // closed while we looked
    }
  });
}

/** By inode. */
function readSocketKinds(pid: number): Map<string, string> {
  return new Map(
    Object.entries(socketTables).flatMap(([table, column]) =>
      readFileSync(`/proc/${pid}/net/${table}`, 'utf8')
        .trim()
        .split('\n')
        .slice(1)
        .map((line): [string, string] => [line.trim().split(/\s+/)[column] ?? '', table]),
    ),
  );
}
