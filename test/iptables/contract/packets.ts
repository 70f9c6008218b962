import { encodeIp } from '../../../netns/ip.ts';
import { addresses } from '../network.ts';
import type { FamilyName, Place, TestNetwork } from '../network.ts';

/** IANA protocol numbers. */
const numbers = { icmp: 1, tcp: 6, icmpv6: 58, sctp: 132 } as const;

/** The Internet checksum (RFC 1071). */
function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2)
    sum += at + 1 < bytes.length ? bytes.readUInt16BE(at) : (bytes[at] ?? 0) << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** One ICMP echo request (RFC 792; RFC 4443, 4.1, where the kernel computes the checksum). */
export function sendEcho(network: TestNetwork, from: Place, family: FamilyName, to: string): void {
  const packet = Buffer.from([family === 'ipv4' ? 8 : 128, 0, 0, 0, 0, 1, 0, 1]);
  if (family === 'ipv4') packet.writeUInt16BE(checksum(packet), 2);
  network.sendRaw(
    from,
    addresses[family][from],
    to,
    family === 'ipv4' ? numbers.icmp : numbers.icmpv6,
    packet,
  );
}

interface Segment {
  readonly source: string;
  readonly sourcePort: number;
  readonly to: string;
  readonly port: number;
  readonly sequence: number;
}

/** One TCP acknowledgement without data (RFC 9293, 3.1), its checksum right: only its numbers can be wrong. */
export function sendSegment(network: TestNetwork, from: Place, segment: Segment): void {
  const header = Buffer.alloc(20);
  header.writeUInt16BE(segment.sourcePort, 0);
  header.writeUInt16BE(segment.port, 2);
  header.writeUInt32BE(segment.sequence, 4);
  header.writeUInt8(5 << 4, 12);
  header.writeUInt8(0x10, 13);
  header.writeUInt16BE(1024, 14);
  // The pseudo header's words sum up alike in both families (RFC 9293, 3.1; RFC 8200, 8.1).
  const pseudo = Buffer.concat([
    encodeIp(segment.source),
    encodeIp(segment.to),
    Buffer.of(0, numbers.tcp, 0, header.length),
  ]);
  header.writeUInt16BE(checksum(Buffer.concat([pseudo, header])), 16);
  network.sendRaw(from, segment.source, segment.to, numbers.tcp, header);
}

/** CRC-32C (RFC 9260, appendix A), bit by bit. */
function crc32c(bytes: Buffer): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f6_3b78 : 0);
  }
  return ~crc >>> 0;
}

/** One SCTP INIT (RFC 9260, 3.3.2): this kernel may have no SCTP sockets, its rules and its tracking know it all the same. */
export function sendSctpInit(
  network: TestNetwork,
  from: Place,
  family: FamilyName,
  to: string,
  port: number,
): void {
  const packet = Buffer.alloc(12 + 20);
  packet.writeUInt16BE(40_000 + Math.floor(Math.random() * 20_000), 0);
  packet.writeUInt16BE(port, 2);
  packet.writeUInt8(1, 12);
  packet.writeUInt16BE(20, 14);
  packet.writeUInt32BE(0x5eed, 16);
  packet.writeUInt32BE(65_536, 20);
  packet.writeUInt16BE(1, 24);
  packet.writeUInt16BE(1, 26);
  packet.writeUInt32BE(1, 28);
  packet.writeUInt32LE(crc32c(packet), 8);
  network.sendRaw(from, addresses[family][from], to, numbers.sctp, packet);
}

/** Packets that come to a place, counted by a table of the test's own before anything is rewritten or dropped. */
export class PacketWatch implements AsyncDisposable {
  readonly #network: TestNetwork;
  readonly #place: Place;
  readonly #table: string;

  private constructor(network: TestNetwork, place: Place, table: string) {
    this.#network = network;
    this.#place = place;
    this.#table = table;
  }

  /** Counts what any of `matches` (nft expressions) matches. At the priority of raw tables or, to see connections' states, behind their tracking. */
  static async start(
    network: TestNetwork,
    place: Place,
    matches: readonly string[],
    priority: 'raw' | 'filter' = 'raw',
  ): Promise<PacketWatch> {
    const table = `watch${String(watches++)}`;
    const rules = matches.map((match) => `${match} counter;`).join(' ');
    const hook = `type filter hook prerouting priority ${priority};`;
    await network.exec(place, 'nft', `table inet ${table} { chain c { ${hook} ${rules} }; }`);
    return new PacketWatch(network, place, table);
  }

  async count(): Promise<number> {
    const list = await this.#network.exec(this.#place, 'nft', 'list', 'table', 'inet', this.#table);
    return [...list.matchAll(/counter packets (\d+)/g)].reduce((sum, [, count]) => sum + Number(count), 0);
  }

  /** Waits until it has seen so many; the test's own time limit is the only one. */
  async until(count: number): Promise<void> {
    while ((await this.count()) < count) await new Promise((resolve) => setTimeout(resolve, 20));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#network.exec(this.#place, 'nft', 'delete', 'table', 'inet', this.#table);
  }
}

let watches = 0;
