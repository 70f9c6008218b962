import t from 'tap';
import { addressBytes } from '../../dns/names.ts';
import { Responder } from '../../dns/responder.ts';
import { ask, client, encodeQuery } from './exchange.ts';
import { createZone, handlerOf, setService, slice } from './cluster.ts';

/*
 * The whole answer schema of Kubernetes' DNS specification, read by dns-packet.
 *
 * web        10.96.1.1 and fd00:10:96::1:1, ports http/TCP 80, metrics/UDP 9000
 * plain      10.96.1.2, one port without a name
 * db         headless: db-0 (10.244.1.10, fd00:10:244::10), 10.244.1.11, and 10.244.1.12, which is not ready
 * cold       headless, no endpoint ready          eager      the same with publishNotReadyAddresses
 * portless   headless, endpoints without ports    twin       headless, selects db's 10.244.1.11 as well
 * ext        ExternalName web's name              loop       ExternalName of itself
 */
const NO_SUCH = 'cluster.local. 5 SOA ns.dns.cluster.local. hostmaster.cluster.local. 7200 1800 86400 5';

function cluster(pods: 'disabled' | 'insecure' | 'verified' = 'verified') {
  const zone = createZone({ pods });
  zone.setNamespace('default', true);
  zone.setNamespace('other', true);
  const headless = { clusterIP: 'None', ports: [{ name: 'http', port: 80 }] };
  setService(zone, 'web', {
    clusterIP: '10.96.1.1',
    clusterIPs: ['10.96.1.1', 'fd00:10:96::1:1'],
    ports: [
      { name: 'http', port: 80, protocol: 'TCP' },
      { name: 'metrics', port: 9000, protocol: 'UDP' },
    ],
  });
  setService(zone, 'plain', { clusterIP: '10.96.1.2', ports: [{ port: 80 }] });
  const db0 = { hostname: 'db-0', conditions: { ready: true } };
  setService(zone, 'db', headless, [
    slice('IPv4', [
      { ...db0, addresses: ['10.244.1.10'] },
      { addresses: ['10.244.1.11'] },
      { addresses: ['10.244.1.12'], conditions: { ready: false } },
    ]),
    slice('IPv6', [{ ...db0, addresses: ['fd00:10:244::10'] }]),
  ]);
  const notReady = [slice('IPv4', [{ addresses: ['10.244.1.20'], conditions: { ready: false } }])];
  setService(zone, 'cold', headless, notReady);
  setService(zone, 'eager', { ...headless, publishNotReadyAddresses: true }, notReady);
  setService(zone, 'portless', { clusterIP: 'None' }, [
    slice('IPv4', ['10.244.1.30'], []),
    slice('IPv6', ['fd00:10:244::1:0:0:30'], []),
    slice('FQDN', ['not.an.address'], []),
  ]);
  setService(zone, 'twin', headless, [slice('IPv4', ['10.244.1.11'])]);
  const external = (name: string, externalName: string) =>
    setService(zone, name, { type: 'ExternalName', externalName });
  external('ext', 'web.default.svc.cluster.local');
  external('lost', 'nothing.default.svc.cluster.local');
  external('loop', 'loop.default.svc.cluster.local');
  external('address', '192.0.2.1');
  zone.setPod(
    'default/db-0',
    ['10.244.1.10', 'fd00:10:244::10'].map((address) => addressBytes(address) ?? ''),
  );
  return zone;
}

const S = 'default.svc.cluster.local';

interface Row {
  readonly question: string;
  readonly rcode?: string;
  readonly answer?: readonly string[];
  readonly additional?: readonly string[];
  /** Names of the zone whose SOA proves that there is nothing. */
  readonly soa?: string;
}

