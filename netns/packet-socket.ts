import * as libc from './libc.ts';
import type { FilterInstruction } from './libc.ts';
import { encodeIp } from './ip.ts';
import { isErrno } from './kernel-error.ts';
import { encodeLinkAddress } from './sockaddr.ts';

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
  readonly #fd: number;
  readonly #onFrame: (frame: Buffer) => void;
  readonly #buffer = Buffer.allocUnsafe(frameBytes);
  #stopPolling: () => void;
  #open = true;

  /** @throws KernelError ENODEV when the link is gone */
  constructor({ ifindex, etherType, filter, onFrame }: PacketSocketOptions) {
    this.#onFrame = onFrame;
    // Of protocol 0 it receives nothing until it is bound: no frame of another link comes first.
    this.#fd = libc.socket(libc.AF_PACKET, libc.SOCK_RAW | libc.SOCK_NONBLOCK, 0);
    using undo = new DisposableStack();
    undo.defer(() => libc.close(this.#fd));
    libc.setsockopt(this.#fd, libc.SOL_PACKET, libc.PACKET_IGNORE_OUTGOING, 1);
    if (filter) libc.setFilter(this.#fd, filter);
    libc.bind(this.#fd, encodeLinkAddress(ifindex, etherType), `link ${ifindex}`);
    this.#stopPolling = this.#poll();
    undo.move();
  }

  /** @throws KernelError ENETDOWN, ENXIO or ENOBUFS when the link does not take it */
  send(frame: Uint8Array): void {
    libc.send(this.#fd, frame);
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#stopPolling();
    libc.close(this.#fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #poll(): () => void {
    return libc.pollReadable(
      this.#fd,
      () => this.#drain(),
      () => {
        // A link that goes down is told as an error of the socket; when it comes up again the socket goes on.
        this.#stopPolling();
        this.#drain();
        this.#stopPolling = this.#poll();
      },
    );
  }

  #drain(): void {
    for (let count = 0; this.#open && count < framesPerTurn; count += 1) {
      let length: number | undefined;
      try {
        length = libc.recv(this.#fd, this.#buffer, libc.MSG_DONTWAIT);
      } catch (error) {
        if (!isErrno(error, 'ENETDOWN')) throw error;
        continue;
      }
      if (length === undefined) return;
      this.#onFrame(this.#buffer.subarray(0, length));
    }
  }
}

/** Membership in IPv6 multicast groups of one link: the card and switches that snoop (MLD) then deliver them. */
export class GroupMembership implements Disposable {
  readonly #fd = libc.socket(libc.AF_INET6, libc.SOCK_DGRAM);
  readonly #ifindex: number;
  readonly #groups = new Set<string>();
  #open = true;

  constructor(ifindex: number) {
    this.#ifindex = ifindex;
  }

  /** Joins those of `groups` it is not in and leaves all others. @throws KernelError ENODEV when the link is gone */
  set(groups: ReadonlySet<string>): void {
    for (const group of groups.difference(this.#groups)) {
      libc.setMembership(this.#fd, true, encodeIp(group), this.#ifindex);
      this.#groups.add(group);
    }
    for (const group of this.#groups.difference(groups)) {
      libc.setMembership(this.#fd, false, encodeIp(group), this.#ifindex);
      this.#groups.delete(group);
    }
  }

  close(): void {
    if (this.#open) libc.close(this.#fd);
    this.#open = false;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
