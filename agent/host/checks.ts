import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { listAddresses } from '../../netns/address.ts';
import { isErrno } from '../../netns/kernel-error.ts';
import { listLinks } from '../../netns/link.ts';
import type { Link } from '../../netns/link.ts';
import { NetlinkSocket } from '../../netns/netlink.ts';
import { listQdiscs } from '../../netns/traffic-control.ts';
import { ownership, podOfLink } from '../network/marks.ts';
import { programPath } from '../program-path.ts';
import type { Finding } from './finding.ts';
import { checkLinks, installFiles, listRunningManagers } from './link-managers.ts';
import type { HostDirectories, LinkManager } from './link-managers.ts';

/** The links that pods' packets pass: the one with the node's address, undefined while none has it, and our own. */
export interface PassedLinks {
  readonly underlay: string | undefined;
  readonly ours: readonly Link[];
  /** All links of the host. */
  readonly all: readonly Link[];
}

export function readLinks(nodeIP: string | undefined): PassedLinks {
  using socket = new NetlinkSocket();
  const { ifindex } = listAddresses(socket).find(({ address }) => address === nodeIP) ?? {};
  const links = listLinks(socket);
  return {
    underlay: links.find((link) => link.ifindex === ifindex)?.name,
    ours: links.filter((link) => ownership.ownsLink(link)),
    all: links,
  };
}

/**
 * Looks who else configures our links. With `mend`, first writes the files that keep managers of links off them.
 * Managers only see the links of the network namespace that the machine started in.
 */
export function checkLinkManagers(
  directories: HostDirectories,
  { mend }: { readonly mend: boolean },
): Finding[] {
  if (!isFirstNamespace()) {
    const found = 'links of this network namespace are out of reach of NetworkManager and systemd-networkd';
    return [{ check: 'links', state: 'well', found }];
  }
  const written = mend
    ? listRunningManagers(directories).filter((manager) => installFiles(manager, directories))
    : [];
  for (const manager of written) reloadManager(manager);
  const mended = written.map(({ name, files }): Finding => ({
    check: 'links',
    state: 'mended',
    found: `${name} runs here: told to keep off the links of pods (${Object.keys(files)
      .map((path) => `/etc/${path}`)
      .join(', ')})`,
  }));
  return [...mended, ...checkLinks(listOwnLinks(), directories)];
}

/** Whether there is a filter point for the source guard at the node's end of each pod's link. */
export function checkGuards(): Finding[] {
  using socket = new NetlinkSocket();
  const points = new Set(
    listQdiscs(socket).flatMap(({ kind, ifindex }) => (kind === 'clsact' ? [ifindex] : [])),
  );
  const links = listLinks(socket).filter((link) => podOfLink(link) !== undefined);
  const open = links.filter(({ ifindex }) => !points.has(ifindex));
  if (open.length === 0)
    return [{ check: 'guard', state: 'well', found: 'no pod can send with another’s addresses' }];
  const found = `${open.length} of ${links.length} pods can send with the addresses of others: their links have no guard`;
  const remedy =
    'modprobe sch_ingress cls_bpf, or install the package of the kernel’s other modules; a running agent then mends it';
  return [{ check: 'guard', state: 'trouble', found, remedy }];
}

/** One that has no program to tell it reads its files at its next start. */
export function reloadManager({ reload: [program, ...args] }: LinkManager): void {
  spawnSync(program, args, { env: { ...process.env, PATH: programPath }, timeout: 5_000 });
}

function listOwnLinks(): Link[] {
  using socket = new NetlinkSocket();
  return listLinks(socket).filter((link) => ownership.ownsLink(link));
}

function isFirstNamespace(): boolean {
  try {
    return statSync('/proc/1/ns/net').ino === statSync('/proc/thread-self/ns/net').ino;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'EACCES')) return false;
    throw error;
  }
}
