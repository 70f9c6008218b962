import t from 'tap';
import {
  addressBytes,
  dashAddress,
  encodeName,
  labelsOf,
  parseDashedAddress,
  renderAddress,
  renderName,
  reverseName,
  reverseZones,
} from '../../dns/names.ts';

function bytes(address: string): string {
  return addressBytes(address) ?? '';
}

t.test('names go into wire form and back', (t) => {
  const table: [text: string, wire: string, back?: string][] = [
    ['.', '\0'],
    ['', '\0', '.'],
    ['local', '\x05local\0', 'local.'],
    ['Cluster.LOCAL.', '\x07cluster\x05local\0', 'cluster.local.'],
    ['_http._tcp.web.', '\x05_http\x04_tcp\x03web\0'],
    ['a\\.b.c.', '\x03a.b\x01c\0'],
    ['\\000\\255.x.', '\x02\0\xff\x01x\0'],
    ['*.x.', '\x01*\x01x\0'],
  ];
  for (const [text, wire, back = text] of table) {
    t.equal(encodeName(text), wire, text);
    t.equal(renderName(wire), back, text);
  }
  t.strictSame(labelsOf('\x03a.b\x01c\0'), ['a.b', 'c']);
  t.end();
});

t.test('what cannot be a name is refused', (t) => {
  const long = 'x'.repeat(63);
  t.doesNotThrow(() => encodeName(`${long}.${long}.${long}.${'x'.repeat(61)}`), '255 bytes');
  for (const text of [
    'a..b',
    '.a',
    '..',
    'x'.repeat(64),
    `${long}.${long}.${long}.${'x'.repeat(62)}`,
    '\\999',
    'a\\',
  ]) {
    t.throws(() => encodeName(text), { name: 'DnsError', code: 'BadName' }, text);
  }
  t.end();
});

t.test('reverse names', (t) => {
  t.equal(renderName(reverseName(bytes('10.96.0.1'))), '1.0.96.10.in-addr.arpa.');
  t.equal(
    renderName(reverseName(bytes('fd00:10:96::a'))),
    'a.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.1.0.0.0.0.d.f.ip6.arpa.',
  );
  t.end();
});

t.test('reverse zones of a range', (t) => {
  const table: [cidr: string, zones: string[]][] = [
    ['10.96.0.0/16', ['96.10.in-addr.arpa.']],
    ['10.0.0.0/8', ['10.in-addr.arpa.']],
    ['10.96.1.64/31', ['64.1.96.10.in-addr.arpa.', '65.1.96.10.in-addr.arpa.']],
    ['10.97.0.0/15', ['96.10.in-addr.arpa.', '97.10.in-addr.arpa.']],
    ['0.0.0.0/0', ['in-addr.arpa.']],
    ['fd00:10:244::/48', ['4.4.2.0.0.1.0.0.0.0.d.f.ip6.arpa.']],
    ['fd00:10::/31', ['0.1.0.0.0.0.d.f.ip6.arpa.', '1.1.0.0.0.0.d.f.ip6.arpa.']],
  ];
  for (const [cidr, zones] of table) t.strictSame(reverseZones(cidr).map(renderName), zones, cidr);
  t.equal(reverseZones('10.96.0.0/12').length, 16);
  t.end();
});

t.test('addresses as labels', (t) => {
  for (const address of ['10.1.2.3', 'fd00:10::1', '::1', 'fd00::', '1:2:3:4:5:6:7:8']) {
    const label = dashAddress(bytes(address));
    t.match(label, /^[0-9a-f-]+$/);
    t.equal(renderAddress(parseDashedAddress(label) ?? ''), address, label);
  }
  for (const label of [
    '',
    '-',
    'web',
    '10-1-2',
    '10-1-2-256',
    '10-1-2-3-4',
    '1--2--3',
    '10.1.2.3',
    'g--1',
    '1234',
  ]) {
    t.equal(parseDashedAddress(label), undefined, label);
  }
  t.end();
});
