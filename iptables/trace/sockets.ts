import { readFileSync } from 'node:fs';
import { endianness } from 'node:os';

import ipaddr from 'ipaddr.js';

import { familyOf } from '../address.ts';
import type { Protocol } from '../model.ts';

/** linux/net/tcp_states.h */
const TCP_LISTEN = '0A';

/** Where the kernel lists its sockets; SCTP has no such list. */
const listings: Readonly<Record<string, string | undefined>> = {
  'udp ipv4': '/proc/net/udp',
  'udp ipv6': '/proc/net/udp6',
  'tcp ipv4': '/proc/net/tcp',
  'tcp ipv6': '/proc/net/tcp6',
};

/** Whether a server's socket is bound to that very address and port in the network namespace of this thread. */
export function listensHere(protocol: Protocol, address: string, port: number): boolean {
  const path = listings[`${protocol} ${familyOf(address)}`];
  // Not /proc/net itself: that is the network namespace of the process's first thread.
  return (
    path !== undefined &&
    hasListener(readFileSync(path.replace('net', 'thread-self/net'), 'utf8'), protocol, address, port)
  );
}

/** The same from the text of such a list: a line per socket, of which the second column is `address:port`. */
export function hasListener(text: string, protocol: Protocol, address: string, port: number): boolean {
  const place = `${hexAddress(address)}:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return text.split('\n').some((line) => {
    const [, local, , state] = line.trim().split(/\s+/);
    return local === place && (protocol === 'udp' || state === TCP_LISTEN);
  });
}

/** The kernel prints addresses as the words of 32 bits that they are in its memory. */
function hexAddress(address: string): string {
  const bytes = Buffer.from(ipaddr.parse(address).toByteArray());
  if (endianness() === 'LE') bytes.swap32();
  return bytes.toString('hex').toUpperCase();
}
