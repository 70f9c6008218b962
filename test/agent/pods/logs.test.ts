import * as fs from 'node:fs';
import t from 'tap';
import { parseLogLine } from '../../../agent/pods/log-file.ts';
import { listRotated } from '../../../agent/pods/log-rotation.ts';
import { readLog } from '../../../agent/pods/log-stream.ts';
import type { LogOptions } from '../../../agent/streams/pod-streams.ts';
import { readAll } from './fake-node.ts';

const time = (second: number): string => `2026-01-01T12:00:${String(second).padStart(2, '0')}.000000001Z`;
const line = (second: number, text: string, tag = 'F', stream = 'stdout'): string =>
  `${time(second)} ${stream} ${tag} ${text}\n`;

function read(log: string, options: Partial<LogOptions> = {}, isRunning = () => false): Promise<string> {
  return readAll(readLog(log, { follow: false, previous: false, timestamps: false, ...options }, isRunning));
}

t.test('lines of the CRI format', (test) => {
  test.match(parseLogLine(Buffer.from('T stdout F a b  c')), { time: 'T', stream: 'stdout', partial: false });
  test.equal(parseLogLine(Buffer.from('T stdout F a b  c'))?.text.toString(), 'a b  c');
  test.equal(parseLogLine(Buffer.from('T stderr P x'))?.partial, true);
  test.equal(parseLogLine(Buffer.from('T stdout F '))?.text.length, 0);
  test.equal(parseLogLine(Buffer.from('T stdout')), undefined);
  test.end();
});

t.test('options choose and show lines', async (test) => {
  const dir = test.testdir({
    '0.log':
      line(1, 'one') + line(2, 'tw', 'P') + line(2, 'o') + line(3, 'three', 'F', 'stderr') + line(4, ''),
  });
  const log = `${dir}/0.log`;
  test.equal(await read(log), 'one\ntwo\nthree\n\n');
  test.equal(await read(log, { tailLines: 2 }), 'three\n\n');
  test.equal(await read(log, { tailLines: 0 }), '');
  test.equal(await read(log, { tailLines: 100 }), 'one\ntwo\nthree\n\n');
  test.equal(await read(log, { timestamps: true, tailLines: 2 }), `${time(3)} three\n${time(4)} \n`);
  const offset = `${dir}/offset.log`;
  fs.writeFileSync(offset, `${time(5).replace('Z', '+00:00')} stdout F five\n`);
  test.equal(await read(offset, { timestamps: true }), `${time(5)} five\n`, "conmon's own way to write UTC");
  test.equal(await read(log, { sinceTime: time(3) }), 'three\n\n');
  test.equal(await read(log, { sinceSeconds: 1 }), '');
  test.equal(await read(log, { limitBytes: 6 }), 'one\ntw');
  test.equal(await read(`${dir}/absent.log`), '');
});

t.test('rotated files come first, and a tail reaches into them', async (test) => {
  const dir = test.testdir({
    '0.log.20260101-000000': line(1, 'a') + line(2, 'b'),
    '0.log.20260102-000000': line(3, 'c'),
    '0.log': line(4, 'd'),
    '1.log': line(5, 'other'),
  });
  test.equal(listRotated(`${dir}/0.log`).length, 2);
  test.equal(await read(`${dir}/0.log`), 'a\nb\nc\nd\n');
  test.equal(await read(`${dir}/0.log`, { tailLines: 3 }), 'b\nc\nd\n');
});

t.test('a tail of a long log', async (test) => {
  const lines = Array.from({ length: 20_000 }, (_, index) => line(1, `line ${index}`));
  const dir = test.testdir({ '0.log': lines.join('') });
  test.equal(await read(`${dir}/0.log`, { tailLines: 2 }), 'line 19998\nline 19999\n');
  const many = (await read(`${dir}/0.log`, { tailLines: 5000 })).split('\n');
  test.equal(many.length, 5001);
  test.equal(many[0], 'line 15000');
});

t.test('following: what is appended, through a rotation, until the end', async (test) => {
  const dir = test.testdir({ '0.log': line(1, 'one') });
  const log = `${dir}/0.log`;
  let isRunning = true;
  const stream = readLog(log, { follow: true, previous: false, timestamps: false }, () => isRunning);
  let seen = '';
  const wait = async (text: string): Promise<void> => {
    while (!seen.endsWith(text)) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  const done = (async () => {
    for await (const chunk of stream) seen += String(chunk);
  })();
  await wait('one\n');
  fs.appendFileSync(log, line(2, 'two').slice(0, 10));
  fs.appendFileSync(log, line(2, 'two').slice(10));
  await wait('two\n');
  fs.appendFileSync(log, line(3, 'three'));
  fs.renameSync(log, `${log}.20260101-000000`);
  fs.writeFileSync(log, line(4, 'four'));
  await wait('four\n');
  fs.appendFileSync(log, line(5, 'five'));
  isRunning = false;
  await done;
  test.equal(seen, 'one\ntwo\nthree\nfour\nfive\n');
});

t.test('a follow ends when its reader goes away', async (test) => {
  const dir = test.testdir({ '0.log': line(1, 'one') });
  const stream = readLog(`${dir}/0.log`, { follow: true, previous: false, timestamps: false }, () => true);
  await new Promise((resolve) => stream.once('data', resolve));
  const closed = new Promise((resolve) => stream.once('close', resolve));
  stream.destroy();
  await closed;
  test.ok(stream.destroyed);
});
