import t from 'tap';
import { encodeAnswer, type Answer } from '../../dns/answer.ts';
import { AnswerCache } from '../../dns/cache.ts';
import { encodeName } from '../../dns/names.ts';
import { parseRecord } from '../../dns/records.ts';

function answerOf(records: number): Answer {
  const answer = Array.from({ length: records }, () => parseRecord('a.test', 'A 192.0.2.1', 60));
  return encodeAnswer({ rcode: 0, flags: 0, answer }, { nameBytes: 8, suffix: encodeName('a.test') });
}

t.test('answers are kept by key, with their times', (t) => {
  const cache = new AnswerCache(1 << 20);
  t.equal(cache.get('a'), undefined);
  const answer = answerOf(1);
  cache.set('a', answer, 10, 70);
  t.match(cache.get('a'), { storedAt: 10, expiresAt: 70, hits: 1 });
  t.equal(cache.get('a')?.answer, answer);
  cache.set('a', answerOf(2), 20, 80);
  t.equal(cache.size, 1);
  t.equal(cache.get('a')?.answer.answerCount, 2);
  cache.remove('a');
  cache.remove('a');
  t.equal(cache.size, 0);
  t.equal(cache.bytes, 0);
  t.end();
});

t.test('memory is bounded; the ones not asked for longest go', (t) => {
  const cache = new AnswerCache(10_000);
  for (let index = 0; index < 1000; index += 1) {
    cache.get('name 0');
    cache.set(`name ${index}`, answerOf(1), 0, 60);
    t.ok(cache.bytes <= 10_000);
  }
  t.ok(cache.get('name 0'), 'in use');
  t.ok(cache.get('name 999'), 'new');
  t.equal(cache.get('name 1'), undefined, 'neither');
  t.ok(cache.size > 10);
  cache.set('huge', answerOf(1000), 0, 60);
  t.equal(cache.get('huge'), undefined, 'larger than all');
  t.ok(cache.get('name 999'), 'and nothing was given up for it');
  t.end();
});
