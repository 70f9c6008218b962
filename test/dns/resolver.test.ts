import t from 'tap';
import { clusterHandler } from '../../dns/cluster-handler.ts';
import { DnsError } from '../../dns/dns-error.ts';
import type { Handler } from '../../dns/handler.ts';
import type { Message } from '../../dns/message.ts';
import { encodeName, renderName } from '../../dns/names.ts';
import { authorityData, parseRecord } from '../../dns/records.ts';
import { Resolver, type ResolverOptions } from '../../dns/resolver.ts';
import type { Question } from '../../dns/upstream.ts';
import { TYPE } from '../../dns/wire.ts';
import { createZone, setService } from './cluster.ts';
import { ask } from './exchange.ts';

function message(
  question: Question,
  rcode: number,
  answer: string[],
  soa?: { ttl: number; minimum: number },
): Message {
  const name = renderName(question.name);
  const data = authorityData({
    primary: encodeName('ns.test'),
    mailbox: encodeName('root.test'),
    serial: 1,
    refreshSeconds: 1,
    retrySeconds: 1,
    expireSeconds: 1,
    minimumSeconds: soa?.minimum ?? 0,
  });
  return {
    id: 1,
    flags: 0x81a0,
    rcode,
    name: question.name,
    type: question.type,
    class: 1,
    answer: answer.map((text) => {
      const [owner, rest] = text.includes('|') ? (text.split('|') as [string, string]) : [name, text];
      return parseRecord(owner, rest, 60);
    }),
    authority: soa ? [{ name: encodeName('test'), type: TYPE.SOA, ttlSeconds: soa.ttl, data }] : [],
    additional: [],
  };
}

/** A resolver over an upstream that is a function, with a clock that is a variable. */
function setUp(
  answer: (question: Question) => Message | Promise<Message>,
  options: Partial<ResolverOptions> = {},
) {
  const state = { now: 1000, asked: [] as string[], healthy: true, seen: [] as string[] };
  const resolver = new Resolver({
    upstreams: {
      ask: async (question) => {
        state.asked.push(`${renderName(question.name)} ${question.type}`);
        return answer(question);
      },
      isHealthy: () => state.healthy,
    },
    now: () => state.now,
    observer: {
      hit: (kind) => state.seen.push(kind),
      miss: () => state.seen.push('miss'),
      stale: () => state.seen.push('stale'),
    },
    ...options,
  });
  const handler: Handler = (query, out) => resolver.handle(query, out);
  return { state, resolver, handler };
}

t.test('an answer is asked for once, and ages', async (t) => {
  const { state, handler } = setUp((question) => message(question, 0, ['300 A 192.0.2.1']));
  t.strictSame((await ask(handler, 'a.test', 'A')).answer, ['a.test. 300 A 192.0.2.1']);
  state.now += 100.9;
  const cached = await ask(handler, 'A.test', 'A');
  t.strictSame(cached.answer, ['A.test. 200 A 192.0.2.1'], 'case as asked');
  t.equal(cached.flags, 'qr rd ra', 'not authoritative; no AD for who did not ask for it');
  t.strictSame(state.asked, ['a.test. 1']);
  state.now += 199.2;
  t.strictSame((await ask(handler, 'a.test', 'A')).answer, ['a.test. 300 A 192.0.2.1']);
  t.equal(state.asked.length, 2, 'its time was over');
  await ask(handler, 'a.test', 'AAAA');
  await ask(handler, 'a.test', 'A', { edns: 1232, dnssecOk: true });
  t.equal(state.asked.length, 4, 'other questions');
  t.strictSame(state.seen, ['miss', 'success', 'miss', 'miss', 'miss']);
});

t.test('lifetimes: floor, ceiling, the least of all records', async (t) => {
  const table: [ttl: number, lifetime: number][] = [
    [0, 5],
    [60, 60],
    [100_000, 3600],
  ];
  for (const [ttl, lifetime] of table) {
    const { state, handler } = setUp((question) =>
      message(question, 0, [`999999 CNAME b.test`, `b.test|${ttl} A 192.0.2.1`]),
    );
    await ask(handler, 'a.test', 'A');
    state.now += lifetime - 0.1;
    await ask(handler, 'a.test', 'A');
    t.equal(state.asked.length, 1, `TTL ${ttl} lasts`);
    state.now += 0.2;
    await ask(handler, 'a.test', 'A');
    t.equal(state.asked.length, 2, `TTL ${ttl} ends`);
  }
});

