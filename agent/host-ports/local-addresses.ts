import { listAddresses } from '../../netns/address.ts';
import {
  NetlinkMonitor,
  NetlinkSocket,
  RTMGRP_IPV4_IFADDR,
  RTMGRP_IPV6_IFADDR,
} from '../../netns/netlink.ts';

/** The addresses in the kernel of this network namespace, whoever set them, followed from construction on. */
export class LocalAddresses implements Disposable {
  readonly #onChange: () => void;
  readonly #monitor: NetlinkMonitor;
  #addresses: readonly string[];

  constructor(onChange: () => void) {
    this.#onChange = onChange;
    const read = (): void => this.#read();
    const groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR;
    this.#monitor = new NetlinkMonitor({ groups, onMessage: read, onOverrun: read });
    this.#addresses = readAddresses();
  }

  /** Sorted, each once. */
  get all(): readonly string[] {
    return this.#addresses;
  }

  [Symbol.dispose](): void {
    this.#monitor.close();
  }

  #read(): void {
    const addresses = readAddresses();
    if (addresses.join() === this.#addresses.join()) return;
    this.#addresses = addresses;
    this.#onChange();
  }
}

function readAddresses(): string[] {
  using socket = new NetlinkSocket();
  return [...new Set(listAddresses(socket).map(({ address }) => address))].sort();
}
