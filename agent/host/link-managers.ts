import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isErrno } from '../../netns/kernel-error.ts';
import { writeFileDurably } from '../durable-file.ts';
import type { Finding } from './finding.ts';

/** A program that configures the links of hosts, and would take ours for its own. */
export interface LinkManager {
  readonly name: string;
  /** Under /run: there while it runs. */
  readonly mark: string;
  /** Under /etc, with what keeps it off our links. */
  readonly files: Readonly<Record<string, string>>;
  /** Makes it read them. */
  readonly reload: readonly [program: string, ...args: string[]];
  /** Under /run: what it says of the link with this number, and how that looks when it keeps off. */
  readonly stateOf: (ifindex: number) => string;
  readonly manages: RegExp;
  /** Takes a link away from it. */
  readonly release: (link: string) => string;
}

const note =
  '# Written by weft, which removes it with `weft cleanup`: links of pods are not for others to configure.\n';

export const linkManagers: readonly LinkManager[] = [
  {
    name: 'NetworkManager',
    mark: 'NetworkManager',
    files: {
      // NetworkManager.conf(5): += adds to what other files list.
      'NetworkManager/conf.d/90-weft.conf': `${note}[keyfile]\nunmanaged-devices+=interface-name:weft*\n`,
    },
    reload: ['nmcli', 'general', 'reload', 'conf'],
    stateOf: (ifindex) => `NetworkManager/devices/${ifindex}`,
    manages: /^managed=true$/m,
    release: (link) => `nmcli general reload conf && nmcli device set ${link} managed no`,
  },
  {
    name: 'systemd-networkd',
    mark: 'systemd/netif',
    files: {
      'systemd/network/10-weft.network': `${note}[Match]\nName=weft*\n\n[Link]\nUnmanaged=yes\n`,
      // udev would give links without a file the machine's own MAC addresses and other names (systemd.link(5)).
      'systemd/network/10-weft.link': `${note}[Match]\nOriginalName=weft*\n\n[Link]\nNamePolicy=keep\nMACAddressPolicy=none\n`,
      // The ways to peers by direct routes are on links that it does manage; read at its next start.
      'systemd/networkd.conf.d/90-weft.conf': `${note}[Network]\nManageForeignRoutes=no\n`,
    },
    reload: ['networkctl', 'reload'],
    stateOf: (ifindex) => `systemd/netif/links/${ifindex}`,
    manages: /^ADMIN_STATE=(?!unmanaged$)/m,
    release: (link) => `networkctl reload && networkctl reconfigure ${link}`,
  },
];

/** Where configuration and states are; tests hand in their own. */
export interface HostDirectories {
  readonly etc: string;
  readonly run: string;
}

export const hostDirectories: HostDirectories = { etc: '/etc', run: '/run' };

/** Those that run here. */
export function listRunningManagers({ run }: HostDirectories): LinkManager[] {
  return linkManagers.filter(({ mark }) => existsSync(join(run, mark)));
}

/** Writes the files that keep a manager off our links. Returns whether any was not there as it shall be. */
export function installFiles({ files }: LinkManager, { etc }: HostDirectories): boolean {
  const missing = Object.entries(files).filter(([path, text]) => readOrNothing(join(etc, path)) !== text);
  for (const [path, text] of missing) {
    mkdirSync(dirname(join(etc, path)), { recursive: true });
    writeFileDurably(join(etc, path), text, 0o644);
  }
  return missing.length > 0;
}

/** Takes the files away again; returns the managers that had some. */
export function removeFiles({ etc }: HostDirectories): LinkManager[] {
  return linkManagers.filter(({ files }) => {
    const present = Object.keys(files).filter((path) => existsSync(join(etc, path)));
    for (const path of present) rmSync(join(etc, path), { force: true });
    return present.length > 0;
  });
}

/** Which of our links a manager has taken, and what to do about it. */
export function checkLinks(
  links: readonly { readonly name: string; readonly ifindex: number }[],
  directories: HostDirectories,
): Finding[] {
  const managers = listRunningManagers(directories);
  const taken = managers.flatMap((manager) =>
    links.flatMap(({ name, ifindex }): Finding[] => {
      const state = readOrNothing(join(directories.run, manager.stateOf(ifindex)));
      if (state === undefined || !manager.manages.test(state)) return [];
      const found = `${manager.name} manages the link ${name}, and may take its addresses and routes away`;
      return [{ check: 'links', state: 'trouble', found, remedy: manager.release(name) }];
    }),
  );
  if (taken.length > 0) return taken;
  const names = managers.map(({ name }) => name).join(' and ');
  const found =
    names === ''
      ? 'nobody manages the links of this host'
      : `${names} ${managers.length === 1 ? 'keeps' : 'keep'} off the links of pods`;
  return [{ check: 'links', state: 'well', found }];
}

function readOrNothing(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}
