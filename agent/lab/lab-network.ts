import { ensureAddress } from '../../netns/address.ts';
import { isErrno } from '../../netns/kernel-error.ts';
import { createLink, findLink, getLink, removeLink, setLink } from '../../netns/link.ts';
import type { Link } from '../../netns/link.ts';
import {
  createNamespace,
  listNamespaces,
  openNamespace,
  removeNamespace,
  runInNamespace,
} from '../../netns/namespace.ts';
import type { NamespaceHandle } from '../../netns/namespace.ts';
import { NetlinkSocket } from '../../netns/netlink.ts';
import { replaceRoute } from '../../netns/route.ts';
import { writeSysctl } from '../../netns/sysctl.ts';
import { labPrefixes, listHosts } from './lab-plan.ts';
import type { LabHost, LabPlan } from './lab-plan.ts';

/** rtm_protocol of routes that an administrator set (linux/rtnetlink.h, RTPROT_STATIC): not the agent's own. */
const RTPROT_STATIC = 4;
const bridgeName = 'switch';

/**
 * Makes the lab's namespaces and wires them: a bridge in the switch namespace, one veth to each host's eth0.
 * What is there already stays; what is half-made is made whole. Returns the hosts whose namespace had to be made.
 */
export function ensureLabNetwork(plan: LabPlan): LabHost[] {
  const made = listHosts(plan).filter((host) => !isThere(host.namespace));
  using stack = new DisposableStack();
  const hub = stack.use(ensureNamespace(plan.switchNamespace));
  const socket = stack.use(new NetlinkSocket({ namespace: hub }));
  quietenIpv6(hub);
  const bridge = ensureBridge(socket);
  for (const host of listHosts(plan)) {
    using namespace = ensureNamespace(host.namespace);
    ensureCable(socket, bridge, host, namespace);
    configureHost(host, namespace, plan);
  }
  return made;
}

/** Whether a namespace of this name is a host or the switch of the lab. */
export function isLabNamespace(lab: string, namespace: string): boolean {
  const prefix = `weft-${lab}-`;
  return namespace.startsWith(prefix) && /^(switch|outside|node\d+)$/.test(namespace.slice(prefix.length));
}

/** Removes the lab's namespaces and with them every link, route and rule in them. */
export function removeLabNetwork(lab: string): void {
  const ours = listNamespaces().filter((namespace) => isLabNamespace(lab, namespace));
  for (const namespace of ours) removeNamespace(namespace);
}

/** Opens the namespace, or makes it. */
function ensureNamespace(name: string): NamespaceHandle {
  if (isThere(name)) return openNamespace(name);
  removeNamespace(name);
  return createNamespace(name);
}

/** Whether there is a namespace behind the name: after a reboot or a crash there may be a mere file. */
function isThere(name: string): boolean {
  if (!listNamespaces(name).includes(name)) return false;
  try {
    runInNamespace(name, () => undefined);
    return true;
  } catch (error) {
    if (isErrno(error, 'EINVAL')) return false;
    throw error;
  }
}

/** A switch has no addresses of its own, so that no packet of its own disturbs a measurement. */
function quietenIpv6(hub: NamespaceHandle): void {
  runInNamespace(hub, () => {
    for (const which of ['all', 'default'])
      writeSysctl({ name: `net/ipv6/conf/${which}/disable_ipv6`, value: '1' });
  });
}

function ensureBridge(socket: NetlinkSocket): Link {
  if (!findLink(socket, bridgeName)) {
    socket.request([createLink(bridgeName, { kind: 'bridge' })]);
    socket.request([setLink(bridgeName, { alias: 'weft:lab' })]);
  }
  socket.request([setLink(bridgeName, { up: true })]);
  return getLink(socket, bridgeName);
}

/** The veth between the switch and a host: both ends are made at once, each in its namespace. */
function ensureCable(socket: NetlinkSocket, bridge: Link, host: LabHost, namespace: NamespaceHandle): void {
  using inside = new NetlinkSocket({ namespace });
  const port = findLink(socket, host.name);
  const card = findLink(inside, 'eth0');
  if (port && card?.peer !== port.ifindex) socket.request([removeLink(port.ifindex)]);
  if (!port || card?.peer !== port.ifindex) {
    const peer = { name: 'eth0', namespaceFd: namespace.fd };
    socket.request([createLink(host.name, { kind: 'veth', peer }, { up: true, master: bridge.ifindex })]);
  }
  socket.request([setLink(host.name, { up: true, master: bridge.ifindex })]);
}

/** Gives a host its addresses and its default routes. */
function configureHost(host: LabHost, namespace: NamespaceHandle, plan: LabPlan): void {
  runInNamespace(namespace, () => {
    // Each namespace has its own; a fresh one does not forward, whatever the machine does.
    writeSysctl({ name: 'net/ipv4/ip_forward', value: '1' });
    writeSysctl({ name: 'net/ipv6/conf/all/forwarding', value: '1' });
  });
  using socket = new NetlinkSocket({ namespace });
  const { ifindex } = getLink(socket, 'eth0');
  socket.request([
    setLink('lo', { up: true }),
    setLink(ifindex, { up: true }),
    ...host.addresses.map((address, index) =>
      ensureAddress({ ifindex, address, prefix: labPrefixes[index] ?? 128, protocol: 0, passive: false }),
    ),
  ]);
  if (host === plan.outside) return;
  socket.request(
    plan.outside.addresses.map((gateway) =>
      replaceRoute({
        destination: gateway.includes(':') ? '::/0' : '0.0.0.0/0',
        ifindex,
        gateway,
        onlink: false,
        protocol: RTPROT_STATIC,
      }),
    ),
  );
}
