/**
 * A host whose links NetworkManager configures, run as the first process of namespaces of its own. Prints as JSON what
 * became of our links and of somebody else's: before weft has told it to keep off, afterwards, and after its restart.
 */
import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { checkLinkManagers } from '../../../agent/host/checks.ts';
import { hostDirectories, removeFiles } from '../../../agent/host/link-managers.ts';
import { ownership } from '../../../agent/network/marks.ts';
import { ensureState } from '../../../netns/apply.ts';
import { NetlinkSocket } from '../../../netns/netlink.ts';
import { renderPackagedRoot } from '../../../scripts/soaks/packaged-host.ts';

/** Shell for a pair of links that is up. */
function connect(link: string): string {
  return `ip link add ${link} type veth peer name ${link}p && ip link set ${link} up && ip link set ${link}p up`;
}

function connectPod(link: string): string {
  return `ip link add ${link} type veth peer name ${link}p netns pod
ip link set ${link} alias weft:pod:${link} addrgenmode none && ip link set ${link} up && ip -n pod link set ${link}p up`;
}

/** As the agent makes them: the node's bridge with its address, a pod's link without even a link-local one. */
const setup = `
# Without udev a link is only looked at where /sys is read-only, as in containers.
mount -t sysfs -o ro sysfs /sys
ip link set lo up
ip netns add pod
ip link add weft0 type bridge && ip link set weft0 alias weft:bridge addrgenmode none && ip link set weft0 up
ip address add 10.244.1.1/24 dev weft0
${connectPod('wefta')}
${connect('theirs')}
`;

const ours = ['weft0', 'wefta'];

function sh(command: string): string {
  return execFileSync('sh', ['-ec', command], { encoding: 'utf8' }).trim();
}

/** What NetworkManager says of each link: `weft0 unmanaged`. */
function states(): string[] {
  return sh('nmcli -t -f DEVICE,STATE device').split('\n').sort();
}

const isTaken = (link: string): boolean =>
  states().some(
    (line) => line.startsWith(`${link}:`) && !/:(unmanaged|unavailable|disconnected)$/.test(line),
  );
const addressesOf = (link: string): string => sh(`ip -br address show ${link}`).replaceAll(/\s+/g, ' ');

async function eventually(what: string, condition: () => boolean): Promise<void> {
  for (let tries = 0; !attempt(condition); tries += 1) {
    if (tries === 100) throw new Error(`never: ${what}: ${sh('nmcli device; ip -br address')}`);
    await sleep(100);
  }
}

/** It does not answer before it has looked round. */
function attempt(condition: () => boolean): boolean {
  try {
    return condition();
  } catch {
    return false; // nmcli says by its exit code that nobody answers
  }
}

async function startManager(): Promise<ChildProcess> {
  const child = spawn('NetworkManager', ['--debug', '--log-level=ERR'], { stdio: 'ignore' });
  await eventually('NetworkManager has taken a link', () => isTaken('theirs'));
  return child;
}

function mendLinks(): void {
  const links = [
    { name: 'wefta', alias: 'weft:pod:wefta', kind: 'veth', up: true, mtu: 1500, linkLocal: false },
  ] as const;
  using socket = new NetlinkSocket();
  const rest = { addresses: [], routes: [], neighbors: [], fdb: [], sysctls: [] };
  ensureState(socket, { links, ...rest }, ownership, { prune: false });
}

const look = (mend: boolean): string[] =>
  checkLinkManagers(hostDirectories, { mend }).map(({ state, found, remedy = '' }) =>
    [state, found, remedy].join(' | '),
  );

sh(renderPackagedRoot());
sh(setup);
const manager = await startManager();
await eventually('it has taken ours', () => ours.every(isTaken));
await eventually('it has configured a pod’s link', () => addressesOf('wefta').includes('fe80'));
const before = look(false);
const told = look(true);
await eventually('it keeps off', () => !ours.some(isTaken));
await eventually('it says so', () => look(true).every((line) => line.startsWith('well')));
// What it lets go of it takes down first: the agent's next pass over the network, told by the kernel, does this.
mendLinks();
const after = { found: look(true), states: states(), addresses: ours.map(addressesOf) };

const gone = new Promise((resolve) => manager.once('exit', resolve));
manager.kill('SIGTERM');
await gone;
sh(`ip link del wefta\n${connectPod('wefta')}`);
const second = await startManager();
// One that comes while it runs.
sh(`${connectPod('weftb')}\n${connect('theirs2')}`);
await eventually('it has taken another of theirs', () => isTaken('theirs2'));
const restarted = {
  found: look(true),
  states: states(),
  addresses: [...ours, 'weftb'].map(addressesOf),
};
const removed = removeFiles(hostDirectories).map(({ name }) => name);
second.kill('SIGKILL');
process.stdout.write(JSON.stringify({ before, told, after, restarted, removed }));
