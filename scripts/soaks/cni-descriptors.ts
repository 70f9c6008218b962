import { apiPort } from '../../agent/lab/lab-plan.ts';
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

/** Where Linux begins by default to choose ports for clients (net.ipv4.ip_local_port_range). */
const firstEphemeralPort = 32_768;
/** A connection to the API: clients keep as many as they have requests and watches, and some for a while. */
export const apiConnection = `socket tcp ${apiPort}`;

/**
 * What a process holds open, each by its kind: the path of a file, `net` for a namespace, `socket unix`; `socket` alone
 * is one in another network namespace than the process's own. TCP's say which well-known port they are about, at either
 * end: `socket tcp 6443`. Nothing: no process.
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
        .map((line): [string, string] => {
          const fields = line.trim().split(/\s+/);
          return [fields[column] ?? '', table.startsWith('tcp') ? nameConnection(fields) : table];
        }),
    ),
  );
}

/** Of a line of /proc/net/tcp: both ends are `ADDRESS:PORT`, in hexadecimal. */
function nameConnection([, local = '', remote = '']: readonly string[]): string {
  const ports = [local, remote].map((end) => Number.parseInt(end.split(':')[1] ?? '', 16));
  const known = ports.filter((port) => port > 0 && port < firstEphemeralPort);
  return ['tcp', ...known].join(' ');
}
