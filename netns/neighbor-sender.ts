import { encodeFrame, ETH_P_IP, ETH_P_IPV6 } from './ethernet.ts';
import type { Family } from './ip.ts';
import { close } from './libc.ts';
import { findLink } from './link.ts';
import { findNeighbor } from './neighbor.ts';
import { NetlinkSocket } from './netlink.ts';
import { encodeLinkAddress } from './sockaddr.ts';
import * as sockets from './socket.ts';

/** A host on a link, by its address there. */
export interface NeighborWay {
  readonly link: string;
  readonly address: string;
}

const etherTypes: Readonly<Record<Family, number>> = { ipv4: ETH_P_IP, ipv6: ETH_P_IPV6 };

/** Hands IP packets to neighbours whatever the routes say, in the namespace the thread is in when it is made. */
export class NeighborSender implements Disposable {
  readonly #fd: number;
  readonly #netlink = new NetlinkSocket();

  constructor() {
    // Of protocol 0 it is never given anything.
    this.#fd = sockets.open(sockets.AF_PACKET, sockets.SOCK_RAW | sockets.SOCK_NONBLOCK, 0);
  }

  /**
   * @returns whether it was sent: not to one whose hardware address the kernel does not know
   * @throws KernelError ENETDOWN, ENXIO or ENOBUFS when the link does not take it
   */
  send({ link: name, address }: NeighborWay, family: Family, packet: Buffer): boolean {
    const link = findLink(this.#netlink, name);
    const destination = link && findNeighbor(this.#netlink, link.ifindex, address);
    if (!link || destination === undefined) return false;
    const type = etherTypes[family];
    const frame = encodeFrame({ destination, source: link.mac, type }, packet);
    sockets.sendTo(this.#fd, frame, encodeLinkAddress(link.ifindex, type));
    return true;
  }

  close(): void {
    close(this.#fd);
    this.#netlink.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
