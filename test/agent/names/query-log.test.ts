import t from 'tap';
import { QueryLog } from '../../../agent/names/query-log.ts';
import type { Exchange } from '../../../dns/handler.ts';
import { createQuery, parseQuery } from '../../../dns/question.ts';
import { encodeQuery } from '../../../rig/dns-query.ts';

const query = createQuery();
parseQuery(encodeQuery('Web.Shop\\.x.svc', 'SRV'), 'udp', query);
query.client = new Uint8Array([10, 244, 1, 7]);

const exchange = (rcode: number): Exchange => ({
  protocol: 'udp',
  family: 4,
  query,
  queryBytes: 40,
  answerBytes: 100,
  rcode,
  seconds: 0.0001234,
});

t.test('one query in so many', (t) => {
  const log = new QueryLog({ oneIn: 3 });
  const taken = Array.from({ length: 7 }, () => log.note(exchange(0)) !== undefined);
  t.strictSame(taken, [false, false, true, false, false, true, false]);
  t.ok(new QueryLog({ oneIn: 1 }).note(exchange(3)), 'all of them');
  t.end();
});

t.test('errors only', (t) => {
  const log = new QueryLog('errors');
  const taken = [0, 1, 2, 3, 4, 5].filter((rcode) => log.note(exchange(rcode)));
  t.strictSame(taken, [1, 2, 4, 5], 'a name that does not exist is no error');
  t.end();
});

t.test('a line has what was asked, by whom, and what came of it', (t) => {
  t.match(new QueryLog('errors').note(exchange(2)), {
    client: '10.244.1.7',
    type: 'SRV',
    id: 4711,
    protocol: 'udp',
    queryBytes: 40,
    answerBytes: 100,
    rcode: 'SERVFAIL',
    milliseconds: 0.123,
  });
  const unreadable = new QueryLog('errors').note({ ...exchange(1), query: undefined });
  t.match(unreadable, { rcode: 'FORMERR', client: undefined });
  t.end();
});

t.test('never more than the log can take', (t) => {
  let now = 5;
  const log = new QueryLog({ oneIn: 1 }, () => now);
  const count = (queries: number): number =>
    Array.from({ length: queries }, () => log.note(exchange(0))).filter(Boolean).length;
  t.equal(count(250), 100);
  now += 0.9;
  t.equal(count(10), 0);
  now += 0.1;
  t.match(log.note(exchange(0)), { notLogged: 160 }, 'how many are missing is told');
  t.notMatch(log.note(exchange(0)), { notLogged: Number });
  t.end();
});
