import t from 'tap';
import { DnsError } from '../../dns/dns-error.ts';
import { addressBytes, encodeName, renderName } from '../../dns/names.ts';
import { parseRecord } from '../../dns/records.ts';
import { Resolver } from '../../dns/resolver.ts';
import { createZone, handlerOf, setService } from './cluster.ts';
import { ask } from './exchange.ts';

/*
 * Pods: 10.244.1.1 and fd00::1 of default; 10.244.1.2 of other; 192.0.2.1 two in the node's network, of both.
 * Outside: www.example.com, and host.corp.example below the node's search domain; broken.test cannot be resolved.
 */
const S = 'default.svc.cluster.local';
const SOA = 'cluster.local. 5 SOA ns.dns.cluster.local. hostmaster.cluster.local. 7200 1800 86400 5';

function setUp(autopath: readonly string[] | undefined = ['corp.example', 'not..a.name']) {
  const zone = createZone();
  for (const namespace of ['default', 'other']) zone.setNamespace(namespace, true);
  setService(zone, 'web', { clusterIP: '10.96.1.1', ports: [{ name: 'http', port: 80 }] });
  setService(zone, 'ext', { type: 'ExternalName', externalName: 'www.example.com' });
  const bytes = (...addresses: string[]) => addresses.map((address) => addressBytes(address) ?? '');
  zone.setPod('default/a', bytes('10.244.1.1', 'fd00::1'));
  zone.setPod('other/b', bytes('10.244.1.2'));
  zone.setPod('default/host', bytes('192.0.2.1'));
  zone.setPod('other/host', bytes('192.0.2.1'));
  const asked: string[] = [];
  const found: Record<string, string> = {
    'www.example.com.': '198.51.100.1',
    'host.corp.example.': '198.51.100.2',
  };
  const resolver = new Resolver({
    upstreams: {
      ask: (question) => {
        const name = renderName(question.name);
        asked.push(name);
        if (name.startsWith('broken.')) return Promise.reject(new DnsError('NoUpstream', 'down'));
        const address = found[name];
        const answer =
          address !== undefined && question.type === 1 ? [parseRecord(name, `A ${address}`, 60)] : [];
        const { name: owner, type } = question;
        const soa = { name: encodeName('test'), type: 6, ttlSeconds: 60, data: `\0\0${'\0'.repeat(19)}\x05` };
        const authority = answer.length > 0 ? [] : [soa];
        const rcode = address === undefined ? 3 : 0;
        return Promise.resolve({
          id: 1,
          flags: 0x8180,
          rcode,
          name: owner,
          type,
          class: 1,
          answer,
          authority,
          additional: [],
        });
      },
      isHealthy: () => true,
    },
  });
  return { zone, asked, handler: handlerOf(zone, { resolver, autopath }) };
}

const pod = { from: '10.244.1.1' };

t.test('a name outside of the cluster costs a pod one exchange', async (t) => {
  const { handler, asked } = setUp();
  const reply = await ask(handler, `www.example.com.${S}`, 'A', pod);
  t.match(reply, {
    rcode: 'NOERROR',
    flags: 'qr rd ra',
    question: `www.example.com.${S}. A`,
    authority: [],
    additional: [],
  });
  t.strictSame(reply.answer, [
    `www.example.com.${S}. 60 CNAME www.example.com.`,
    'www.example.com. 60 A 198.51.100.1',
  ]);
  t.strictSame(
    asked,
    ['www.example.com.corp.example.', 'www.example.com.'],
    'in the order of the search path',
  );
  const none = await ask(handler, `www.example.com.${S}`, 'AAAA', pod);
  t.match(
    none,
    { rcode: 'NOERROR', question: `www.example.com.${S}. AAAA`, answer: [] },
    'the name has no such records',
  );
});