const table: Row[] = [
  // Services with an address
  { question: `web.${S} A`, answer: [`web.${S}. 5 A 10.96.1.1`] },
  { question: `web.${S} AAAA`, answer: [`web.${S}. 5 AAAA fd00:10:96::1:1`] },
  { question: `plain.${S} A`, answer: [`plain.${S}. 5 A 10.96.1.2`] },
  { question: `plain.${S} AAAA`, soa: 'cluster.local' },
  { question: `web.${S} TXT`, soa: 'cluster.local' },
  {
    question: `_http._tcp.web.${S} SRV`,
    answer: [`_http._tcp.web.${S}. 5 SRV 0 100 80 web.${S}.`],
    additional: [`web.${S}. 5 A 10.96.1.1`, `web.${S}. 5 AAAA fd00:10:96::1:1`],
  },
  {
    question: `_metrics._udp.web.${S} SRV`,
    answer: [`_metrics._udp.web.${S}. 5 SRV 0 100 9000 web.${S}.`],
    additional: [`web.${S}. 5 A 10.96.1.1`, `web.${S}. 5 AAAA fd00:10:96::1:1`],
  },
  {
    question: `web.${S} SRV`,
    answer: [`web.${S}. 5 SRV 0 50 80 web.${S}.`, `web.${S}. 5 SRV 0 50 9000 web.${S}.`],
    additional: [`web.${S}. 5 A 10.96.1.1`, `web.${S}. 5 AAAA fd00:10:96::1:1`],
  },
  {
    question: `plain.${S} SRV`,
    answer: [`plain.${S}. 5 SRV 0 100 80 plain.${S}.`],
    additional: [`plain.${S}. 5 A 10.96.1.2`],
  },
  { question: `_http._tcp.web.${S} A`, soa: 'cluster.local' },
  { question: `_tcp.web.${S} SRV`, soa: 'cluster.local' },
  { question: `_http._udp.web.${S} SRV`, rcode: 'NXDOMAIN', soa: 'cluster.local' },
  { question: `_nope._tcp.web.${S} SRV`, rcode: 'NXDOMAIN', soa: 'cluster.local' },
  { question: `_http._tcp.plain.${S} SRV`, rcode: 'NXDOMAIN', soa: 'cluster.local' },
  { question: `_._tcp.plain.${S} SRV`, rcode: 'NXDOMAIN', soa: 'cluster.local' },
  { question: `10-96-1-1.web.${S} A`, rcode: 'NXDOMAIN', soa: 'cluster.local' },
  // What is not there
  { question: `nothing.${S} A`, rcode: 'NXDOMAIN', soa: 'cluster.local' },
  { question: `nothing.${S} SRV`, rcode: 'NXDOMAIN', soa: 'cluster.local' },
  { question: 'web.other.svc.cluster.local A', rcode: 'NXDOMAIN', soa: 'cluster.local' },
  { question: 'web.missing.svc.cluster.local A', rcode: 'NXDOMAIN', soa: 'cluster.local' },
  { question: 'missing.svc.cluster.local A', rcode: 'NXDOMAIN', soa: 'cluster.local' },
  { question: 'web.cluster.local A', rcode: 'NXDOMAIN', soa: 'cluster.local' },
  { question: 'www.example.com.cluster.local A', rcode: 'NXDOMAIN', soa: 'cluster.local' },
  // The frame
  { question: 'cluster.local SOA', answer: [NO_SUCH] },
  {
    question: 'cluster.local NS',
    answer: ['cluster.local. 5 NS ns.dns.cluster.local.'],
    additional: ['ns.dns.cluster.local. 5 A 10.96.0.10', 'ns.dns.cluster.local. 5 AAAA fd00:10:96::a'],
  },
  { question: 'cluster.local A', soa: 'cluster.local' },
  { question: 'cluster.local SRV', soa: 'cluster.local' },
  { question: 'svc.cluster.local A', soa: 'cluster.local' },
  { question: 'pod.cluster.local AAAA', soa: 'cluster.local' },
  { question: 'default.svc.cluster.local A', soa: 'cluster.local' },
  { question: 'default.pod.cluster.local A', soa: 'cluster.local' },
  { question: 'dns.cluster.local A', soa: 'cluster.local' },
  { question: 'ns.dns.cluster.local A', answer: ['ns.dns.cluster.local. 5 A 10.96.0.10'] },
  { question: 'dns-version.cluster.local TXT', answer: ['dns-version.cluster.local. 5 TXT "1.1.0"'] },
  { question: 'dns-version.cluster.local A', soa: 'cluster.local' },
  // Headless Services
  { question: `db.${S} A`, answer: [`db.${S}. 5 A 10.244.1.10`, `db.${S}. 5 A 10.244.1.11`] },
  { question: `db.${S} AAAA`, answer: [`db.${S}. 5 AAAA fd00:10:244::10`] },
  { question: `db-0.db.${S} A`, answer: [`db-0.db.${S}. 5 A 10.244.1.10`] },
  { question: `db-0.db.${S} AAAA`, answer: [`db-0.db.${S}. 5 AAAA fd00:10:244::10`] },
  { question: `10-244-1-11.db.${S} A`, answer: [`10-244-1-11.db.${S}. 5 A 10.244.1.11`] },
  { question: `10-244-1-11.db.${S} AAAA`, soa: 'cluster.local' },
  { question: `10-244-1-10.db.${S} A`, rcode: 'NXDOMAIN', soa: 'cluster.local' },
  { question: `10-244-1-12.db.${S} A`, rcode: 'NXDOMAIN', soa: 'cluster.local' },
  {
    question: `_http._tcp.db.${S} SRV`,
    answer: [
      `_http._tcp.db.${S}. 5 SRV 0 50 8080 db-0.db.${S}.`,
      `_http._tcp.db.${S}. 5 SRV 0 50 8080 10-244-1-11.db.${S}.`,
    ],
    additional: [
      `db-0.db.${S}. 5 A 10.244.1.10`,
      `db-0.db.${S}. 5 AAAA fd00:10:244::10`,
      `10-244-1-11.db.${S}. 5 A 10.244.1.11`,
    ],
  },
  { question: `_http._udp.db.${S} SRV`, rcode: 'NXDOMAIN', soa: 'cluster.local' },
  { question: `cold.${S} A`, rcode: 'NXDOMAIN', soa: 'cluster.local' },
  { question: `_http._tcp.cold.${S} SRV`, rcode: 'NXDOMAIN', soa: 'cluster.local' },
  { question: `eager.${S} A`, answer: [`eager.${S}. 5 A 10.244.1.20`] },
  { question: `portless.${S} A`, answer: [`portless.${S}. 5 A 10.244.1.30`] },
  { question: `portless.${S} SRV`, soa: 'cluster.local' },
  {
    question: `fd00-10-244-0-1--30.portless.${S} AAAA`,
    answer: [`fd00-10-244-0-1--30.portless.${S}. 5 AAAA fd00:10:244:0:1::30`],
  },
  // ExternalName
  {
    question: `ext.${S} A`,
    answer: [`ext.${S}. 5 CNAME web.${S}.`, `web.${S}. 5 A 10.96.1.1`],
  },
  { question: `ext.${S} CNAME`, answer: [`ext.${S}. 5 CNAME web.${S}.`] },
  { question: `ext.${S} TXT`, answer: [`ext.${S}. 5 CNAME web.${S}.`], soa: 'cluster.local' },
  {
    question: `lost.${S} A`,
    rcode: 'NXDOMAIN',
    answer: [`lost.${S}. 5 CNAME nothing.${S}.`],
    soa: 'cluster.local',
  },
  { question: `_http._tcp.ext.${S} SRV`, rcode: 'NXDOMAIN', soa: 'cluster.local' },
  { question: `any.ext.${S} A`, rcode: 'NXDOMAIN', soa: 'cluster.local' },
  { question: `address.${S} A`, rcode: 'NXDOMAIN', soa: 'cluster.local' },
  // Reverse names
  { question: '1.1.96.10.in-addr.arpa PTR', answer: [`1.1.96.10.in-addr.arpa. 5 PTR web.${S}.`] },
  { question: '10.1.244.10.in-addr.arpa PTR', answer: [`10.1.244.10.in-addr.arpa. 5 PTR db-0.db.${S}.`] },
  {
    question: '11.1.244.10.in-addr.arpa PTR',
    answer: [
      `11.1.244.10.in-addr.arpa. 5 PTR 10-244-1-11.twin.${S}.`,
      `11.1.244.10.in-addr.arpa. 5 PTR 10-244-1-11.db.${S}.`,
    ],
  },
  {
    question: '1.0.0.0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.1.0.0.0.0.d.f.ip6.arpa PTR',
    answer: [`1.0.0.0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.1.0.0.0.0.d.f.ip6.arpa. 5 PTR web.${S}.`],
  },
  { question: '1.1.96.10.in-addr.arpa A', soa: '96.10.in-addr.arpa' },
  { question: '9.9.96.10.in-addr.arpa PTR', rcode: 'NXDOMAIN', soa: '96.10.in-addr.arpa' },
  { question: '12.1.244.10.in-addr.arpa PTR', rcode: 'NXDOMAIN', soa: '244.10.in-addr.arpa' },
  { question: '1.96.10.in-addr.arpa PTR', soa: '96.10.in-addr.arpa' },
  { question: '256.96.10.in-addr.arpa PTR', rcode: 'NXDOMAIN', soa: '96.10.in-addr.arpa' },
  { question: 'x.1.1.96.10.in-addr.arpa PTR', rcode: 'NXDOMAIN', soa: '96.10.in-addr.arpa' },
  {
    question: '96.10.in-addr.arpa NS',
    answer: ['96.10.in-addr.arpa. 5 NS ns.dns.cluster.local.'],
    additional: ['ns.dns.cluster.local. 5 A 10.96.0.10', 'ns.dns.cluster.local. 5 AAAA fd00:10:96::a'],
  },
  // Pods
  {
    question: '10-244-1-10.default.pod.cluster.local A',
    answer: ['10-244-1-10.default.pod.cluster.local. 5 A 10.244.1.10'],
  },
  {
    question: 'fd00-10-244--10.default.pod.cluster.local AAAA',
    answer: ['fd00-10-244--10.default.pod.cluster.local. 5 AAAA fd00:10:244::10'],
  },
  { question: '10-244-1-10.default.pod.cluster.local AAAA', soa: 'cluster.local' },
  { question: '10-244-1-10.other.pod.cluster.local A', rcode: 'NXDOMAIN', soa: 'cluster.local' },
  { question: '10-244-9-9.default.pod.cluster.local A', rcode: 'NXDOMAIN', soa: 'cluster.local' },
  { question: '10-244-1-256.default.pod.cluster.local A', rcode: 'NXDOMAIN', soa: 'cluster.local' },
  { question: 'name.default.pod.cluster.local A', rcode: 'NXDOMAIN', soa: 'cluster.local' },
  { question: 'x.10-244-1-10.default.pod.cluster.local A', rcode: 'NXDOMAIN', soa: 'cluster.local' },
];

