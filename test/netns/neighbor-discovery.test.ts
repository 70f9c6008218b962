import t from 'tap';
import {
  decodeNeighborMessage,
  encodeNeighborMessage,
  multicastMac,
  solicitedNodeGroup,
} from '../../netns/neighbor-discovery.ts';
import type { NeighborMessage } from '../../netns/neighbor-discovery.ts';

const mac = '02:00:5e:00:53:01';
const bytes = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');

/**
 * Ethernet; IPv6 (RFC 8200 section 3: version, class and label, length, next header, hop limit, addresses); message
 * (RFC 4861 sections 4.3, 4.4: type, code, checksum, flags, target, option). The checksums come from
 * another program; the root test of agent/announce lets the kernel judge them.
 */
const table: { name: string; to: string; message: NeighborMessage; frame: string }[] = [
  {
    name: 'a solicitation',
    to: '33:33:ff:00:00:09',
    message: {
      type: 'solicitation',
      source: '2001:db8::1',
      destination: 'ff02::1:ff00:9',
      target: '2001:db8::9',
      linkAddress: mac,
    },
    frame: `3333ff000009 02005e005301 86dd 60000000 0020 3a ff
      20010db8000000000000000000000001 ff0200000000000000000001ff000009
      87 00 6b18 00000000 20010db8000000000000000000000009 01 01 02005e005301`,
  },
  {
    name: 'a solicitation of one who looks whether the address is free (RFC 4862 section 5.4.2)',
    to: '33:33:ff:00:00:09',
    message: {
      type: 'solicitation',
      source: '::',
      destination: 'ff02::1:ff00:9',
      target: '2001:db8::9',
    },
    frame: `3333ff000009 02005e005301 86dd 60000000 0018 3a ff
      00000000000000000000000000000000 ff0200000000000000000001ff000009
      87 00 4cdd 00000000 20010db8000000000000000000000009`,
  },
  {
    name: 'an answer: solicited, override',
    to: '02:00:5e:00:53:02',
    message: {
      type: 'advertisement',
      source: '2001:db8::9',
      destination: '2001:db8::1',
      target: '2001:db8::9',
      linkAddress: mac,
      solicited: true,
      override: true,
    },
    frame: `02005e005302 02005e005301 86dd 60000000 0020 3a ff
      20010db8000000000000000000000009 20010db8000000000000000000000001
      88 00 d963 60000000 20010db8000000000000000000000009 02 01 02005e005301`,
  },
  {
    name: 'an unsolicited advertisement (RFC 4861 section 7.2.6)',
    to: '33:33:00:00:00:01',
    message: {
      type: 'advertisement',
      source: '2001:db8::9',
      destination: 'ff02::1',
      target: '2001:db8::9',
      linkAddress: mac,
      solicited: false,
      override: true,
    },
    frame: `333300000001 02005e005301 86dd 60000000 0020 3a ff
      20010db8000000000000000000000009 ff020000000000000000000000000001
      88 00 481a 20000000 20010db8000000000000000000000009 02 01 02005e005301`,
  },
];

for (const { name, to, message, frame } of table) {
  const encoded = encodeNeighborMessage({ source: mac, destination: to }, message);
  t.equal(encoded.toString('hex'), bytes(frame).toString('hex'), name);
  t.same(decodeNeighborMessage(bytes(frame)), message, `${name}, read`);
}

t.equal(solicitedNodeGroup('2001:db8::1:2:9abc'), 'ff02::1:ff02:9abc', 'RFC 4291 section 2.7.1');
t.equal(multicastMac('ff02::1:ff02:9abc'), '33:33:ff:02:9a:bc', 'RFC 2464 section 7');

const good = (table[0]?.frame ?? '').replaceAll(/\s/g, '');
for (const [name, frame] of [
  ['an empty frame', ''],
  ['a frame that ends in the header', good.slice(0, 60)],
  ['a frame that ends in the message', good.slice(0, -2)],
  ['another Ethernet type', good.replace('86dd', '0800')],
  ['another next header', good.replace('3aff', '11ff')],
  ['one that a router has passed on (hop limit 254)', good.replace('3aff', '3afe')],
  ['a wrong checksum', good.replace('6b18', '6b19')],
  // What the code or option takes away from the sum is put back into the checksum: only the rule itself refuses.
  ['another code', good.replace('87006b18', '87016b17')],
  ['another type', good.replace('87006b18', '86006c18')],
  ['an option without length', good.replace('6b18', '6b19').replace('0101020', '0100020')],
  ['an option that is longer than the message', good.replace('6b18', '6b17').replace('0101020', '0102020')],
] as const) {
  t.equal(decodeNeighborMessage(bytes(frame)), undefined, name);
}
