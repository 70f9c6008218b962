import { RTM_DELLINK } from '../../netns/link.ts';
import { AF_UNSPEC } from '../../netns/socket.ts';

/** A notification of a link: its payload, and whether it tells of an end. */
export interface LinkNotice {
  readonly isGone: boolean;
  readonly payload: Buffer;
}

/** What the kernel told of each link last. A link comes and goes in several steps, of which only the last one counts. */
export class LinkNews {
  /** By ifindex. */
  readonly #notices = new Map<number, LinkNotice>();

  /**
   * Takes an RTM_NEWLINK or RTM_DELLINK.
   * @param payload struct ifinfomsg with its attributes (linux/rtnetlink.h)
   * @returns whether it is news: a bridge tells of its ports as well, but that is in the link's own message
   */
  note(type: number, payload: Buffer): boolean {
    if (payload.readUInt8(0) !== AF_UNSPEC) return false;
    const isGone = type === RTM_DELLINK;
    this.#notices.set(payload.readInt32LE(4), { isGone, payload: Buffer.from(payload) });
    return true;
  }

  [Symbol.iterator](): Iterator<[ifindex: number, notice: LinkNotice]> {
    return this.#notices[Symbol.iterator]();
  }

  clear(): void {
    this.#notices.clear();
  }
}
