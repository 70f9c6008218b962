import t from 'tap';
import { Responder } from '../../dns/responder.ts';
import { createZone, handlerOf, setService } from './cluster.ts';
import { exampleCluster, S, soaOf } from './example-cluster.ts';
import { encodeQuery } from '../../rig/dns-query.ts';
import { ask, client } from './exchange.ts';

t.test('letters compare without case, and the question comes back as it was asked', async (t) => {
  const reply = await ask(handlerOf(exampleCluster()), 'WeB.Default.SVC.clusteR.local', 'A');
  t.equal(reply.question, 'WeB.Default.SVC.clusteR.local. A');
  t.strictSame(reply.answer, ['WeB.Default.SVC.clusteR.local. 5 A 10.96.1.1']);
});

t.test('answers are rotated, each set on its own', async (t) => {
  const handler = handlerOf(exampleCluster());
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
  t.equal((await ask(handlerOf(exampleCluster()), `loop.${S}`, 'A')).rcode, 'SERVFAIL');
});

t.test('before the first sync nothing is said to be missing', async (t) => {
  const handler = handlerOf(createZone(), { synced: () => false });
  for (const name of [`web.${S}`, 'cluster.local', '1.1.96.10.in-addr.arpa']) {
    t.equal((await ask(handler, name, 'A')).rcode, 'SERVFAIL', name);
  }
});

t.test('other classes, zone transfers and ANY', async (t) => {
  const handler = handlerOf(exampleCluster());
  t.equal((await ask(handler, `web.${S}`, 'A', { class: 'CH' })).rcode, 'REFUSED');
  t.equal((await ask(handler, 'cluster.local', 'AXFR', { protocol: 'tcp' })).rcode, 'REFUSED');
  t.equal((await ask(handler, 'cluster.local', 'IXFR')).rcode, 'REFUSED');
  const any = await ask(handler, `web.${S}`, 'ANY');
  t.strictSame(any.answer, [`web.${S}. 5 HINFO "RFC8482" ""`]);
  t.equal((await ask(handler, `nothing.${S}`, 'ANY')).rcode, 'NXDOMAIN');
});

t.test('a name is ours by labels, not by letters', async (t) => {
  const handler = handlerOf(exampleCluster());
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
  const zone = exampleCluster();
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
