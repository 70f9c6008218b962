import { closeSync, fstatSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { close } from '../../netns/libc.ts';
import { openUnixDatagram, receiveUnixDatagram, sendUnixDatagram } from '../../netns/unix-datagram.ts';

const directory = mkdtempSync(join(tmpdir(), 'weft-unix-'));
t.teardown(() => rmSync(directory, { recursive: true }));

function isCloseOnExec(fd: number): boolean {
  return /^flags:\s+02\d{6}$/m.test(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'));
}

for (const [kind, path] of [
  ['a file', join(directory, 'socket')],
  ['an abstract name', `@weft-unix-test-${process.pid}`],
] as const) {
  t.test(`text and open files come through ${kind}`, (t) => {
    const receiver = openUnixDatagram(path);
    t.teardown(() => close(receiver));
    t.equal(receiveUnixDatagram(receiver), undefined, 'nothing waits');

    const file = join(directory, 'file');
    writeFileSync(file, 'written before');
    const sent = Array.from({ length: 253 }, () => openSync(file, 'r'));
    sendUnixDatagram(path, 'three words and', sent);
    const { ino } = fstatSync(sent[0] ?? -1);
    // Whoever sent them may be gone: they are on their way.
    for (const fd of sent) closeSync(fd);
    sendUnixDatagram(path, 'no file');

    const first = receiveUnixDatagram(receiver);
    t.equal(first?.text, 'three words and');
    const received = first?.fds ?? [];
    t.equal(new Set(received).size, 253);
    t.ok(received.every((fd) => fstatSync(fd).ino === ino));
    t.ok(received.every(isCloseOnExec));
    for (const fd of received) closeSync(fd);
    t.same(receiveUnixDatagram(receiver), { text: 'no file', fds: [] });
    t.end();
  });
}

t.test('nobody there is told by name', (t) => {
  t.throws(() => sendUnixDatagram(`@weft-unix-nobody-${process.pid}`, 'hello'), { code: 'ECONNREFUSED' });
  t.throws(() => sendUnixDatagram(join(directory, 'nothing'), 'hello'), { code: 'ENOENT' });
  t.end();
});
