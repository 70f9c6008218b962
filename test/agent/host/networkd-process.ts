/**
 * A host on which systemd-networkd configures every link, run as the first process of namespaces of its own. Prints what
 * became of ours as JSON: before weft has told it to keep off, after it, and what was left of that at the end.
 */
import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { checkLinkManagers } from '../../../agent/host/checks.ts';
import type { Finding } from '../../../agent/host/finding.ts';
import { hostDirectories, removeFiles } from '../../../agent/host/link-managers.ts';

const setup = `
mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /etc/systemd && mkdir -p /etc/systemd/network
# Without udev a link never becomes ready for networkd, unless /sys is read-only, as in containers.
mount -t sysfs -o ro sysfs /sys
mkdir -p /run/systemd/netif/links /run/systemd/netif/leases /run/systemd/netif/lldp
chown -R systemd-network /run/systemd/netif
ip link set lo up
ip link add weft0 type bridge && ip link set weft0 up && ip link set weft0 alias weft:bridge
ip link add theirs type bridge && ip link set theirs up
`;

const states = '/run/systemd/netif/links';

/** Whether networkd has decided about a link; one without carrier is never wholly configured. */
function isSettled(link: string): boolean {
  const path = `${states}/${readFileSync(`/sys/class/net/${link}/ifindex`, 'utf8').trim()}`;
  return (
    existsSync(path) && /^ADMIN_STATE=(configuring|configured|unmanaged)$/m.test(readFileSync(path, 'utf8'))
  );
}

/** @param configured the links that it is to give its address */
async function startNetworkd(configured: readonly string[]): Promise<ChildProcess> {
  for (const name of readdirSync(states)) execFileSync('rm', [`${states}/${name}`]);
  const child = spawn('/lib/systemd/systemd-networkd', { stdio: 'ignore' });
  for (
    let tries = 0;
    !isSettled('weft0') || !configured.every((link) => addressesOf(link).includes('192.0.2.9'));
    tries += 1
  ) {
    if (tries === 100) throw new Error(execFileSync('sh', ['-c', `cat ${states}/*`], { encoding: 'utf8' }));
    await sleep(100);
  }
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
}

function addressesOf(link: string): string {
  return execFileSync('ip', ['-4', '-br', 'address', 'show', link], { encoding: 'utf8' });
}

execFileSync('sh', ['-ec', setup]);
writeFileSync('/etc/systemd/network/50-all.network', '[Match]\nName=*\n\n[Network]\nAddress=192.0.2.9/24\n');
const files = (): string[] =>
  execFileSync('find', ['/etc/systemd', '-name', '*weft*'], { encoding: 'utf8' }).split('\n');
const look = (mend: boolean): Finding[] => checkLinkManagers(hostDirectories, { mend });

let networkd = await startNetworkd(['weft0', 'theirs']);
const before = { findings: look(false), addresses: addressesOf('weft0') };
const told = look(true);
await end(networkd);
for (const link of ['weft0', 'theirs']) execFileSync('ip', ['address', 'flush', 'dev', link]);
networkd = await startNetworkd(['theirs']);
const after = { findings: look(true), addresses: addressesOf('weft0'), theirs: addressesOf('theirs') };
await end(networkd);
const written = files();
removeFiles(hostDirectories);
process.stdout.write(JSON.stringify({ before, told, after, written, left: files() }));
