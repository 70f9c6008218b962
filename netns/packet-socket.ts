import { close } from 'node:fs';
import type { FilterInstruction } from './bpf.ts';
import * as libc from './libc.ts';
import * as sockets from './socket.ts';
import { encodeIp } from './ip.ts';
import { isErrno } from './kernel-error.ts';
import type { NamespaceHandle } from './namespace.ts';
import { runInNamespace } from './namespace.ts';
import { encodeLinkAddress } from './sockaddr.ts';
import { WatchedSocket } from './watched-socket.ts';

/** The longest frame that anybody asks for here: ARP and neighbour discovery are far shorter. */
const frameBytes = 2048;
/** One turn takes so many frames at most: a flood must not keep the event loop from its timers. */
const framesPerTurn = 64;

export interface PacketSocketOptions {
  readonly ifindex: number;
  /** Which frames to receive: an ETH_P_… of ethernet.ts. */
  readonly etherType: number;
  /** Classic BPF: which of them. */
  readonly filter?: readonly FilterInstruction[];
  /** One received frame with its Ethernet header; valid only during the call. Never one that this host sent. */
  readonly onFrame: (frame: Buffer) => void;
}

/** Sends and receives whole Ethernet frames on one link (packet(7)), in the namespace the thread is in when it is made. */
export class PacketSocket implements Disposable {
  readonly #socket: WatchedSocket;
  readonly #onFrame: (frame: Buffer) => void;
  readonly #buffer = Buffer.allocUnsafe(frameBytes);

  /** @throws KernelError ENODEV when the link is gone */
  constructor({ ifindex, etherType, filter, onFrame }: PacketSocketOptions) {
    this.#onFrame = onFrame;
    // Of protocol 0 it receives nothing until it is bound: no frame of another link comes first.
    const fd = sockets.open(sockets.AF_PACKET, sockets.SOCK_RAW | sockets.SOCK_NONBLOCK, 0);
    using undo = new DisposableStack();
    undo.defer(() => libc.close(fd));
    sockets.setsockopt(fd, sockets.SOL_PACKET, sockets.PACKET_IGNORE_OUTGOING, 1);
    if (filter) sockets.setFilter(fd, filter);
    sockets.bind(fd, encodeLinkAddress(ifindex, etherType), `link ${ifindex}`);
    this.#socket = new WatchedSocket(fd, () => this.#drain());
    undo.move();
  }

  /** @throws KernelError ENETDOWN, ENXIO or ENOBUFS when the link does not take it */
  send(frame: Uint8Array): void {
    sockets.send(this.#socket.fd, frame);
  }

  close(): void {
    this.#socket.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #drain(): void {
    for (let count = 0; this.#socket.open && count < framesPerTurn; count += 1) {
      let length: number | undefined;
      try {
        length = sockets.recv(this.#socket.fd, this.#buffer, sockets.MSG_DONTWAIT);
      } catch (error) {
        if (!isErrno(error, 'ENETDOWN')) throw error;
        continue;
      }
      if (length === undefined) return;
      this.#onFrame(this.#buffer.subarray(0, length));
    }
  }
}

/**
 * Sends frames on a link of a namespace. The socket ends some time later: to close one of AF_PACKET the kernel waits for
 * all readers of its protocols (RCU, 10–20 ms), which nobody here has to.
 * @throws KernelError ENETDOWN, ENXIO, ENOBUFS
 */
export function sendFrames(namespace: NamespaceHandle, ifindex: number, frames: readonly Uint8Array[]): void {
  const fd = runInNamespace(namespace, () => sockets.open(sockets.AF_PACKET, sockets.SOCK_RAW, 0));
  try {
    // Of protocol 0: it is never given anything.
    sockets.bind(fd, encodeLinkAddress(ifindex, 0), `link ${ifindex}`);
    for (const frame of frames) sockets.send(fd, frame);
  } finally {
    closeLater(fd);
  }
}

/** One at a time: the threads that close them do the disk's work as well. */
let closing = Promise.resolve();

function closeLater(fd: number): void {
  closing = closing.then(() => new Promise((resolve) => close(fd, () => resolve())));
}

/** The kernel has memory for so many memberships of one socket (net.core.optmem_max: 20 KiB at least, 56 bytes each). */
const groupsPerSocket = 256;

interface GroupSocket {
  readonly fd: number;
  readonly groups: Set<string>;
}

/** Membership in IPv6 multicast groups of one link: the card and switches that snoop (MLD) then deliver them. */
export class GroupMembership implements Disposable {
  readonly #ifindex: number;
  readonly #sockets: GroupSocket[] = [];
  /** By which socket a group was joined. */
  readonly #groups = new Map<string, GroupSocket>();

  constructor(ifindex: number) {
    this.#ifindex = ifindex;
  }

  /** Joins those of `groups` it is not in and leaves all others. @throws KernelError ENODEV when the link is gone */
  set(groups: ReadonlySet<string>): void {
    for (const [group, socket] of this.#groups) {
      if (groups.has(group)) continue;
      sockets.setMembership(socket.fd, false, encodeIp(group), this.#ifindex);
      socket.groups.delete(group);
      this.#groups.delete(group);
    }
    for (const group of groups) {
      if (this.#groups.has(group)) continue;
      const socket = this.#findRoom();
      sockets.setMembership(socket.fd, true, encodeIp(group), this.#ifindex);
      socket.groups.add(group);
      this.#groups.set(group, socket);
    }
  }

  close(): void {
    for (const { fd } of this.#sockets.splice(0)) libc.close(fd);
    this.#groups.clear();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #findRoom(): GroupSocket {
    const roomy = this.#sockets.find(({ groups }) => groups.size < groupsPerSocket);
    if (roomy) return roomy;
    const socket = { fd: sockets.open(sockets.AF_INET6, sockets.SOCK_DGRAM), groups: new Set<string>() };
    this.#sockets.push(socket);
    return socket;
  }
}
