import t, { type Test } from 'tap';
import type { Handler } from '../../dns/handler.ts';
import { LoopProbe } from '../../dns/loop-probe.ts';
import { encodeName } from '../../dns/names.ts';
import { renderRecord } from '../../dns/records.ts';
import { Resolver } from '../../dns/resolver.ts';
import { startDnsServer } from '../../dns/server.ts';
import { staticZone } from '../../dns/static-zone.ts';
import type { Question, UpstreamServer } from '../../dns/upstream.ts';
import { Upstreams, type UpstreamPlan } from '../../dns/upstreams.ts';

async function serve(t: Test, handler: Handler): Promise<UpstreamServer> {
  const server = await startDnsServer({ addresses: [{ host: '127.0.0.1', port: 0 }], handler });
  t.teardown(() => server.close());
  const [address] = server.addresses;
  if (!address) throw new Error('no address');
  return address;
}

function questionOf(name: string, type = 1): Question {
  return { name: encodeName(name), type, dnssecOk: false, checkingDisabled: false };
}

interface Fixture {
  readonly upstreams: Upstreams;
  readonly loops: string[];
  plan(change: Partial<UpstreamPlan>): void;
}

function setUp(t: Test, loop = new LoopProbe()): Fixture {
  const loops: string[] = [];
  const upstreams = new Upstreams({
    loop,
    timeoutMs: 500,
    observer: {
      asked: () => undefined,
      health: () => undefined,
      loop: (server, looping) => loops.push(`${server} ${looping}`),
    },
  });
  t.teardown(() => upstreams.close());
  const nothing: UpstreamPlan = { servers: [], stubDomains: [], policy: 'sequential', mixCase: false };
  return { upstreams, loops, plan: (change) => upstreams.setPlan({ ...nothing, ...change }) };
}

async function answerOf({ upstreams }: Fixture, name: string, type = 1): Promise<string[]> {
  return (await upstreams.ask(questionOf(name, type))).answer.map(renderRecord);
}

t.test('the servers of the longest stub domain answer, forwards and backwards', async (t) => {
  const fixture = setUp(t);
  const names = [
    'a.test',
    'a.corp.test',
    'a.lab.corp.test',
    'corp.test',
    'acorp.test',
    '1.0.0.10.in-addr.arpa',
  ];
  const zone = (address: string): Handler =>
    staticZone(Object.fromEntries(names.map((name) => [name, [`A ${address}`]])));
  const [all, corp, lab] = await Promise.all(
    ['192.0.2.1', '192.0.2.2', '192.0.2.3'].map((address) => serve(t, zone(address))),
  );
  if (!all || !corp || !lab) throw new Error('no server');
  fixture.plan({
    servers: [all],
    stubDomains: [
      { zone: encodeName('corp.test'), servers: [corp] },
      { zone: encodeName('lab.corp.test'), servers: [lab] },
      { zone: encodeName('10.in-addr.arpa'), servers: [lab] },
    ],
  });
  const who = await Promise.all(names.map(async (name) => (await answerOf(fixture, name))[0]?.at(-1)));
  t.strictSame(who, ['1', '2', '3', '2', '1', '3']);
});

t.test('an alias out of a stub domain is followed by asking those who know', async (t) => {
  const fixture = setUp(t);
  const corp = await serve(
    t,
    staticZone({
      'www.corp.test': ['CNAME www.example.test'],
      // Not its own to say.
      'www.example.test': ['A 192.0.2.66'],
      'in.corp.test': ['CNAME also.corp.test'],
      'also.corp.test': ['A 10.0.0.1'],
      'loop.corp.test': ['CNAME back.example.test'],
      'gone.corp.test': ['CNAME gone.example.test'],
    }),
  );
  const all = await serve(
    t,
    staticZone({
      'www.example.test': ['CNAME web.example.test'],
      'web.example.test': ['A 192.0.2.1'],
      'back.example.test': ['CNAME loop.corp.test'],
    }),
  );
  fixture.plan({ servers: [all], stubDomains: [{ zone: encodeName('corp.test'), servers: [corp] }] });
  t.strictSame(await answerOf(fixture, 'www.corp.test'), [
    'www.corp.test. 300 IN CNAME www.example.test.',
    'www.example.test. 300 IN CNAME web.example.test.',
    'web.example.test. 300 IN A 192.0.2.1',
  ]);
  t.strictSame(await answerOf(fixture, 'in.corp.test'), [
    'in.corp.test. 300 IN CNAME also.corp.test.',
    'also.corp.test. 300 IN A 10.0.0.1',
  ]);
  t.equal((await fixture.upstreams.ask(questionOf('gone.corp.test'))).rcode, 3);
  await t.rejects(fixture.upstreams.ask(questionOf('loop.corp.test')), { message: /more than 8 times/ });
});

t.test('a server that sends our questions back to us is found out and not asked', async (t) => {
  const loop = new LoopProbe();
  const fixture = setUp(t, loop);
  const resolver = new Resolver({ upstreams: fixture.upstreams, loop });
  const own = await serve(t, (query, out) => resolver.handle(query, out));
  // A forwarder whose own upstream server is this node's DNS, as dnsmasq or systemd-resolved may be set up.
  const between = setUp(t);
  const relay = new Resolver({ upstreams: between.upstreams });
  const circle = await serve(t, (query, out) => relay.handle(query, out));
  between.plan({ servers: [own] });
  const good = await serve(t, staticZone({ 'www.example.test': ['A 192.0.2.1'] }));
  fixture.plan({ servers: [circle, good] });
  while (fixture.loops.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  t.strictSame(fixture.loops, [`127.0.0.1:${circle.port} true`]);
  t.strictSame(await answerOf(fixture, 'www.example.test'), ['www.example.test. 300 IN A 192.0.2.1']);
  fixture.plan({ servers: [circle] });
  while (fixture.loops.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
  await t.rejects(fixture.upstreams.ask(questionOf('www.example.test')), {
    message: /would ask this node's own DNS/,
  });
  t.notOk(fixture.upstreams.isHealthy(encodeName('www.example.test')));
});

t.test('questions under way survive a change of the servers', async (t) => {
  const fixture = setUp(t);
  const gate = Promise.withResolvers<undefined>();
  const asked = Promise.withResolvers<undefined>();
  const zone = staticZone({ 'www.example.test': ['A 192.0.2.1'] });
  const slow = await serve(t, async (query) => {
    const kept = { ...query, packet: Buffer.from(query.packet) };
    if (kept.type === 1) asked.resolve(undefined);
    await gate.promise;
    const out = Buffer.alloc(512);
    return out.subarray(0, zone(kept, out) as number);
  });
  const good = await serve(t, staticZone({ 'www.example.test': ['A 192.0.2.2'] }));
  fixture.plan({ servers: [slow] });
  const early = answerOf(fixture, 'www.example.test');
  await asked.promise;
  fixture.plan({ servers: [good] });
  const late = await answerOf(fixture, 'www.example.test');
  t.strictSame(late, ['www.example.test. 300 IN A 192.0.2.2']);
  gate.resolve(undefined);
  t.strictSame(await early, ['www.example.test. 300 IN A 192.0.2.1'], 'the old server has answered');
  const silent = await serve(t, () => Promise.withResolvers<Uint8Array>().promise);
  fixture.plan({ servers: [silent] });
  const waiting = answerOf(fixture, 'www.example.test');
  fixture.plan({ servers: [good] });
  t.strictSame(await waiting, ['www.example.test. 300 IN A 192.0.2.2'], 'asked again');
});
