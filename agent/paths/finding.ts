import { familyOf } from '../../netns/ip.ts';
import { vxlanOverheadBytes } from '../../netns/vxlan-packet.ts';
import { vxlanName } from '../network/marks.ts';
import type { PathTarget } from './target.ts';

/** IPv6 is not to be had over less (RFC 8200 section 5). */
const ipv6MinimumMtu = 1280;

/** What was found out about the way to a peer's range. */
export interface PathFinding {
  readonly target: PathTarget;
  /** The longest packet that gets there; of a silent peer what it was when it answered last. */
  readonly mtu: number | undefined;
  /** How often in a row nothing at all came back. */
  readonly silences: number;
}

export function isNarrow({ target, mtu }: PathFinding): boolean {
  return mtu !== undefined && mtu < target.mtu;
}

/** What the routes to the range shall carry, where that is less than pods send. */
export function routeMtu(finding: PathFinding): number | undefined {
  if (!isNarrow(finding) || isUnusable(finding)) return undefined;
  return finding.mtu;
}

function isUnusable({ target: { family }, mtu }: PathFinding): boolean {
  return family === 'ipv6' && mtu !== undefined && mtu < ipv6MinimumMtu;
}

/** In plain words: which peer, what was measured, what was done, what a person can do. */
export function describeNarrow(finding: PathFinding): string {
  const { node, mtu: expected, way } = finding.target;
  const mtu = finding.mtu ?? 0;
  const { source, destination } = way.vxlan?.outer ?? way.ends;
  const around = way.vxlan ? vxlanOverheadBytes[familyOf(source)] : 0;
  const done = isUnusable(finding)
    ? `IPv6 needs ${ipv6MinimumMtu}`
    : `routes to it have MTU ${mtu} now, which pods are told of`;
  return (
    `packets of more than ${mtu} bytes do not reach node ${node} (pods send up to ${expected}): ${done}; ` +
    `something between ${source} and ${destination} drops what is longer than ${mtu + around} bytes: ` +
    `make it carry ${expected + around}, or set the MTU of the nodes' links to ${mtu + around}`
  );
}

export function describeSilence({ target: { node, way } }: PathFinding): string {
  const { source, destination } = way.vxlan?.outer ?? way.ends;
  const what = way.vxlan ? `UDP port ${way.vxlan.port}` : 'packets of pods';
  return (
    `node ${node} is Ready but answers no echo (ping) over the way that pods' packets take: ` +
    `let ${what} pass from ${source} to ${destination} and back, and ping to ${way.ends.destination}`
  );
}

/** @param node the peer that showed it; undefined: found switched off already */
export function describeOffload(node: string | undefined): string {
  const found =
    node === undefined
      ? `checksum offload of ${vxlanName} is switched off, as after a probe that found it broken: `
      : `checksum offload is broken: what node ${node} gets over ${vxlanName} has wrong checksums unless they are ` +
        `made in software; it is switched off for ${vxlanName} only: `;
  return (
    `${found}pods reach other nodes, but more slowly; update the driver or firmware of the network card ` +
    `(or the hypervisor), then: ethtool -K ${vxlanName} tx on`
  );
}
