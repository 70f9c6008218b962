import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { decodeEchoReply, echoTypes, encodeEchoRequest } from './echo.ts';
import type { EthernetHeader } from './ethernet.ts';
import type { Family } from './ip.ts';
import { families, familyOf } from './ip.ts';
import type { Ends } from './ip-packet.ts';
import { encodeIpPacket, encodeUdp, IPPROTO_UDP } from './ip-packet.ts';
import { isErrno } from './kernel-error.ts';
import * as sockets from './socket.ts';
import { close } from './libc.ts';
import { decodePort, encodeInetAddress } from './sockaddr.ts';
import { NeighborSender } from './neighbor-sender.ts';
import type { NeighborWay } from './neighbor-sender.ts';
import { encodeVxlan } from './vxlan-packet.ts';
import { WatchedSocket } from './watched-socket.ts';

/** linux/in.h, linux/in6.h: never fragment, and send what the link takes, whatever is known of the path. */
const discovery: Readonly<Record<Family, { readonly level: number; readonly option: number }>> = {
  ipv4: { level: sockets.SOL_IP, option: 10 },
  ipv6: { level: sockets.IPPROTO_IPV6, option: 23 },
};
const PMTUDISC_PROBE = 3;
/** linux/in.h: what is sent has its IP header, and nothing is received. */
const IPPROTO_RAW = 255;
/** Where traceroute looks for nobody: a host that gets a whole datagram there answers that the port is closed. */
const closedPort = 33434;
/** All of a packet that a reply is known by. */
const receivedBytes = 128;
const repliesPerTurn = 64;
/** Connection tracking remembers an echo for 30 s (nf_conntrack_icmp_timeout). */
const announcedMs = 10_000;
/** Nobody waits for its answer. */
const unheededSequence = 0;
/** A packet that cannot be sent comes back as little as one that is lost. */
const unsendable = [
  'EMSGSIZE',
  'ENETUNREACH',
  'EHOSTUNREACH',
  'ENETDOWN',
  'EADDRNOTAVAIL',
  'ENODEV',
  'ENXIO',
  'ENOBUFS',
  'EAGAIN',
  'EACCES',
  'EPERM',
];

/** How a packet gets into a vxlan on its own, past the device: so its datagram can be one that nobody may fragment. */
export interface VxlanWay {
  readonly vni: number;
  readonly port: number;
  /** The datagram's own ends: two nodes. */
  readonly outer: Ends;
  readonly macs: Pick<EthernetHeader, 'source' | 'destination'>;
}

/** Where a probe goes: from an address of this host to one whose host answers by itself, in its kernel. */
export interface ProbeWay {
  readonly ends: Ends;
  /** Without either: as the routes lead. */
  readonly vxlan?: VxlanWay;
  /** To whom the packet is handed on its way. */
  readonly neighbor?: NeighborWay;
}

/**
 * Asks other hosts' kernels whether packets reach them, in the namespace the thread is in when it is made. Nothing
 * has to run on the other side.
 */
export class PathProber implements Disposable {
  readonly #sockets = new Map<Family, WatchedSocket>();
  readonly #identifier = randomInt(0x10000);
  readonly #waiting = new Map<number, () => void>();
  /** When what goes from one address to another past the routes was announced last. */
  readonly #announced = new Map<string, number>();
  #neighbors: NeighborSender | undefined;
  #sequence = 0;
  #closed = false;

