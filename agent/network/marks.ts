import { createHash } from 'node:crypto';
import { deriveMac } from '../../netns/mac.ts';
import type { Link } from '../../netns/link.ts';
import type { Ownership } from '../../netns/state.ts';

/** The names and marks by which what is ours is known in the kernel. */
export const bridgeName = 'weft0';
export const vxlanName = 'weft-vxlan';
/** The interface inside a pod. */
export const podLinkName = 'eth0';
/** rtm_protocol of our routes; also marks addresses and neighbours. */
export const protocol = 117;
/** Links of this group and alias are on their way out. */
export const goneGroup = 117117;
export const goneAlias = 'weft:gone';

/** On a Node object: how it is reached, whatever its own and the others' settings say. */
export const modeAnnotation = 'weft/network-mode';
/** On a Node object, by its agent: how its vxlan device listens ({@link renderTunnel}). */
export const vxlanAnnotation = 'weft/vxlan';

export const bridgeAlias = 'weft:bridge';
export const vxlanAlias = 'weft:vxlan';
const podAliasPrefix = 'weft:pod:';
const limiterAliasPrefix = 'weft:limit:';

export const ownership: Ownership = {
  protocol,
  ownsLink: ({ alias }) =>
    alias === bridgeAlias ||
    alias === vxlanAlias ||
    alias.startsWith(podAliasPrefix) ||
    alias.startsWith(limiterAliasPrefix),
};

/** The alias of the node's end of an attachment's veth. The kernel takes less than 256 bytes (IFALIASZ). */
export function podAlias(id: string): string {
  return podAliasPrefix + shorten(id);
}

/** The id of the attachment whose veth this is the node's end of (a hash of one too long), or undefined. */
export function podOfLink({ alias }: Link): string | undefined {
  return alias.startsWith(podAliasPrefix) ? alias.slice(podAliasPrefix.length) : undefined;
}

/** The id of the attachment that what is sent waits for in this link (a hash of one too long), or undefined. */
export function podOfLimiter({ alias }: Link): string | undefined {
  return alias.startsWith(limiterAliasPrefix) ? alias.slice(limiterAliasPrefix.length) : undefined;
}

/** The name of the node's end of an attachment's veth: 15 bytes are all that the kernel allows. */
export function podHostLinkName(id: string): string {
  return `weft${digest(id).slice(0, 11)}`;
}

/** The name of a link on its way out whose own name is wanted again. */
export function goneLinkName(ifindex: number): string {
  return `weft-gone${ifindex.toString(36)}`;
}

/** The name of the link (an ifb) in which what an attachment sends waits for its limit. */
export function limiterName(id: string): string {
  return `weft-${digest(id).slice(0, 10)}`;
}

export function limiterAlias(id: string): string {
  return limiterAliasPrefix + shorten(id);
}

/** The name of the network namespace that is made for an attachment that brings none. */
export function podNamespaceName(id: string): string {
  return `weft-${shorten(id)}`;
}

/**
 * Hardware addresses follow from names, so that pods and peers can have static neighbours: nothing has to be
 * asked, told or waited for, and a bridge that was made anew is the one that the pods know.
 */
export function podMac(id: string): string {
  return deriveMac(`pod ${id}`);
}

export function bridgeMac(nodeName: string): string {
  return deriveMac(`bridge ${nodeName}`);
}

export function vxlanMac(nodeName: string): string {
  return deriveMac(`vxlan ${nodeName}`);
}

/** Ids are as long as those who make them like; a name in the kernel or in a directory is not. */
function shorten(id: string): string {
  return id.length <= 200 ? id : `sha256-${digest(id)}`;
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
