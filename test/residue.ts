import { execFileSync } from 'node:child_process';
import { existsSync, globSync, readFileSync, readdirSync, readlinkSync } from 'node:fs';

/** What a test or a lab could leave behind on the machine, as sorted lines per aspect. */
export type MachineState = Readonly<Record<string, readonly string[]>>;

/**
 * Reads the machine's links, addresses, routes, rules, mounts, namespaces, processes, cgroups and files with
 * the tools an operator would use, never with weft's own readers.
 */
export function readMachineState(): MachineState {
  return {
    links: ipLines('link', 'show'),
    addresses: ipLines('address', 'show'),
    routes: [...ipLines('-4', 'route', 'show', 'table', 'all'), ...ipLines('-6', 'route', 'show', 'table', 'all')],
    rules: nftLines(),
    mounts: readFileSync('/proc/self/mountinfo', 'utf8').trim().split('\n').map(mountLine).sort(),
    processes: processLines(),
    cgroups: globSync('/sys/fs/cgroup/**/*weft*').sort(),
    files: ['/run/weft', '/run/netns', '/var/lib/weft', '/run/runc', '/etc/weft', '/run/xtables.lock'].flatMap(listFiles).sort(),
  };
}

/** The lines in which two states differ, prefixed with their aspect and `+` or `-`; none when all is as before. */
export function diffMachineState(before: MachineState, after: MachineState): string[] {
  return Object.keys(before).flatMap((aspect) => {
    const old = before[aspect] ?? [];
    const now = after[aspect] ?? [];
    return [
      ...now.filter((line) => !old.includes(line)).map((line) => `${aspect}: + ${line}`),
      ...old.filter((line) => !now.includes(line)).map((line) => `${aspect}: - ${line}`),
    ];
  });
}

/** Lifetimes, counters and states that move by themselves say nothing about residue. */
const moving = new Set(['valid_life_time', 'preferred_life_time', 'expires', 'metrics', 'txqlen']);

function ipLines(...args: string[]): string[] {
  const parsed = JSON.parse(execFileSync('ip', ['-j', ...args], { encoding: 'utf8' }) || '[]') as unknown[];
  return parsed.map((entry) => JSON.stringify(entry, (key, value: unknown) => (moving.has(key) ? undefined : value))).sort();
}

function nftLines(): string[] {
  const { nftables } = JSON.parse(execFileSync('nft', ['-j', 'list', 'ruleset'], { encoding: 'utf8' })) as {
    nftables: Record<string, unknown>[];
  };
  return nftables.filter((entry) => !('metainfo' in entry)).map((entry) => JSON.stringify(entry));
}

/** Mount ids change; what is mounted where does not. */
function mountLine(line: string): string {
  return line.split(' ').slice(3).join(' ');
}

/** Processes that weft or its tests start; the machine's others come and go as they like. */
function processLines(): string[] {
  const ours = /^(weft|conmon|runc|nginx|sleep|dnsmasq|kdig|dig)/;
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
        const executable = readlinkSync(`/proc/${pid}/exe`).split('/').at(-1) ?? '';
        return ours.test(executable) || /weft(\.js)? |agent\/main\.ts/.test(command) ? [`${pid} ${command}`] : [];
      } catch {
        return []; // it ended while we looked, or is a kernel thread
      }
    })
    .sort();
}

function listFiles(path: string): string[] {
  if (!existsSync(path)) return [];
  return [path, ...globSync(`${path}/**/*`)];
}
