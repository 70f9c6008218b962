import type { Logger } from 'pino';
import { ETH_P_ARP, ETH_P_IPV6 } from '../../netns/ethernet.ts';
import { familyOf } from '../../netns/ip.ts';
import { isErrno } from '../../netns/kernel-error.ts';
import { neighborFilter, solicitedNodeGroup } from '../../netns/neighbor-discovery.ts';
import { GroupMembership, PacketSocket } from '../../netns/packet-socket.ts';
import { announcementsOf, probeFor, readFrame } from './frames.ts';
import type { Heard } from './frames.ts';
import type { AnnouncingLink } from './links.ts';

/** When an address that was taken over is announced, after that moment: one frame may be lost, or come too early. */
const announceAfterMs = [0, 150, 1_000, 2_000, 4_000];

export interface ResponderOptions {
  /** Asked for each frame, just before it is sent. */
  readonly mayAnswer: (address: string) => boolean;
  /** Another host says that an address of ours is its own. */
  readonly onClaim: (address: string, mac: string) => void;
  /** An answer was sent. */
  readonly onAnswer: () => void;
  readonly log: Logger;
}

/** Answers on this host's links for addresses that no interface has, and tells the neighbours of them. */
export class Responder {
  readonly #options: ResponderOptions;
  readonly #segments = new Map<string, Segment>();
  /** Frames still to be sent, by address. */
  readonly #timers = new Map<string, readonly NodeJS.Timeout[]>();

  constructor(options: ResponderOptions) {
    this.#options = options;
  }

  /**
   * Listens for these addresses, each on its links, and for no others. Where one is on another link than before, or the
   * link has another hardware address, the neighbours are told.
   */
  set(addresses: ReadonlyMap<string, readonly AnnouncingLink[]>): void {
    const links = new Map<string, { link: AnnouncingLink; addresses: Set<string> }>();
    for (const [address, its] of addresses) {
      for (const link of its) {
        const entry = links.get(keyOf(link)) ?? { link, addresses: new Set() };
        links.set(keyOf(link), entry);
        entry.addresses.add(address);
      }
    }
    const before = new Set([...this.#segments.values()].flatMap((segment) => [...segment.addresses]));
    const moved = new Set<string>();
    for (const [key, segment] of this.#segments) {
      if (links.has(key)) continue;
      segment.close();
      this.#segments.delete(key);
    }
    for (const [key, { link, addresses: its }] of links) {
      const segment = this.#segments.get(key) ?? new Segment(link, this.#options);
      this.#segments.set(key, segment);
      for (const address of its) if (before.has(address) && !segment.has(address)) moved.add(address);
      segment.set(its);
    }
    for (const address of moved) this.announce(address);
  }

  /** Tells the neighbours, several times from now on, that the address is here. */
  announce(address: string): void {
    for (const timer of this.#timers.get(address) ?? []) clearTimeout(timer);
    const timers = announceAfterMs.map((ms, index) =>
      setTimeout(() => {
        if (index === announceAfterMs.length - 1) this.#timers.delete(address);
        if (this.#options.mayAnswer(address)) this.#send(address, announcementsOf);
      }, ms).unref(),
    );
    this.#timers.set(address, timers);
  }

  /** Asks whether somebody has the address. Whoever does is told of as a claim. */
  probe(address: string): void {
    this.#send(address, (each, mac) => [probeFor(each, mac)]);
  }

  close(): void {
    for (const timer of [...this.#timers.values()].flat()) clearTimeout(timer);
    this.#timers.clear();
    this.set(new Map());
  }

  #send(address: string, render: (address: string, mac: string) => Buffer[]): void {
    for (const segment of this.#segments.values()) {
      if (segment.has(address)) segment.send(address, render(address, segment.mac));
    }
  }
}

/** A link that got another hardware address is another one. */
function keyOf({ ifindex, mac }: AnnouncingLink): string {
  return `${ifindex} ${mac}`;
}

/** One link with its sockets: one for each family that has addresses on it. */
class Segment {
  readonly mac: string;
  readonly #link: AnnouncingLink;
  readonly #options: ResponderOptions;
  #addresses: ReadonlySet<string> = new Set();
  #arp: PacketSocket | undefined;
  #neighbors: { readonly socket: PacketSocket; readonly groups: GroupMembership } | undefined;

  constructor(link: AnnouncingLink, options: ResponderOptions) {
    this.#link = link;
    this.mac = link.mac;
    this.#options = options;
  }

  get addresses(): ReadonlySet<string> {
    return this.#addresses;
  }

  has(address: string): boolean {
    return this.#addresses.has(address);
  }

  /** After a failure it does all of it again. */
  set(addresses: ReadonlySet<string>): void {
    if (addresses.symmetricDifference(this.#addresses).size === 0) return;
    const v6 = [...addresses].filter((address) => familyOf(address) === 'ipv6');
    const onFrame = (frame: Buffer): void => this.#hear(frame);
    const { ifindex } = this.#link;
    if (v6.length === addresses.size) this.#closeArp();
    else this.#arp ??= new PacketSocket({ ifindex, etherType: ETH_P_ARP, onFrame });
    if (v6.length === 0) this.#closeNeighbors();
    else {
      this.#neighbors ??= {
        socket: new PacketSocket({ ifindex, etherType: ETH_P_IPV6, filter: neighborFilter, onFrame }),
        groups: new GroupMembership(ifindex),
      };
      this.#neighbors.groups.set(new Set(v6.map(solicitedNodeGroup)));
    }
    this.#addresses = addresses;
  }

  send(address: string, frames: readonly Buffer[]): void {
    const socket = familyOf(address) === 'ipv4' ? this.#arp : this.#neighbors?.socket;
    try {
      for (const frame of frames) socket?.send(frame);
    } catch (error) {
      // A link that is down or full: who asks asks again.
      if (!isErrno(error, 'ENETDOWN', 'ENXIO', 'ENOBUFS', 'EAGAIN', 'ENODEV')) throw error;
      this.#options.log.warn({ err: error, link: this.#link.name, address }, 'frame not sent');
    }
  }

  close(): void {
    this.#closeArp();
    this.#closeNeighbors();
  }

  #hear(frame: Buffer): void {
    const heard: Heard | undefined = readFrame(frame, this.mac);
    if (!heard || !this.#addresses.has(heard.address)) return;
    const { mayAnswer, onAnswer, onClaim } = this.#options;
    if (heard.kind === 'claim') {
      if (heard.mac !== this.mac) onClaim(heard.address, heard.mac);
    } else if (mayAnswer(heard.address)) {
      this.send(heard.address, [heard.reply]);
      onAnswer();
    }
  }

  #closeArp(): void {
    this.#arp?.close();
    this.#arp = undefined;
  }

  #closeNeighbors(): void {
    this.#neighbors?.socket.close();
    this.#neighbors?.groups.close();
    this.#neighbors = undefined;
  }
}
