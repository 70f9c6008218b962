import * as sockets from './socket.ts';
import { addressOf } from './syscall.ts';
import { close, ioctl } from './libc.ts';

/** linux/sockios.h, linux/ethtool.h */
const SIOCETHTOOL = 0x8946;
const ETHTOOL_GTXCSUM = 0x16;
const ETHTOOL_STXCSUM = 0x17;
/** linux/if.h: struct ifreq and the name in it. */
const requestBytes = 40;
const nameBytes = 16;

/**
 * Whether the kernel leaves the checksums of what goes out by a link to the hardware (ethtool's `tx`).
 * @throws KernelError ENODEV
 */
export function hasChecksumOffload(link: string): boolean {
  return callEthtool(link, ETHTOOL_GTXCSUM, 0) !== 0;
}

/**
 * Switches it on or off; without it packets go out complete, and one by one.
 * @throws KernelError ENODEV, EOPNOTSUPP
 */
export function setChecksumOffload(link: string, on: boolean): void {
  callEthtool(link, ETHTOOL_STXCSUM, on ? 1 : 0);
}

/** One struct ethtool_value there and back, in the namespace the thread is in. */
function callEthtool(link: string, command: number, data: number): number {
  const value = Buffer.alloc(8);
  value.writeUInt32LE(command, 0);
  value.writeUInt32LE(data, 4);
  const request = Buffer.alloc(requestBytes);
  request.write(link, 0, nameBytes - 1, 'latin1');
  request.writeBigUInt64LE(addressOf(value), nameBytes);
  const fd = sockets.open(sockets.AF_INET, sockets.SOCK_DGRAM);
  try {
    ioctl(fd, SIOCETHTOOL, request);
  } finally {
    close(fd);
  }
  return value.readUInt32LE(4);
}
