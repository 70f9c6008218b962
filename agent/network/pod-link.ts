import { ensureAddress } from '../../netns/address.ts';
import { families, familyOf } from '../../netns/ip.ts';
import { isErrno } from '../../netns/kernel-error.ts';
import type { Link } from '../../netns/link.ts';
import { createLink, getLink, removeLink, removeLinkGroup, setLink } from '../../netns/link.ts';
import type { NamespaceHandle } from '../../netns/namespace.ts';
import { createNamespace, namespacePath, openNamespace, removeNamespace } from '../../netns/namespace.ts';
import { ensureNeighbor, removeNeighbor } from '../../netns/neighbor.ts';
import { NetlinkSocket } from '../../netns/netlink.ts';
import { replaceRoute } from '../../netns/route.ts';
import type { PodPlan } from './view.ts';
import * as marks from './marks.ts';

/** All that one pod's link needs. */
export interface PodLinkOptions {
  readonly uid: string;
  readonly ips: readonly string[];
  readonly plan: PodPlan;
}

/**
 * Makes a pod's namespace and connects it, or completes what is there. Synchronous, so nobody sees it half done.
 * @returns the namespace's path
 * @throws KernelError; a namespace made for it is gone again
 */
export function ensurePodLink(socket: NetlinkSocket, options: PodLinkOptions): string {
  const { uid, ips } = options;
  const name = marks.podNamespaceName(uid);
  using undo = new DisposableStack();
  const { namespace, created } = ensureNamespace(name);
  if (created) undo.defer(() => removeNamespace(name));
  using _ = namespace;
  using inside = new NetlinkSocket({ namespace });
  const bridge = getLink(socket, marks.bridgeName);
  ensureVeth(socket, inside, namespace, options, bridge);
  configureInside(inside, options);
  const neighbor = { ifindex: bridge.ifindex, mac: marks.podMac(uid), protocol: marks.protocol };
  socket.request(ips.map((address) => ensureNeighbor({ ...neighbor, address })));
  undo.move();
  return namespacePath(name);
}

/**
 * Takes a pod's link out of service at once. To remove it takes the kernel 20–30 ms (it waits for readers, RCU):
 * the link goes into a group whose links are removed together, later ({@link removeRetiredLinks}).
 */
export function retirePodLink(socket: NetlinkSocket, uid: string, ips: readonly string[]): void {
  const link = findLink(socket, marks.podHostLinkName(uid));
  const bridge = findLink(socket, marks.bridgeName);
  const gone = { up: false, master: 0, group: marks.goneGroup, alias: marks.goneAlias };
  const neighbor = { mac: marks.podMac(uid), protocol: marks.protocol };
  const errors = socket.attempt([
    ...(link && marks.podOfLink(link) === uid ? [setLink(link.ifindex, gone)] : []),
    ...(bridge
      ? ips.map((address) => removeNeighbor({ ...neighbor, address, ifindex: bridge.ifindex }))
      : []),
  ]);
  // The link may have gone with the pod's namespace just now, the neighbours with the bridge.
  const error = errors.find((answer) => answer !== undefined && !isErrno(answer, 'ENODEV', 'ENOENT'));
  if (error) throw error;
}

/** Removes the links that were retired and did not go with their namespaces. */
export function removeRetiredLinks(socket: NetlinkSocket): void {
  const [error] = socket.attempt([removeLinkGroup(marks.goneGroup)]);
  if (error && error.code !== 'ENODEV') throw error;
}

function ensureNamespace(name: string): { readonly namespace: NamespaceHandle; readonly created: boolean } {
  try {
    return { namespace: createNamespace(name), created: true };
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw error;
  }
  const namespace = openNamespace(name);
  try {
    // A file without a namespace behind it is what a crash between the two leaves.
    new NetlinkSocket({ namespace }).close();
    return { namespace, created: false };
  } catch (error) {
    namespace.close();
    if (!isErrno(error, 'EINVAL')) throw error;
    removeNamespace(name);
    return { namespace: createNamespace(name), created: true };
  }
}

function ensureVeth(
  socket: NetlinkSocket,
  inside: NetlinkSocket,
  namespace: NamespaceHandle,
  { uid, plan: { mtu } }: PodLinkOptions,
  { ifindex: master }: Link,
): void {
  const name = marks.podHostLinkName(uid);
  const present = findLink(socket, name);
  const whole = present !== undefined && findLink(inside, marks.podLinkName) !== undefined;
  // Half of a pair, or one that leads into a namespace that is gone.
  if (present && !whole) socket.request([removeLink(present.ifindex)]);
  const peer = { name: marks.podLinkName, mac: marks.podMac(uid), mtu, namespaceFd: namespace.fd };
  const settings = { alias: marks.podAlias(uid), group: 0, master, mtu };
  socket.request([
    // The peer is born inside the pod: a pair made here and moved takes ten times as long.
    ...(whole ? [] : [createLink(name, { kind: 'veth', peer }, { mtu, master })]),
    setLink(name, { ...settings, linkLocal: false }),
    setLink(name, { isolated: true, up: true }),
  ]);
}

function configureInside(inside: NetlinkSocket, { ips, plan }: PodLinkOptions): void {
  inside.request([
    setLink('lo', { up: true }),
    setLink(marks.podLinkName, { linkLocal: false, mtu: plan.mtu }),
    setLink(marks.podLinkName, { up: true }),
  ]);
  const { ifindex } = getLink(inside, marks.podLinkName);
  const { protocol } = marks;
  inside.request(
    ips.flatMap((address) => {
      const family = familyOf(address);
      const gateway = plan.ranges.find((range) => range.family === family)?.gateway;
      if (gateway === undefined) return [];
      const { bits } = families[family];
      const destination = family === 'ipv4' ? '0.0.0.0/0' : '::/0';
      return [
        // Alone in its prefix, with nothing but a default route: every packet goes to the node.
        ensureAddress({ ifindex, address, prefix: bits, protocol, passive: false }),
        ensureNeighbor({ ifindex, address: gateway, mac: plan.bridgeMac, protocol }),
        replaceRoute({ destination, ifindex, gateway, onlink: true, protocol }),
      ];
    }),
  );
}

function findLink(socket: NetlinkSocket, name: string): Link | undefined {
  try {
    return getLink(socket, name);
  } catch (error) {
    if (isErrno(error, 'ENODEV')) return undefined;
    throw error;
  }
}