  /** Milliseconds until an echo of a packet of so many bytes came back, never fragmented on its way there. */
  async echo(way: ProbeWay, packetBytes: number, timeoutMs: number): Promise<number | undefined> {
    if (this.#closed) return undefined;
    const family = familyOf(way.ends.source);
    const socket = this.#socket(family);
    const sequence = (this.#sequence = (this.#sequence % 0xffff) + 1);
    const mark = { identifier: this.#identifier, sequence };
    const answered = Promise.withResolvers<true>();
    this.#waiting.set(sequence, () => answered.resolve(true));
    const start = performance.now();
    try {
      const message = encodeEchoRequest(way.ends, mark, packetBytes);
      if (!sendUnlessRefused(() => this.#send(socket.fd, way, message))) return undefined;
      const inTime = await within(answered.promise, timeoutMs, () => this.#drain(family));
      return inTime ? performance.now() - start : undefined;
    } finally {
      this.#waiting.delete(sequence);
    }
  }

  /**
   * Whether a UDP datagram to a closed port is answered: only one that arrives with a right checksum is.
   * @param offloaded whether the link it goes out by makes the checksum, as for all that the host sends, or we do
   */
  async datagram({ source, destination }: Ends, offloaded: boolean, timeoutMs: number): Promise<boolean> {
    if (this.#closed) return false;
    const fd = sockets.open(families[familyOf(source)].number, sockets.SOCK_DGRAM | sockets.SOCK_NONBLOCK);
    const refused = Promise.withResolvers<true>();
    const look = (): void => {
      if (isRefused(fd)) refused.resolve(true);
    };
    using _ = new WatchedSocket(fd, look);
    const sent = sendUnlessRefused(() => {
      sockets.bind(fd, encodeInetAddress(source, 0), source);
      sockets.connect(fd, encodeInetAddress(destination, closedPort), destination);
      const data = Buffer.alloc(64, 'weft');
      if (offloaded) sockets.send(fd, data);
      else sendWhole({ source, destination }, decodePort(sockets.getsockname(fd)), data);
    });
    return sent && (await within(refused.promise, timeoutMs, look));
  }

  /** Whoever waits or asks from now on gets no answer. */
  close(): void {
    this.#closed = true;
    for (const socket of this.#sockets.values()) socket.close();
    this.#sockets.clear();
    this.#neighbors?.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #socket(family: Family): WatchedSocket {
    const present = this.#sockets.get(family);
    if (present) return present;
    const socket = new WatchedSocket(openEchoSocket(family), () => this.#drain(family));
    this.#sockets.set(family, socket);
    return socket;
  }

  /** @returns false when there is nobody to hand it to */
  #send(fd: number, { ends, vxlan, neighbor }: ProbeWay, message: Buffer): boolean {
    if (!vxlan && !neighbor) return sockets.sendTo(fd, message, encodeInetAddress(ends.destination, 0)) > 0;
    const family = familyOf(ends.source);
    this.#announce(fd, ends);
    const packet = encodeIpPacket(ends, echoTypes[family].protocol, message);
    if (neighbor) return (this.#neighbors ??= new NeighborSender()).send(neighbor, family, packet);
    if (vxlan) sendByVxlan(vxlan, ends, packet);
    return true;
  }

  /**
   * Connection tracking does not see a packet that goes past the routes, and firewalls (our own rules among them) drop
   * answers to what nobody asked (INVALID): one that goes as the routes lead, of the same identifier, stands for it.
   */
  #announce(fd: number, ends: Ends): void {
    const [key, nowMs] = [`${ends.source} ${ends.destination}`, performance.now()];
    if (nowMs - (this.#announced.get(key) ?? -Infinity) < announcedMs) return;
    this.#announced.set(key, nowMs);
    const mark = { identifier: this.#identifier, sequence: unheededSequence };
    const message = encodeEchoRequest(ends, mark, 0);
    sendUnlessRefused(() => sockets.sendTo(fd, message, encodeInetAddress(ends.destination, 0)));
  }

  #drain(family: Family): void {
    const socket = this.#sockets.get(family);
    const buffer = Buffer.alloc(receivedBytes);
    for (let count = 0; socket?.open === true && count < repliesPerTurn; count += 1) {
      const length = sockets.recv(socket.fd, buffer, sockets.MSG_DONTWAIT);
      if (length === undefined) return;
      const mark = decodeEchoReply(family, buffer.subarray(0, length));
      if (mark?.identifier === this.#identifier) this.#waiting.get(mark.sequence)?.();
    }
  }
}

/** Takes echo replies only: a host's other ICMP messages are nothing to wake up for. */
function openEchoSocket(family: Family): number {
  const { protocol, reply } = echoTypes[family];
  const fd = sockets.open(families[family].number, sockets.SOCK_RAW | sockets.SOCK_NONBLOCK, protocol);
  using undo = new DisposableStack();
  undo.defer(() => close(fd));
  const at = family === 'ipv4' ? 20 : 0;
  sockets.setFilter(fd, [
    { code: 0x30, value: at }, // BPF_LD|BPF_B|BPF_ABS: the message's type
    { code: 0x15, value: reply, jumpFalse: 1 }, // BPF_JMP|BPF_JEQ
    { code: 0x06, value: 0xffff }, // BPF_RET
    { code: 0x06, value: 0 },
  ]);
  sockets.setsockopt(fd, discovery[family].level, discovery[family].option, PMTUDISC_PROBE);
  undo.move();
  return fd;
}

function sendByVxlan({ outer, ...vxlan }: VxlanWay, ends: Ends, packet: Buffer): void {
  const family = familyOf(outer.source);
  const datagram = encodeVxlan(vxlan.vni, vxlan.macs, { source: ends.source, packet });
  const carrier = sockets.open(families[family].number, sockets.SOCK_DGRAM | sockets.SOCK_NONBLOCK);
  try {
    sockets.setsockopt(carrier, discovery[family].level, discovery[family].option, PMTUDISC_PROBE);
    sockets.bind(carrier, encodeInetAddress(outer.source, 0), outer.source);
    sockets.sendTo(carrier, datagram, encodeInetAddress(outer.destination, vxlan.port));
  } finally {
    close(carrier);
  }
}

/** Sends what needs no checksum of anybody's any more. An answer finds the socket that has the port. */
function sendWhole(ends: Ends, port: number, data: Buffer): void {
  const packet = encodeIpPacket(ends, IPPROTO_UDP, encodeUdp(ends, [port, closedPort], data));
  const fd = sockets.open(families[familyOf(ends.source)].number, sockets.SOCK_RAW, IPPROTO_RAW);
  try {
    sockets.sendTo(fd, packet, encodeInetAddress(ends.destination, 0));
  } finally {
    close(fd);
  }
}

/** Whether an ICMP error came in answer to what the connected socket sent. */
function isRefused(fd: number): boolean {
  try {
    sockets.recv(fd, Buffer.alloc(1), sockets.MSG_DONTWAIT);
    return false;
  } catch (error) {
    // A firewall that refuses aloud has checked the checksum as well.
    if (isErrno(error, 'ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'EACCES')) return true;
    throw error;
  }
}

/** @param send may say by false that it has not sent */
function sendUnlessRefused(send: () => unknown): boolean {
  try {
    return send() !== false;
  } catch (error) {
    if (isErrno(error, ...unsendable)) return false;
    throw error;
  }
}

/** Whether it happened in time. A busy event loop lets timers go first: `look` reads what has come meanwhile. */
async function within(happened: Promise<true>, ms: number, look: () => void): Promise<boolean> {
  const timer = new AbortController();
  const late = sleep(ms, false, { signal: timer.signal, ref: false }).then(
    () => {
      look();
      return Promise.race([happened, Promise.resolve(false)]);
    },
    () => false,
  );
  const inTime = await Promise.race([happened, late]);
  timer.abort();
  return inTime;
}
