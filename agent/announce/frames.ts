import { decodeArp, encodeArp, nobody } from '../../netns/arp.ts';
import { broadcastMac, decodeHeader } from '../../netns/ethernet.ts';
import { familyOf } from '../../netns/ip.ts';
import {
  allNodes,
  decodeNeighborMessage,
  encodeNeighborMessage,
  multicastMac,
  solicitedNodeGroup,
  unspecified,
} from '../../netns/neighbor-discovery.ts';

/** What a frame on the link is about. */
export type Heard =
  /** Somebody asks who has the address; `reply` answers. */
  | { readonly kind: 'question'; readonly address: string; readonly reply: Buffer }
  /** Somebody says that the address is its own. */
  | { readonly kind: 'claim'; readonly address: string; readonly mac: string };

/** Reads an ARP packet, or a neighbour solicitation or advertisement. `mac` is our own: the answer to a question. */
export function readFrame(frame: Buffer, mac: string): Heard | undefined {
  return readArp(frame, mac) ?? readNeighborMessage(frame, mac);
}

function readArp(frame: Buffer, mac: string): Heard | undefined {
  const packet = decodeArp(frame);
  // Nobody has a group's hardware address (RFC 1812 section 3.3.2): an answer to it would go to everybody.
  if (!packet || isGroup(packet.sender.mac)) return undefined;
  const { operation, sender, target } = packet;
  // One that asks for its own address announces it (RFC 5227 section 2.3); a probe has none yet and claims nothing.
  if (operation === 'request' && sender.address !== target.address) {
    const reply = encodeArp(sender.mac, {
      operation: 'reply',
      sender: { mac, address: target.address },
      target: sender,
    });
    return { kind: 'question', address: target.address, reply };
  }
  return { kind: 'claim', address: sender.address, mac: sender.mac };
}

function readNeighborMessage(frame: Buffer, mac: string): Heard | undefined {
  const message = decodeNeighborMessage(frame);
  const from = decodeHeader(frame)?.source;
  if (!message || from === undefined || isGroup(from)) return undefined;
  const { target: address } = message;
  if (message.type === 'advertisement') return { kind: 'claim', address, mac: message.linkAddress ?? from };
  // Who has no address yet is answered to everybody (RFC 4861 section 7.2.4).
  const isProbe = message.source === unspecified;
  const destination = isProbe ? allNodes : message.source;
  const reply = encodeNeighborMessage(
    { source: mac, destination: isProbe ? multicastMac(allNodes) : from },
    {
      type: 'advertisement',
      source: address,
      destination,
      target: address,
      linkAddress: mac,
      solicited: !isProbe,
      override: true,
    },
  );
  return { kind: 'question', address, reply };
}

/** IEEE 802: the first bit on the wire. */
function isGroup(mac: string): boolean {
  return (Number.parseInt(mac.slice(0, 2), 16) & 1) !== 0;
}

/**
 * The frames that tell everybody on the link that the address is here now. ARP in both its forms: some listen to
 * requests only (RFC 5227 section 3), others to replies.
 */
export function announcementsOf(address: string, mac: string): Buffer[] {
  if (familyOf(address) === 'ipv4') {
    const sender = { mac, address };
    return [
      encodeArp(broadcastMac, { operation: 'request', sender, target: { mac: nobody.mac, address } }),
      encodeArp(broadcastMac, { operation: 'reply', sender, target: sender }),
    ];
  }
  // RFC 4861 section 7.2.6: unsolicited, and to be believed.
  const message = {
    type: 'advertisement',
    source: address,
    destination: allNodes,
    target: address,
    linkAddress: mac,
    solicited: false,
    override: true,
  } as const;
  return [encodeNeighborMessage({ source: mac, destination: multicastMac(allNodes) }, message)];
}

/** Asks who has the address without saying that we do (RFC 5227 section 2.1.1, RFC 4862 section 5.4.2). */
export function probeFor(address: string, mac: string): Buffer {
  if (familyOf(address) === 'ipv4') {
    const sender = { mac, address: nobody.address };
    return encodeArp(broadcastMac, { operation: 'request', sender, target: { mac: nobody.mac, address } });
  }
  const group = solicitedNodeGroup(address);
  return encodeNeighborMessage(
    { source: mac, destination: multicastMac(group) },
    { type: 'solicitation', source: unspecified, destination: group, target: address },
  );
}
