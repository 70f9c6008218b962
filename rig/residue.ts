import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, readlinkSync } from 'node:fs';

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
    routes: [
      ...ipLines('-4', 'route', 'show', 'table', 'all'),
      ...ipLines('-6', 'route', 'show', 'table', 'all'),
    ],
    rules: nftLines(),
    mounts: readFileSync('/proc/self/mountinfo', 'utf8')
      .trim()
      .split('\n')
      .map(mountLine)
      .filter((line) => line.split(' ')[1] !== namespaceDirectory)
      .sort(),
    processes: processLines(),
    cgroups: run('find', '/sys/fs/cgroup', '-type', 'd', '-name', '*weft*').trim().split('\n').sort(),
    files: ['/run/weft', '/run/netns', '/var/lib/weft', '/run/runc', '/etc/weft', '/run/xtables.lock']
      .flatMap(listFiles)
      .filter((path) => path !== namespaceDirectory)
      .sort(),
  };
}

/** The lines in which two states differ, prefixed with their aspect and `+` or `-`; none when all is as before. */
export function diffMachineState(before: MachineState, after: MachineState): string[] {
  return Object.keys(before).flatMap((aspect) => {
    const old = new Set(before[aspect]);
    const now = new Set(after[aspect]);
    return [
      ...[...now.difference(old)].map((line) => `${aspect}: + ${line}`),
      ...[...old.difference(now)].map((line) => `${aspect}: - ${line}`),
    ];
  });
}

/** Lifetimes, counters and states that move by themselves say nothing about residue. */
const moving = new Set(['valid_life_time', 'preferred_life_time', 'expires', 'metrics', 'txqlen']);

function ipLines(...args: string[]): string[] {
  const parsed = JSON.parse(run('ip', '-j', ...args) || '[]') as unknown[];
  return parsed
    .map((entry) => JSON.stringify(entry, (key, value: unknown) => (moving.has(key) ? undefined : value)))
    .sort();
}

function nftLines(): string[] {
  const { nftables } = JSON.parse(run('nft', '-j', 'list', 'ruleset')) as {
    nftables: Record<string, unknown>[];
  };
  return nftables.filter((entry) => !('metainfo' in entry)).map((entry) => JSON.stringify(entry));
}

/**
 * The machine's one place for named namespaces, whoever makes the first: `ip netns`, too, mounts it once and leaves
 * it. What is in it counts.
 */
const namespaceDirectory = '/run/netns';

/** Mount ids change; what is mounted where does not. */
function mountLine(line: string): string {
  return line.split(' ').slice(3).join(' ');
}

/** Processes that weft or its tests start, and all in other network namespaces; the rest come and go. */
function processLines(): string[] {
  const own = readlinkSync('/proc/self/ns/net');
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
        const executable = readlinkSync(`/proc/${pid}/exe`).split('/').at(-1) ?? '';
        const ours =
          /^(conmon|runc|nginx)$/.test(executable) ||
          /\/(weft\.js|agent\/main\.ts) /.test(command) ||
          readlinkSync(`/proc/${pid}/ns/net`) !== own;
        return ours ? [`${pid} ${command}`] : [];
      } catch {
        return []; // it ended while we looked, or is a kernel thread
      }
    })
    .sort();
}

/** Without what is mounted below: a container's root shows the machine's own programs. */
function listFiles(path: string): string[] {
  if (!existsSync(path)) return [];
  return run('find', path, '-xdev').trim().split('\n');
}

/** What a program prints; what it complains of goes nowhere, as nft's warnings about tables of iptables. */
function run(file: string, ...args: string[]): string {
  return execFileSync(file, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    maxBuffer: 64 << 20,
  });
}