function soaOf(zone: string): string {
  return `${zone}. 5 SOA ns.dns.cluster.local. hostmaster.cluster.local. 7200 1800 86400 5`;
}

t.test('each question has exactly the answer of the specification', async (t) => {
  const handler = handlerOf(cluster());
  for (const { question, rcode = 'NOERROR', answer = [], additional = [], soa } of table) {
    const [name = '', type = ''] = question.split(' ');
    const reply = await ask(handler, name, type);
    const { bytes: _, edns: __, ...rest } = reply;
    t.strictSame(
      rest,
      {
        rcode,
        flags: 'qr aa rd ra',
        question: `${name}. ${type}`,
        answer,
        authority: soa === undefined ? [] : [soaOf(soa)],
        additional,
      },
      question,
    );
  }
});

t.test('a second, kept answer says the same as the first', async (t) => {
  const handler = handlerOf(cluster());
  for (const { question } of table) {
    const [name = '', type = ''] = question.split(' ');
    const first = await ask(handler, name, type);
    const second = await ask(handler, name, type);
    t.strictSame(
      { ...second, answer: second.answer.sort() },
      { ...first, answer: first.answer.sort() },
      question,
    );
  }
});

t.test('letters compare without case, and the question comes back as it was asked', async (t) => {
  const reply = await ask(handlerOf(cluster()), 'WeB.Default.SVC.clusteR.local', 'A');
  t.equal(reply.question, 'WeB.Default.SVC.clusteR.local. A');
  t.strictSame(reply.answer, ['WeB.Default.SVC.clusteR.local. 5 A 10.96.1.1']);
});