t.test(
  'negative answers are kept as their SOA says, those without SOA not at all, failures for a moment',
  async (t) => {
    const table: [
      rcode: number,
      answer: string[],
      soa: { ttl: number; minimum: number } | undefined,
      lifetime: number,
    ][] = [
      [3, [], { ttl: 900, minimum: 60 }, 60],
      [0, [], { ttl: 60, minimum: 900 }, 60],
      [0, ['30 CNAME b.test'], { ttl: 60, minimum: 900 }, 30],
      [3, [], { ttl: 90_000, minimum: 90_000 }, 1800],
      [3, [], undefined, 0],
      // RFC 9520: against storms, not as an answer.
      [2, [], { ttl: 900, minimum: 900 }, 1],
    ];
    for (const [rcode, answer, soa, lifetime] of table) {
      const { state, handler } = setUp((question) => message(question, rcode, answer, soa));
      await ask(handler, 'a.test', 'A');
      if (lifetime > 0) {
        state.now += lifetime - 0.1;
        await ask(handler, 'a.test', 'A');
        t.equal(state.asked.length, 1, `rcode ${rcode} lasts ${lifetime} s`);
      }
      state.now += 0.2;
      await ask(handler, 'a.test', 'A');
      t.equal(state.asked.length, 2, `rcode ${rcode} ends`);
    }
  },
);

t.test('the same question at the same time goes out once', async (t) => {
  const gate = Promise.withResolvers<undefined>();
  const { state, handler } = setUp(async (question) => {
    await gate.promise;
    return message(question, 0, ['A 192.0.2.1']);
  });
  const asking = Promise.all(Array.from({ length: 20 }, (_, id) => ask(handler, 'a.test', 'A', { id })));
  gate.resolve(undefined);
  t.ok((await asking).every(({ answer }) => answer.length === 1));
  t.equal(state.asked.length, 1);
});

t.test('too many questions at once are refused instead of piling up', async (t) => {
  const gate = Promise.withResolvers<undefined>();
  const { state, handler } = setUp(
    async (question) => {
      await gate.promise;
      return message(question, 0, ['A 192.0.2.1']);
    },
    { maxPending: 2 },
  );
  const [a, b, c] = [ask(handler, 'a.test', 'A'), ask(handler, 'b.test', 'A'), ask(handler, 'c.test', 'A')];
  t.equal((await c).rcode, 'SERVFAIL');
  gate.resolve(undefined);
  t.strictSame([(await a).rcode, (await b).rcode], ['NOERROR', 'NOERROR']);
  t.equal(state.asked.length, 2);
  t.equal((await ask(handler, 'c.test', 'A')).rcode, 'NOERROR', 'there is room again');
});

t.test('too many queries that wait are refused, whatever they ask', async (t) => {
  const gate = Promise.withResolvers<undefined>();
  const { handler } = setUp(
    async (question) => {
      await gate.promise;
      return message(question, 0, ['A 192.0.2.1']);
    },
    { maxWaiting: 2 },
  );
  const asking = [1, 2, 3].map((id) => ask(handler, 'a.test', 'A', { id }));
  t.equal((await asking[2])?.rcode, 'SERVFAIL');
  gate.resolve(undefined);
  t.equal((await asking[1])?.rcode, 'NOERROR');
  t.equal((await ask(handler, 'b.test', 'A')).rcode, 'NOERROR', 'there is room again');
});

t.test('who may wait can be decided by client', async (t) => {
  let waiting = 0;
  const { state, handler } = setUp((question) => message(question, 0, ['A 192.0.2.1']), {
    admit: (query) => {
      if (renderName(query.name) === 'no.test.') return undefined;
      waiting += 1;
      return () => {
        waiting -= 1;
      };
    },
  });
  t.equal((await ask(handler, 'no.test', 'A')).rcode, 'SERVFAIL');
  const asking = ask(handler, 'yes.test', 'A');
  t.equal(waiting, 1);
  t.equal((await asking).rcode, 'NOERROR');
  t.equal(waiting, 0);
  t.strictSame(state.asked, ['yes.test. 1']);
  await ask(handler, 'yes.test', 'A');
  t.equal(waiting, 0, 'what is cached waits for nobody');
});

t.test('a failure is remembered for a second', async (t) => {
  let up = false;
  const { state, handler } = setUp((question) => {
    if (!up) throw new DnsError('NoUpstream', 'down');
    return message(question, 0, ['A 192.0.2.1']);
  });
  t.equal((await ask(handler, 'a.test', 'A')).rcode, 'SERVFAIL');
  up = true;
  t.equal((await ask(handler, 'a.test', 'A')).rcode, 'SERVFAIL');
  t.equal(state.asked.length, 1);
  state.now += 1.1;
  t.equal((await ask(handler, 'a.test', 'A')).rcode, 'NOERROR');
});

t.test('a negative answer says how long it holds', async (t) => {
  const { handler, state } = setUp((question) => message(question, 3, [], { ttl: 900, minimum: 60 }));
  t.match((await ask(handler, 'a.test', 'A')).authority, [/^test\. 60 SOA/]);
  state.now += 20;
  t.match((await ask(handler, 'a.test', 'A')).authority, [/^test\. 40 SOA/]);
});

