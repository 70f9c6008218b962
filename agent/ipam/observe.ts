import { existsSync } from 'node:fs';
import { listAddresses } from '../../netns/address.ts';
import { listLinks } from '../../netns/link.ts';
import { openNamespace } from '../../netns/namespace.ts';
import { NetlinkSocket } from '../../netns/netlink.ts';
import { podOfLink } from '../network/marks.ts';
import { isNamespace } from '../network/pod-namespace.ts';
import type { AuditFacts, FoundNamespace } from './audit.ts';
import type { ListedLease } from './lease-list.ts';

/** What this node's kernel has of leases, whoever runs. */
export function observeKernel(leases: readonly ListedLease[]): Pick<AuditFacts, 'links' | 'namespaces'> {
  using socket = new NetlinkSocket();
  return {
    links: listLinks(socket)
      .filter((link) => podOfLink(link) !== undefined)
      .map(({ name, alias, up }) => ({ name, alias, up })),
    namespaces: new Map(leases.map(({ id, netns }) => [id, lookInto(netns)])),
  };
}

function lookInto(path: string): FoundNamespace {
  if (!isNamespace(path)) return existsSync(path) ? 'no namespace' : 'nothing';
  using namespace = openNamespace(path);
  using inside = new NetlinkSocket({ namespace });
  const addresses = listAddresses(inside);
  return new Map(
    listLinks(inside).map(({ name, ifindex }) => [
      name,
      addresses.filter((each) => each.ifindex === ifindex).map(({ address }) => address),
    ]),
  );
}