t.test('pod names by mode', async (t) => {
  const name = '10-244-9-9.default.pod.cluster.local';
  const insecure = handlerOf(cluster('insecure'));
  t.strictSame((await ask(insecure, name, 'A')).answer, [`${name}. 5 A 10.244.9.9`]);
  t.equal((await ask(insecure, '10-244-9-9.missing.pod.cluster.local', 'A')).rcode, 'NXDOMAIN');
  const disabled = handlerOf(cluster('disabled'));
  t.equal((await ask(disabled, '10-244-1-10.default.pod.cluster.local', 'A')).rcode, 'NXDOMAIN');
  t.equal((await ask(disabled, 'pod.cluster.local', 'A')).rcode, 'NOERROR');
});

t.test('answers are rotated, each set on its own', async (t) => {
  const handler = handlerOf(cluster());
  const firsts = new Map<string, number>();
  for (let round = 0; round < 10; round += 1) {
    // As resolvers ask: A and AAAA in turns, which would defeat a shared counter.
    const [first = ''] = (await ask(handler, `db.${S}`, 'A')).answer;
    await ask(handler, `db.${S}`, 'AAAA');
    firsts.set(first, (firsts.get(first) ?? 0) + 1);
  }
  t.strictSame([...firsts.values()], [5, 5]);
});

t.test('an alias that leads to itself is an error, not an endless search', async (t) => {
  t.equal((await ask(handlerOf(cluster()), `loop.${S}`, 'A')).rcode, 'SERVFAIL');
});