t.test('while upstream servers fail, old answers stand', async (t) => {
  let up = true;
  const { state, handler } = setUp((question) => {
    if (!up) throw new DnsError('NoUpstream', 'down');
    return message(question, 0, ['60 A 192.0.2.1']);
  });
  await ask(handler, 'a.test', 'A');
  up = false;
  state.now += 3600;
  t.strictSame(
    (await ask(handler, 'a.test', 'A')).answer,
    ['a.test. 30 A 192.0.2.1'],
    'RFC 8767: 30 seconds',
  );
  t.equal((await ask(handler, 'b.test', 'A')).rcode, 'SERVFAIL', 'never heard of');
  up = true;
  const before = state.asked.length;
  t.strictSame((await ask(handler, 'a.test', 'A')).answer, ['a.test. 30 A 192.0.2.1']);
  t.equal(state.asked.length, before, 'RFC 8767: not asked again so soon');
  state.now += 31;
  t.strictSame((await ask(handler, 'a.test', 'A')).answer, ['a.test. 60 A 192.0.2.1']);
  up = false;
  state.now += 60 + 86_401;
  t.equal((await ask(handler, 'a.test', 'A')).rcode, 'SERVFAIL', 'too old');
  t.ok(state.seen.includes('stale'));
});

t.test('with all upstream servers known dead, the old answer comes at once', async (t) => {
  const never = Promise.withResolvers<Message>();
  let first = true;
  const { state, handler } = setUp((question) => {
    if (!first) return never.promise;
    first = false;
    return message(question, 0, ['60 A 192.0.2.1']);
  });
  await ask(handler, 'a.test', 'A');
  state.now += 61;
  state.healthy = false;
  t.equal((await ask(handler, 'a.test', 'A')).answer.length, 1);
});

t.test('an answer in use is fetched anew before it ends', async (t) => {
  const { state, handler } = setUp((question) => message(question, 0, ['100 A 192.0.2.1']));
  await ask(handler, 'a.test', 'A');
  state.now += 91;
  await ask(handler, 'a.test', 'A');
  t.equal(state.asked.length, 1, 'asked for once: not worth it');
  await ask(handler, 'a.test', 'A');
  await new Promise(setImmediate);
  t.equal(state.asked.length, 2);
  t.strictSame((await ask(handler, 'a.test', 'A')).answer, ['a.test. 100 A 192.0.2.1']);
});

t.test('ANY of other names is not passed on', async (t) => {
  const { state, handler } = setUp((question) => message(question, 0, []));
  t.strictSame((await ask(handler, 'a.test', 'ANY')).answer, ['a.test. 3600 HINFO "RFC8482" ""']);
  t.strictSame(state.asked, []);
});

t.test('AD reaches those who asked for it', async (t) => {
  const { handler } = setUp((question) => message(question, 0, ['A 192.0.2.1']));
  t.equal((await ask(handler, 'a.test', 'A', { edns: 1232, dnssecOk: true })).flags, 'qr rd ra ad');
});

t.test('an ExternalName is followed out of the cluster', async (t) => {
  const { resolver, state } = setUp((question) =>
    renderName(question.name) === 'www.example.test.'
      ? message(question, 0, [
          '60 CNAME web.example.test',
          'web.example.test|60 A 192.0.2.1',
          'web.example.test|60 A 192.0.2.2',
        ])
      : message(question, 3, [], { ttl: 60, minimum: 60 }),
  );
  const zone = createZone();
  const external = (name: string, externalName: string) =>
    setService(zone, name, { type: 'ExternalName', externalName });
  external('ext', 'WWW.example.test.');
  external('gone', 'gone.example.test');
  const handler = clusterHandler({ zone, synced: () => true, podsSynced: () => true, resolver });
  const S = 'default.svc.cluster.local';
  const reply = await ask(handler, `ext.${S}`, 'A');
  t.strictSame(reply.answer.slice(0, 2), [
    `ext.${S}. 5 CNAME www.example.test.`,
    'www.example.test. 60 CNAME web.example.test.',
  ]);
  t.strictSame(reply.answer.slice(2).sort(), [
    'web.example.test. 60 A 192.0.2.1',
    'web.example.test. 60 A 192.0.2.2',
  ]);
  state.now += 20;
  const later = await ask(handler, `ext.${S}`, 'A');
  t.equal(later.answer[0], `ext.${S}. 5 CNAME www.example.test.`);
  t.equal(later.answer[1], 'www.example.test. 40 CNAME web.example.test.', 'from the cache, aged');
  const gone = await ask(handler, `gone.${S}`, 'A');
  t.match(gone, { rcode: 'NXDOMAIN', answer: [`gone.${S}. 5 CNAME gone.example.test.`] });
  t.match(gone.authority, [/^test\. 60 SOA/]);
  t.strictSame(state.asked, ['www.example.test. 1', 'gone.example.test. 1']);
});
