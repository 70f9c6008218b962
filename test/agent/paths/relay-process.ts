/**
 * A network between nodes that can be told to be a bad one, as a process: takes frames off each link of its namespace
 * and sends them out by all others. What a frame that never left the kernel lacks, its checksums, it makes itself, as
 * a network card does; a spoiling one makes those of the vxlan's datagrams only, not of the packets in them.
 */
import { getLink } from '../../../netns/link.ts';
import { internetChecksum, pseudoHeader } from '../../../netns/internet-checksum.ts';
import { decodeIp } from '../../../netns/ip.ts';
import { NetlinkSocket } from '../../../netns/netlink.ts';
import { PacketSocket } from '../../../netns/packet-socket.ts';

export interface RelayMood {
  /** Drops longer IP packets, and tells nobody. */
  readonly mtu?: number;
  readonly spoils?: boolean;
}

const vxlanPort = 8472;
const ethernetBytes = 14;
const [TCP, UDP] = [6, 17];
const ETH_P_ALL = 3;

let mood: RelayMood = {};

/** Where a packet's transport begins, what it is, and between whom; undefined for one of no interest here. */
function parse(packet: Buffer) {
  const version = (packet[0] ?? 0) >> 4;
  if (version === 4) {
    const isFragment = (packet.readUInt16BE(6) & 0x3fff) !== 0;
    if (isFragment) return undefined;
    const at = ((packet[0] ?? 0) & 0x0f) * 4;
    const [source, destination] = [packet.subarray(12, 16), packet.subarray(16, 20)];
    return { at, end: packet.readUInt16BE(2), protocol: packet[9] ?? 0, source, destination };
  }
  if (version !== 6) return undefined;
  const [source, destination] = [packet.subarray(8, 24), packet.subarray(24, 40)];
  return { at: 40, end: 40 + packet.readUInt16BE(4), protocol: packet[6] ?? 0, source, destination };
}

/** Writes the checksums of a packet, and of the one in it. */
function complete(packet: Buffer): void {
  const parsed = parse(packet);
  if (!parsed || (parsed.protocol !== TCP && parsed.protocol !== UDP)) return;
  const message = packet.subarray(parsed.at, parsed.end);
  const isVxlan = parsed.protocol === UDP && message.readUInt16BE(2) === vxlanPort;
  if (isVxlan && mood.spoils !== true) complete(message.subarray(8 + 8 + ethernetBytes));
  const at = parsed.protocol === TCP ? 16 : 6;
  message.writeUInt16BE(0, at);
  const [source, destination] = [decodeIp(parsed.source), decodeIp(parsed.destination)];
  const head = pseudoHeader(source, destination, parsed.protocol, message.length);
  message.writeUInt16BE(internetChecksum(head, message) || 0xffff, at);
}

using netlink = new NetlinkSocket();
const sockets: PacketSocket[] = [];
for (const name of process.argv.slice(2)) {
  const socket: PacketSocket = new PacketSocket({
    ifindex: getLink(netlink, name).ifindex,
    etherType: ETH_P_ALL,
    onFrame(frame) {
      if (frame.length - ethernetBytes > (mood.mtu ?? Infinity)) return;
      const type = frame.readUInt16BE(12);
      if (type === 0x0800 || type === 0x86dd) complete(frame.subarray(ethernetBytes));
      for (const other of sockets) if (other !== socket) other.send(frame);
    },
  });
  sockets.push(socket);
}

process.on('message', (message) => {
  mood = message as RelayMood;
  process.send?.('done');
});
process.on('disconnect', () => process.exit());
process.send?.('ready');
