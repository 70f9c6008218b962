import t from 'tap';
import { encodeAnswer, renderAnswer, type Answer } from '../../dns/answer.ts';
import { AnswerCache } from '../../dns/cache.ts';
import { encodeName } from '../../dns/names.ts';
import { createQuery, parseQuery, type Query } from '../../dns/question.ts';
import { parseRecord } from '../../dns/records.ts';
import { encodeQuery } from '../../rig/dns-query.ts';
import { readReply } from './exchange.ts';

const NAME = encodeName('a.test');
const lifetime = { storedAt: 10, expiresAt: 70 };

function answerOf(...records: string[]): Answer {
  const answer = records.map((text) => parseRecord('a.test', text, 60));
  const authority = [parseRecord('test', 'NS ns.test', 30)];
  return encodeAnswer({ rcode: 0, flags: 0, answer, authority }, { nameBytes: NAME.length, suffix: NAME });
}

function addresses(count: number): Answer {
  return answerOf(...Array.from({ length: count }, (_, index) => `A 192.0.2.${index % 256}`));
}

const one = addresses(1);

/** Texts of the whole cache: which of so many names are in it. */
function found(cache: AnswerCache, count: number): number[] {
  return Array.from({ length: count }, (_, index) => index).filter(
    (index) => cache.find(`name ${index}`, 4) >= 0,
  );
}

t.test('answers are kept by name and kind, with their times', (t) => {
  const cache = new AnswerCache(1 << 20);
  t.equal(cache.find(NAME, 4), -1);
  cache.set(NAME, 4, addresses(1), lifetime);
  const at = cache.find(NAME, 4);
  const { memory } = cache;
  t.strictSame([memory.storedAt(at), memory.expiresAt(at), memory.keptUntil(at)], [10, 70, 70]);
  t.equal(cache.find(NAME, 5), -1);
  t.equal(cache.find(encodeName('b.test'), 4), -1);
  t.equal(cache.find(encodeName('aa.test'), 4), -1);
  memory.countHit(at);
  memory.keep(at, 100);
  t.strictSame([memory.hitsAt(at), memory.keptUntil(at), memory.expiresAt(at)], [1, 100, 70]);
  cache.set(NAME, 4, addresses(2), { storedAt: 20, expiresAt: 80 });
  t.equal(cache.size, 1);
  const newer = cache.find(NAME, 4);
  t.strictSame([memory.storedAt(newer), memory.hitsAt(newer), memory.keptUntil(newer)], [20, 0, 80]);
  t.end();
});

t.test('what is read is what was written', (t) => {
  const cache = new AnswerCache(1 << 20);
  for (const answer of [addresses(0), addresses(1), addresses(3), answerOf('CNAME b.test'), addresses(200)]) {
    cache.set(NAME, 4, answer, lifetime);
    const { alias: _, ...fields } = answer;
    t.strictSame(cache.memory.read(cache.find(NAME, 4)), fields);
  }
  t.end();
});

t.test('it answers as the answer itself does: rotated, aged, cut', (t) => {
  const queries: Query[] = [{}, { edns: 1232 }, { edns: 1232, dnssecOk: true }].flatMap((options) =>
    (['udp', 'tcp'] as const).map((protocol) => {
      const query = createQuery();
      parseQuery(encodeQuery('A.tesT', 'A', options), protocol, query);
      return query;
    }),
  );
  for (const count of [0, 1, 2, 3, 28, 60, 300]) {
    const cache = new AnswerCache(1 << 20);
    const answer = addresses(count);
    cache.set(NAME, 4, answer, lifetime);
    const at = cache.find(NAME, 4);
    const out = Buffer.alloc(65535);
    for (const query of queries) {
      for (const age of [0, 7, 45, 61]) {
        answer.turn = cache.memory.read(at).turn;
        const expected = Buffer.from(renderAnswer(query, answer, age));
        const length = cache.memory.answer(at, query, out, age);
        t.strictSame(readReply(out.subarray(0, length)), readReply(expected), `${count} records, age ${age}`);
        t.ok(out.subarray(0, length).equals(expected), 'to the byte');
      }
    }
  }
  t.end();
});

t.test('memory is bounded; the oldest go, but not those in use', (t) => {
  const cache = new AnswerCache(20_000);
  let mostBytes = 0;
  for (let index = 0; index < 2000; index += 1) {
    const used = cache.find('name 0', 4);
    if (used >= 0) cache.memory.countHit(used);
    cache.set(`name ${index}`, 4, addresses(1 + (index % 5)), lifetime);
    mostBytes = Math.max(mostBytes, cache.bytes);
    if (cache.find(`name ${index}`, 4) < 0) t.fail('the newest is gone');
  }
  const left = found(cache, 2000);
  t.equal(left.length, cache.size);
  t.ok(mostBytes <= 20_000);
  t.equal(left[0], 0, 'in use');
  t.ok(left.length > 40, `${left.length} others`);
  t.ok((left[1] ?? 0) > 1800, 'new ones');
  cache.set('huge', 4, addresses(1000), lifetime);
  t.equal(cache.find('huge', 4), -1, 'larger than its share');
  t.equal(found(cache, 2000).length, left.length, 'and nothing was given up for it');
  t.end();
});

t.test('an answer that was saved from being overwritten does not push out the one it made room for', (t) => {
  // A small table, whose buckets are often full; the hash differs from one cache to the next.
  for (let round = 0; round < 200; round += 1) {
    const cache = new AnswerCache(2400);
    let gone = 0;
    for (let index = 0; index < 200; index += 1) {
      for (const name of [index - 1, index - 2, index - 3]) {
        const used = cache.find(`name ${name}`, 4);
        if (used >= 0) cache.memory.countHit(used);
      }
      cache.set(`name ${index}`, 4, one, lifetime);
      if (cache.find(`name ${index}`, 4) < 0) gone += 1;
    }
    if (gone > 0) t.fail(`${gone} new ones are gone`);
  }
  t.end();
});

t.test('entries are neither lost nor mixed up, whatever comes and goes', (t) => {
  const cache = new AnswerCache(30_000);
  let state = 1;
  const random = (below: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % below;
  };
  for (let step = 0; step < 20_000; step += 1) {
    const name = `name ${random(400)}`;
    const at = cache.find(name, 4);
    if (at >= 0) {
      cache.memory.countHit(at);
      const count = Number(name.slice(5)) % 40;
      const { answerCount, records } = cache.memory.read(at);
      if (answerCount !== count || records.length !== addresses(count).records.length)
        t.fail(`${name} changed`);
    } else {
      cache.set(name, 4, addresses(Number(name.slice(5)) % 40), lifetime);
    }
  }
  t.equal(found(cache, 400).length, cache.size);
  t.ok(cache.size > 40);
  t.end();
});

t.test('questions of one hash push each other out, and cost no more than others', (t) => {
  // One bucket of eight: every name has the same place.
  const cache = new AnswerCache(800);
  t.doesNotThrow(() => {
    for (let index = 0; index < 1000; index += 1) cache.set(`name ${index}`, 4, addresses(0), lifetime);
  });
  t.ok(cache.size <= 8);
  t.end();
});
