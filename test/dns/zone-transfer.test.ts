import { execa } from 'execa';
import t from 'tap';
import { renderRecord } from '../../dns/records.ts';
import { startDnsServer } from '../../dns/server.ts';
import type { ClusterZone } from '../../dns/zone.ts';
import { createZone, handlerOf, setService, slice } from './cluster.ts';
import { ask, askAll } from './exchange.ts';

const S = 'default.svc.cluster.local';
const SOA = 'cluster.local. 5 SOA ns.dns.cluster.local. hostmaster.cluster.local. 7200 1800 86400 5';
const headless = { clusterIP: 'None' };

function cluster(): ClusterZone {
  const zone = createZone();
  zone.setNamespace('default', true);
  setService(zone, 'web', {
    clusterIP: '10.96.1.1',
    clusterIPs: ['10.96.1.1', 'fd00:10:96::1'],
    ports: [{ name: 'http', port: 80 }],
  });
  setService(zone, 'db', headless, [
    slice('IPv4', [{ hostname: 'db-0', addresses: ['10.244.1.10'] }, '10.244.1.11']),
  ]);
  setService(zone, 'ext', { type: 'ExternalName', externalName: 'www.example.com' });
  setService(zone, 'none', headless);
  return zone;
}

t.test('a transfer is all records of the zone, its SOA first and last', async (t) => {
  const handler = handlerOf(cluster(), { transferTo: ['192.0.2.0/24'] });
  const [reply, ...others] = await askAll(handler, 'cluster.local', 'AXFR', {
    protocol: 'tcp',
    from: '192.0.2.9',
  });
  t.strictSame(others, []);
  t.match(reply, {
    rcode: 'NOERROR',
    flags: 'qr aa rd',
    question: 'cluster.local. AXFR',
    authority: [],
    additional: [],
  });
  t.strictSame(reply?.answer, [
    SOA,
    'cluster.local. 5 NS ns.dns.cluster.local.',
    'dns-version.cluster.local. 5 TXT "1.1.0"',
    'ns.dns.cluster.local. 5 A 10.96.0.10',
    'ns.dns.cluster.local. 5 AAAA fd00:10:96::a',
    `web.${S}. 5 A 10.96.1.1`,
    `web.${S}. 5 AAAA fd00:10:96::1`,
    `web.${S}. 5 SRV 0 100 80 web.${S}.`,
    `_http._tcp.web.${S}. 5 SRV 0 100 80 web.${S}.`,
    `db.${S}. 5 A 10.244.1.10`,
    `db.${S}. 5 A 10.244.1.11`,
    `db.${S}. 5 SRV 0 50 8080 db-0.db.${S}.`,
    `db.${S}. 5 SRV 0 50 8080 10-244-1-11.db.${S}.`,
    `_http._tcp.db.${S}. 5 SRV 0 50 8080 db-0.db.${S}.`,
    `_http._tcp.db.${S}. 5 SRV 0 50 8080 10-244-1-11.db.${S}.`,
    `db-0.db.${S}. 5 A 10.244.1.10`,
    `db-0.db.${S}. 5 SRV 0 100 8080 db-0.db.${S}.`,
    `10-244-1-11.db.${S}. 5 A 10.244.1.11`,
    `10-244-1-11.db.${S}. 5 SRV 0 100 8080 10-244-1-11.db.${S}.`,
    `ext.${S}. 5 CNAME www.example.com.`,
    SOA,
  ]);
});

t.test(
  'only over TCP, only to those who are named, only the whole zone, only when it is complete',
  async (t) => {
    const transferTo = ['192.0.2.1', '2001:db8::/33', '198.51.100.0/22'];
    const handler = handlerOf(cluster(), { transferTo });
    const rcode = async (from: string, name = 'cluster.local', protocol: 'tcp' | 'udp' = 'tcp') =>
      (await ask(handler, name, 'AXFR', { protocol, from })).rcode;
    for (const from of ['192.0.2.1', '2001:db8:7fff::1', '198.51.103.255'])
      t.equal(await rcode(from), 'NOERROR', from);
    for (const from of ['192.0.2.2', '192.0.2.129', '2001:db8:8000::1', '198.51.104.0', '::ffff:192.0.2.1']) {
      t.equal(await rcode(from), 'REFUSED', from);
    }
    t.equal(await rcode('192.0.2.1', 'cluster.local', 'udp'), 'REFUSED', 'UDP');
    t.equal(await rcode('192.0.2.1', 'default.svc.cluster.local'), 'REFUSED', 'a part');
    t.equal(await rcode('192.0.2.1', 'example.com'), 'REFUSED', 'another zone');
    const early = handlerOf(cluster(), { transferTo, synced: () => false });
    t.equal(
      (await ask(early, 'cluster.local', 'AXFR', { protocol: 'tcp', from: '192.0.2.1' })).rcode,
      'SERVFAIL',
    );
    const nobody = handlerOf(cluster());
    t.equal(
      (await ask(nobody, 'cluster.local', 'AXFR', { protocol: 'tcp', from: '192.0.2.1' })).rcode,
      'REFUSED',
    );
  },
);

t.test('a transfer is the zone as it was when it was asked for', (t) => {
  const zone = cluster();
  const whole = [...zone.transfer()].map((set) => set.map(renderRecord));
  const sets: string[][] = [];
  for (const set of zone.transfer()) {
    sets.push(set.map(renderRecord));
    setService(zone, 'web', { clusterIP: '10.96.9.9' });
    setService(zone, 'db', headless);
    setService(zone, 'new', { clusterIP: '10.96.9.8' });
  }
  t.strictSame(sets, whole);
  t.notSame(
    sets,
    [...zone.transfer()].map((set) => set.map(renderRecord)),
  );
  t.end();
});

t.test('a large zone comes in several messages, and others are served between them', async (t) => {
  const zone = createZone();
  const count = 3000;
  for (let index = 0; index < count; index += 1) {
    setService(zone, `s-${index}`, {
      clusterIP: `10.96.${index >> 8}.${index & 255}`,
      ports: [{ port: 80 }],
    });
  }
  const handler = handlerOf(zone, { transferTo: ['127.0.0.1'] });
  const server = await startDnsServer({ addresses: [{ host: '127.0.0.1', port: 0 }], handler });
  t.teardown(() => server.close());
  const at = ['@127.0.0.1', '-p', String(server.addresses[0]?.port), '+tries=1'];
  const transfer = await execa('dig', [...at, 'axfr', 'cluster.local', '+noall', '+answer', '+stats']);
  const lines = transfer.stdout.split('\n').filter((line) => /\sIN\s/.test(line));
  t.match(lines[0], /IN\s+SOA/);
  t.equal(lines.at(-1), lines[0], 'the same serial at the end');
  const addresses = lines.filter((line) => /^s-.*IN\s+A\s/.test(line)).map((line) => line.split(/\s+/)[4]);
  t.equal(new Set(addresses).size, count);
  t.match(transfer.stdout, /XFR size: \d+ records \(messages (?:[2-9]|\d\d+),/);

  let turns = 0;
  const counting = setInterval(() => (turns += 1), 0);
  const replies = await askAll(handler, 'cluster.local', 'AXFR', { protocol: 'tcp', from: '127.0.0.1' });
  clearInterval(counting);
  t.ok(turns > 1, 'the event loop went on');
  t.ok(replies.every(({ bytes, rcode }) => bytes < 16_384 && rcode === 'NOERROR'));
});
