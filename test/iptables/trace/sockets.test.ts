import { createServer } from 'node:net';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import t from 'tap';

import { hasListener, listensHere } from '../../../iptables/trace/sockets.ts';

// As a little-endian machine prints them: 10.96.0.10:53 and fd00:10:96::a port 53.
const udp = `   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  412: 0A00600A:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 66811 2 0000000000000000 0
`;
const tcp = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0A00600A:0035 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0000000000000000 100 0 0 10 0
   1: 0A00600A:01BB 0201F40A:A1B2 01 00000000:00000000 00:00000000 00000000     0        0 2 1 0000000000000000 100 0 0 10 0
   2: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 3 1 0000000000000000 100 0 0 10 0
`;
const tcp6 = `  sl  local_address                         remote_address                        st
   0: 100000FD00009600000000000A000000:0035 00000000000000000000000000000000:0000 0A
`;

t.test("who listens, from the kernel's lists", (t) => {
  t.equal(hasListener(udp, 'udp', '10.96.0.10', 53), true);
  t.equal(hasListener(udp, 'udp', '10.96.0.10', 54), false, 'another port');
  t.equal(hasListener(udp, 'udp', '10.96.0.11', 53), false, 'another address');
  t.equal(hasListener(tcp, 'tcp', '10.96.0.10', 53), true);
  t.equal(hasListener(tcp, 'tcp', '10.96.0.10', 443), false, 'a connection is no listener');
  t.equal(hasListener(tcp, 'tcp', '10.96.0.12', 80), false, 'a socket on every address is not on this one');
  t.equal(hasListener(tcp6, 'tcp', 'fd00:10:96::a', 53), true, 'words, not bytes');
  t.end();
});

t.test('who listens here', async (t) => {
  for (const host of ['127.0.0.1', '::1']) {
    const server = createServer().listen(0, host);
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    t.equal(listensHere('tcp', host, port), true, host);
    t.equal(listensHere('udp', host, port), false, `${host}: not over UDP`);
    server.close();
    await once(server, 'close');
    t.equal(listensHere('tcp', host, port), false, `${host}: no longer`);
  }
  t.equal(listensHere('sctp', '127.0.0.1', 53), false, 'the kernel does not tell of SCTP');
});
