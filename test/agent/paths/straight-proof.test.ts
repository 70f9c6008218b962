import t from 'tap';
import type { Proof } from '../../../agent/paths/straight-proof.ts';
import { isBlocked, judge, newProof, nextLookMs } from '../../../agent/paths/straight-proof.ts';

const timing = { keepMs: 1_000, hastyMs: 250, holdMs: 5_000 };
const nowMs = 1_000_000;

/** What is known after echoes that were answered (`+`), were not (`-`), or were not while the peer was away (`0`). */
function after(marks: string, start: Proof = newProof(false, nowMs), atMs = nowMs): Proof {
  return Array.from(marks).reduce(
    (proof, mark) => judge(proof, { answered: mark === '+', isAlive: mark !== '0' }, atMs),
    start,
  );
}

t.test('what is proven', (t) => {
  const cases: [marks: string, proven: boolean, why: string][] = [
    ['', false, 'nothing is taken on trust'],
    ['+', true, 'one answer shows it'],
    ['----+', true, 'however long there was none'],
    ['+--+--', true, 'a loss or two is nothing'],
    ['+---', false, 'three in a row are'],
    ['+---++', false, 'what has failed must do better'],
    ['+---++-++', false, 'in a row'],
    ['+---+++', true, 'three times'],
  ];
  for (const [marks, proven, why] of cases) t.equal(after(marks).proven, proven, `${marks}: ${why}`);
  t.equal(after('--', newProof(true, nowMs)).proven, true, 'what packets take already stays');
  t.end();
});

t.test('when it is asked again', (t) => {
  const cases: [marks: string, ms: number][] = [
    ['', 0],
    ['+', 1_000],
    ['+-', 250],
    ['+-+', 1_000],
    ['-', 1_000],
    ['--', 2_000],
    ['----------', 4_000],
    ['-----------', 30_000],
    ['+---', 5_000],
    ['+---+', 1_000],
    ['+---+++---', 10_000],
  ];
  for (const [marks, ms] of cases) t.equal(nextLookMs(after(marks), timing, 10), ms, marks);
  t.equal(nextLookMs(after('+'), timing, 2_000), 40_000, 'of many each more seldom');
  t.equal(
    nextLookMs(after('+---+++---+++---+++---+++---+++---+++---'), timing, 1),
    300_000,
    'at least so often',
  );
  const old = after('+', after('+---+++'), nowMs + 700_000);
  t.equal(nextLookMs(after('---', old), timing, 1), 5_000, 'failures are forgotten');
  t.end();
});

t.test('what is told', (t) => {
  const cases: [marks: string, blocked: boolean][] = [
    ['---', false],
    ['----', true],
    ['0000', false],
    ['+----', true],
    ['+---0', false],
    ['+', false],
  ];
  for (const [marks, blocked] of cases) t.equal(isBlocked(after(marks)), blocked, marks);
  t.end();
});