t.test('before the first sync nothing is said to be missing', async (t) => {
  const handler = handlerOf(createZone(), { synced: () => false });
  for (const name of [`web.${S}`, 'cluster.local', '1.1.96.10.in-addr.arpa']) {
    t.equal((await ask(handler, name, 'A')).rcode, 'SERVFAIL', name);
  }
});

t.test('other classes, zone transfers and ANY', async (t) => {
  const handler = handlerOf(cluster());
  t.equal((await ask(handler, `web.${S}`, 'A', { class: 'CH' })).rcode, 'REFUSED');
  t.equal((await ask(handler, 'cluster.local', 'AXFR', { protocol: 'tcp' })).rcode, 'REFUSED');
  t.equal((await ask(handler, 'cluster.local', 'IXFR')).rcode, 'REFUSED');
  const any = await ask(handler, `web.${S}`, 'ANY');
  t.strictSame(any.answer, [`web.${S}. 5 HINFO "RFC8482" ""`]);
  t.equal((await ask(handler, `nothing.${S}`, 'ANY')).rcode, 'NXDOMAIN');
});

t.test('a name is ours by labels, not by letters', async (t) => {
  const handler = handlerOf(cluster());
  // No upstream server is known here: what is not ours fails.
  for (const name of [
    'mycluster.local',
    'a.xcluster.local',
    'local',
    '96.110.in-addr.arpa',
    'x.97.10.in-addr.arpa',
  ]) {
    t.equal((await ask(handler, name, 'A')).rcode, 'SERVFAIL', name);
  }
});

t.test('changes take effect at once, and only where they belong', async (t) => {
  const zone = cluster();
  const handler = handlerOf(zone);
  await ask(handler, `web.${S}`, 'A');
  await ask(handler, `nothing.${S}`, 'A');
  setService(zone, 'nothing', { clusterIP: '10.96.1.9' });
  setService(zone, 'web', { clusterIP: '10.96.1.8' });
  t.strictSame((await ask(handler, `nothing.${S}`, 'A')).answer, [`nothing.${S}. 5 A 10.96.1.9`]);
  t.strictSame((await ask(handler, `web.${S}`, 'A')).answer, [`web.${S}. 5 A 10.96.1.8`]);
  t.equal((await ask(handler, `_http._tcp.web.${S}`, 'SRV')).rcode, 'NXDOMAIN', 'its ports are gone');
  t.equal((await ask(handler, '1.1.96.10.in-addr.arpa', 'PTR')).rcode, 'NXDOMAIN', 'and its old address');
  zone.setService('default/twin', undefined);
  t.strictSame((await ask(handler, '11.1.244.10.in-addr.arpa', 'PTR')).answer, [
    `11.1.244.10.in-addr.arpa. 5 PTR 10-244-1-11.db.${S}.`,
  ]);
  zone.setNamespace('other', false);
  t.equal((await ask(handler, 'other.svc.cluster.local', 'A')).rcode, 'NXDOMAIN');
  zone.setPod('default/db-0', []);
  t.equal((await ask(handler, '10-244-1-10.default.pod.cluster.local', 'A')).rcode, 'NXDOMAIN');
});

t.test('every change has a serial of its own, which negative answers show too', (t) => {
  const zone = createZone({ serial: 0xffff_fffe });
  const responder = new Responder({ handler: handlerOf(zone) });
  const serialOf = (name: string, type: string): number => {
    const out = Buffer.alloc(1232);
    const length = responder.respond(encodeQuery(name, type), 'udp', client, out);
    return typeof length === 'number' ? out.readUInt32BE(length - 20) : -1;
  };
  for (const serial of [0xffff_fffe, 0xffff_ffff, 0, 1]) {
    t.equal(serialOf('cluster.local', 'SOA'), serial, 'SOA');
    t.equal(serialOf('cluster.local', 'A'), serial, 'no such records');
    t.equal(serialOf(`nothing.${S}`, 'A'), serial, 'no such name');
    t.equal(serialOf('9.9.96.10.in-addr.arpa', 'PTR'), serial, 'of a reverse zone');
    setService(zone, 'web', { clusterIP: '10.96.1.1' });
  }
  t.end();
});

t.test('a range that ends within a label is several reverse zones', async (t) => {
  const zone = createZone({ cidrs: ['172.16.0.0/12'] });
  const handler = handlerOf(zone);
  t.strictSame((await ask(handler, '1.2.31.172.in-addr.arpa', 'PTR')).authority, [
    soaOf('31.172.in-addr.arpa'),
  ]);
  t.equal((await ask(handler, '1.2.32.172.in-addr.arpa', 'PTR')).rcode, 'SERVFAIL', 'not ours');
});