t.test("each domain of the search path in its turn, the node's included", async (t) => {
  const { handler, asked } = setUp();
  const rows: [question: string, ...answer: string[]][] = [
    [`web.${S} A`, `web.${S}. 5 A 10.96.1.1`],
    [`web.default.${S} A`, `web.default.${S}. 5 CNAME web.${S}.`, `web.${S}. 5 A 10.96.1.1`],
    [
      `_http._tcp.web.default.${S} SRV`,
      `_http._tcp.web.default.${S}. 5 CNAME _http._tcp.web.${S}.`,
      `_http._tcp.web.${S}. 5 SRV 0 100 80 web.${S}.`,
    ],
    [`web.default.svc.${S} A`, `web.default.svc.${S}. 5 CNAME web.${S}.`, `web.${S}. 5 A 10.96.1.1`],
    [
      `ext.default.${S} A`,
      `ext.default.${S}. 5 CNAME ext.${S}.`,
      `ext.${S}. 5 CNAME www.example.com.`,
      'www.example.com. 60 A 198.51.100.1',
    ],
    [`host.${S} A`, `host.${S}. 60 CNAME host.corp.example.`, 'host.corp.example. 60 A 198.51.100.2'],
  ];
  for (const [question, ...answer] of rows) {
    const [name = '', type = ''] = question.split(' ');
    const reply = await ask(handler, name, type, pod);
    t.match(reply, { rcode: 'NOERROR' }, question);
    t.strictSame(reply.answer, answer, question);
  }
  t.strictSame(
    asked,
    ['www.example.com.', 'host.corp.example.'],
    'nothing of the cluster is asked for outside',
  );
  const whole = await ask(handler, `web.${S}.${S}`, 'A', pod);
  t.strictSame(
    whole.answer,
    [`web.${S}.${S}. 5 CNAME web.${S}.`, `web.${S}. 5 A 10.96.1.1`],
    'the bare name',
  );
});

t.test('where no name exists, the answer is that to the question', async (t) => {
  const { handler, asked } = setUp();
  const reply = await ask(handler, `nowhere.test.${S}`, 'A', pod);
  t.match(reply, {
    rcode: 'NXDOMAIN',
    flags: 'qr aa rd ra',
    question: `nowhere.test.${S}. A`,
    answer: [],
    authority: [SOA],
  });
  t.strictSame(asked, ['nowhere.test.corp.example.', 'nowhere.test.']);
  t.equal(
    (await ask(handler, `broken.${S}`, 'A', pod)).rcode,
    'SERVFAIL',
    'nothing is said of what cannot be known',
  );
});

t.test("only in the client's own namespace, and only for pods", async (t) => {
  const { handler, asked, zone } = setUp();
  const name = `www.example.com.${S}`;
  for (const from of ['10.244.1.2', '10.244.1.3', '192.0.2.1', 'fd00::2']) {
    t.match(await ask(handler, name, 'A', { from }), { rcode: 'NXDOMAIN', answer: [] }, from);
  }
  t.equal(
    (await ask(handler, 'www.example.com.svc.cluster.local', 'A', pod)).rcode,
    'NXDOMAIN',
    'the walk begins elsewhere',
  );
  t.equal((await ask(handler, 'www.example.com.cluster.local', 'A', pod)).rcode, 'NXDOMAIN');
  t.strictSame(asked, []);
  t.equal((await ask(handler, name, 'A', { from: 'fd00::1' })).rcode, 'NOERROR', 'IPv6');
  zone.setPod('default/a', []);
  t.equal((await ask(handler, name, 'A', pod)).rcode, 'NXDOMAIN', 'the pod is gone');
});

t.test('without the setting nothing of this happens', async (t) => {
  const { zone, asked } = setUp();
  t.equal((await ask(handlerOf(zone), `www.example.com.${S}`, 'A', pod)).rcode, 'NXDOMAIN');
  t.strictSame(asked, []);
});

t.test('names that would be too long are left out', async (t) => {
  const { handler, asked } = setUp([`${'a'.repeat(60)}.${'b'.repeat(60)}.test`]);
  const long = `${'c'.repeat(63)}.${'d'.repeat(63)}.${'e'.repeat(63)}`;
  t.equal((await ask(handler, `${long}.${S}`, 'A', pod)).rcode, 'NXDOMAIN');
  t.strictSame(asked, [`${long}.`]);
});
