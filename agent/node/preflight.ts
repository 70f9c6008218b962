import { spawnSync } from 'node:child_process';
import { accessSync, constants, readFileSync } from 'node:fs';
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import { createLink } from '../../netns/link.ts';
import type { LinkKind } from '../../netns/link.ts';
import { createNamelessNamespace } from '../../netns/namespace.ts';
import { NetlinkSocket } from '../../netns/netlink.ts';
import { AgentError, AgentErrors } from '../agent-error.ts';
import type { AgentConfig } from '../config/config.ts';
import { programPath } from '../program-path.ts';

/** Programs the agent runs, and the Debian packages that bring them. */
const packages = { runc: 'runc', conmon: 'conmon', nft: 'nftables', 'iptables-restore': 'iptables' } as const;

type Program = keyof typeof packages;

/**
 * Looks for everything that would keep the agent from working on this machine.
 * Throws {@link AgentErrors} with all of it, each with its remedy.
 */
export async function checkAgentNeeds(config: AgentConfig): Promise<void> {
  const errors = [
    ...listMissingRoot(),
    ...listMissing(config.backend),
    ...(await listBusyPorts([
      { name: 'agentPort', port: config.port },
      { name: 'healthPort', port: config.healthPort },
    ])),
    ...(await listBusyDns()),
  ];
  if (errors.length > 0) throw new AgentErrors(errors);
}

/** The programs and kernel features that are not there. */
export function listMissing(backend: AgentConfig['backend']): AgentError[] {
  return [
    ...listMissingPrograms(['runc', 'conmon', backend === 'nftables' ? 'nft' : 'iptables-restore']),
    ...listMissingFileSystems(['overlay']),
    ...listMissingLinkKinds(),
  ];
}

/** Throws {@link AgentErrors} when this process is not root. */
export function checkRoot(): void {
  const errors = listMissingRoot();
  if (errors.length > 0) throw new AgentErrors(errors);
}

function listMissingRoot(): AgentError[] {
  if (process.geteuid?.() === 0) return [];
  return [new AgentError('not-root', 'weft changes the network and must run as root', 'run it with sudo')];
}

export function listMissingPrograms(programs: readonly Program[]): AgentError[] {
  return programs
    .filter((program) => !isInPath(program))
    .map((program) => {
      const remedy = `apt-get install ${packages[program]}`;
      return new AgentError('no-program', `the program ${program} is missing`, remedy);
    });
}

function isInPath(program: string): boolean {
  return programPath.split(delimiter).some((directory) => {
    try {
      accessSync(join(directory, program), constants.X_OK);
      return true;
    } catch {
      return false; // not here: the next directory may have it
    }
  });
}

/** File systems that are neither in the kernel nor can be loaded into it. */
export function listMissingFileSystems(names: readonly string[]): AgentError[] {
  return names
    .filter((name) => !isKnownFileSystem(name))
    .filter((name) => spawnSync('modprobe', ['-q', name]).status !== 0 || !isKnownFileSystem(name))
    .map((name) => {
      const remedy = `modprobe ${name}, or boot a kernel that has it (Debian's has)`;
      return new AgentError('no-kernel-feature', `the kernel lacks the ${name} file system`, remedy);
    });
}

function isKnownFileSystem(name: string): boolean {
  return readFileSync('/proc/filesystems', 'utf8')
    .split('\n')
    .some((line) => line.endsWith(`\t${name}`));
}

/** What the agent makes of each kind of link, with values that harm nobody. */
const linkKinds: readonly LinkKind[] = [
  { kind: 'bridge' },
  { kind: 'veth', peer: { name: 'probe-peer' } },
  { kind: 'vxlan', vxlan: { vni: 1, port: 8472, local: '127.0.0.1' } },
];

/** Kinds of links the kernel cannot make, found by making them in a namespace of their own. */
function listMissingLinkKinds(): AgentError[] {
  // Without root there is a namespace less to make them in, and one mistake more to tell of already.
  if (process.geteuid?.() !== 0) return [];
  using undo = new DisposableStack();
  const namespace = undo.use(createNamelessNamespace());
  const socket = undo.use(new NetlinkSocket({ namespace }));
  const refusals = socket.attempt(linkKinds.map((kind, index) => createLink(`probe${index}`, kind)));
  return linkKinds.flatMap(({ kind }, index) => {
    const refusal = refusals[index];
    if (!refusal) return [];
    const remedy = `modprobe ${kind}, or boot a kernel that has it (Debian's has)`;
    return [new AgentError('no-kernel-feature', `the kernel makes no ${kind} links`, remedy, refusal)];
  });
}

/** The named ports on which somebody already listens in this network namespace. */
async function listBusyPorts(
  ports: readonly { readonly name: string; readonly port: number }[],
): Promise<AgentError[]> {
  const found = await Promise.all(ports.map(async (each) => ({ ...each, busy: await isBusy(each.port) })));
  return found
    .filter(({ busy }) => busy)
    .map(({ name, port }) => {
      const remedy = `end the program that uses it (ss -tlnp sport = :${port}), or set another ${name}`;
      return new AgentError('port-in-use', `port ${port} is in use`, remedy);
    });
}

/**
 * Somebody who answers DNS on every address leaves none for the cluster's. One on its own addresses, as
 * systemd-resolved, is no trouble: an address nobody has a reason to name is free then.
 */
async function listBusyDns(): Promise<AgentError[]> {
  const place = { host: '127.53.117.53', port: 53 };
  if (!(await isBusy(place.port, place.host)) && !(await isBusyForDatagrams(place.port, place.host)))
    return [];
  const remedy =
    'end the DNS server that uses it, or let it listen on its own addresses only (ss -lnp sport = :53)';
  return [new AgentError('port-in-use', 'port 53 is in use on every address', remedy)];
}

function isBusy(port: number, host?: string): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'EADDRINUSE'));
    server.listen({ port, ...(host !== undefined && { host }) }, () => server.close(() => resolve(false)));
  });
}

function isBusyForDatagrams(port: number, host: string): Promise<boolean> {
  const socket = createSocket('udp4');
  return new Promise((resolve) => {
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'EADDRINUSE'));
    socket.bind(port, host, () => socket.close(() => resolve(false)));
  });
}
