import { existsSync, mkdirSync, readFileSync, rmdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import type { IpamOptions } from '../../cni/ipam.ts';
import { Ipam } from '../../cni/ipam.ts';
import { readState } from '../../cni/lease-file.ts';
import { eventually } from '../api/eventually.ts';

function options(t: { testdir(): string }): IpamOptions {
  const file = path.join(t.testdir(), 'network', 'leases.json');
  return { file, ranges: ['10.244.1.0/24'], reserved: ['10.244.1.1'], restMs: 1000, bootId: 'boot1' };
}

/** What is written of a log: zeros follow. */
function logText(file: string): string {
  return readFileSync(`${file}.log`, 'utf8').split('\0', 1)[0] ?? '';
}

t.test('a lease is on disk before it is told to be', async (t) => {
  const settings = options(t);
  const { addresses, saved } = Ipam.open({ ...settings, now: () => 1000 }).allocate('a');
  await saved;
  t.match(JSON.parse(readFileSync(settings.file, 'utf8')), { leases: { a: { addresses } } });
  t.notOk(existsSync(`${settings.file}.new`));
  const again = Ipam.open(settings);
  t.same([...again.leases], [['a', { addresses: ['10.244.1.2'], since: 1000 }]]);
  const repeated = again.allocate('a');
  await repeated.saved;
  t.same(repeated.addresses, addresses);
});

t.test('what a write that was killed left is removed', async (t) => {
  const settings = options(t);
  await Ipam.open(settings).allocate('a').saved;
  writeFileSync(`${settings.file}.new`, '{"leases":{"b":');
  t.same([...Ipam.open(settings).leases.keys()], ['a']);
  t.notOk(existsSync(`${settings.file}.new`));
});

t.test('many at once share writes and are all there', async (t) => {
  const settings = options(t);
  const ipam = Ipam.open(settings);
  const allocations = Array.from({ length: 100 }, (_, i) => ipam.allocate(`pod${i}`));
  await Promise.all(allocations.map(({ saved }) => saved));
  t.same(Ipam.open(settings).leases, ipam.leases);
  await ipam.retain(new Set(['pod7', 'pod8']));
  t.same([...Ipam.open(settings).leases.keys()], ['pod7', 'pod8']);
  await ipam.release('pod7');
  await ipam.release('pod7');
  t.same([...Ipam.open(settings).leases.keys()], ['pod8']);
});

t.test('leases of an earlier boot belong to nobody, and the walk goes on', async (t) => {
  const settings = options(t);
  await Ipam.open(settings).allocate('a').saved;
  const rebooted = Ipam.open({ ...settings, bootId: 'boot2' });
  t.equal(rebooted.leases.size, 0);
  t.same(rebooted.allocate('b').addresses, ['10.244.1.3']);
  await rebooted.release('b');
});

t.test('a disk that refuses is told to everybody who waits, and the next try is a new one', async (t) => {
  const settings = options(t);
  await Ipam.open(settings).allocate('a').saved;
  const ipam = Ipam.open(settings);
  const blocker = `${settings.file}.new`;
  mkdirSync(blocker);
  const [b, c] = [ipam.allocate('b'), ipam.allocate('c')];
  await t.rejects(b.saved, { code: 'unsaved', message: /EISDIR/ });
  await t.rejects(c.saved, { code: 'unsaved', message: /EISDIR/ });
  rmdirSync(blocker);
  await ipam.allocate('d').saved;
  t.same([...Ipam.open(settings).leases.keys()], ['a', 'b', 'c', 'd']);
});

t.test('what a disk refused it is told when it takes it again', async (t) => {
  const settings = { ...options(t), retryMs: 10 };
  const onDisk = (): string[] => Object.keys(readState(settings.file, 'boot1').leases);
  const ipam = Ipam.open(settings);
  const blocker = `${settings.file}.new`;
  mkdirSync(blocker);
  await t.rejects(ipam.allocate('a').saved, { code: 'unsaved' });
  await t.rejects(
    ipam.allocate('a').saved,
    { code: 'unsaved' },
    'who asks again is not told of the last time',
  );
  await t.rejects(ipam.release('nobody'), { code: 'unsaved' }, 'nor that all is well');
  rmdirSync(blocker);
  await eventually('it is told by itself', () => onDisk().includes('a'));
  const other = Ipam.open({ ...settings, retryMs: 1e6 });
  mkdirSync(blocker);
  await t.rejects(other.release('a'), { code: 'unsaved' });
  t.same(onDisk(), ['a']);
  rmdirSync(blocker);
  await other.release('a');
  t.same(onDisk(), [], 'or by who asks again');
});

t.test('changes are told by a log until it is long', async (t) => {
  const settings = options(t);
  const ipam = Ipam.open<string>(settings);
  const log = `${settings.file}.log`;
  const snapshot = (): Record<string, unknown> =>
    (JSON.parse(readFileSync(settings.file, 'utf8')) as { leases: Record<string, unknown> }).leases;
  await ipam.allocate('a').saved;
  await ipam.allocate('b').saved;
  await ipam.release('a');
  t.same(Object.keys(snapshot()), ['a']);
  t.same([...Ipam.open(settings).leases.keys()], ['b']);
  t.throws(() => Ipam.open({ ...settings, ranges: ['10.244.1.0/30'] }).probe(), { code: 'resting' });
  const { size } = statSync(log);
  await ipam.allocate('c', { record: 'x'.repeat(size - logText(settings.file).length) }).saved;
  t.same(Object.keys(snapshot()), ['b', 'c'], 'what does not fit into it is in the snapshot');
  t.equal(logText(settings.file), '');
  await ipam.allocate('d').saved;
  t.same(Object.keys(snapshot()), ['b', 'c']);
  t.equal(statSync(log).size, size, 'its length is always the same');
  t.same(Ipam.open(settings).leases, ipam.leases);
});

t.test('a line that a crash cut off was promised to nobody', async (t) => {
  const settings = options(t);
  const ipam = Ipam.open(settings);
  for (const owner of ['a', 'b']) await ipam.allocate(owner).saved;
  const log = `${settings.file}.log`;
  const [snapshot, whole] = [readFileSync(settings.file, 'utf8'), logText(settings.file)];
  const line = '[{"owner":"c","lease":{"addresses":["10.244.1.9"],"since":1},"next":{}}]';
  for (const half of [
    '',
    line.slice(0, 30),
    line,
    '\0\0\0\0',
    `${line.slice(0, 30)}\0\0\0\0`,
    // A disk writes a line's sectors in any order.
    `\0\0\0\0${line.slice(4)}\n`,
    `${line.slice(0, 30)}\0\0\0\0${line.slice(34)}\n`,
  ]) {
    writeFileSync(settings.file, snapshot);
    writeFileSync(log, whole + half);
    const again = Ipam.open(settings);
    t.same([...again.leases.keys()], ['a', 'b'], half);
    await again.allocate('d').saved;
    t.same([...Ipam.open(settings).leases.keys()], ['a', 'b', 'd'], 'and nothing is written behind it');
  }
});

t.test('a crash between the new snapshot and the end of the old log', async (t) => {
  const settings = options(t);
  const ipam = Ipam.open(settings);
  for (const owner of ['a', 'b', 'c']) await ipam.allocate(owner).saved;
  await ipam.release('b');
  await ipam.allocate('d', { addresses: ['10.244.1.3'] }).saved;
  const log = `${settings.file}.log`;
  const old = readFileSync(log);
  const again = Ipam.open(settings);
  await again.allocate('e').saved;
  t.equal(logText(settings.file), '');
  // Of zeros over it the disk has written all, a part, or none.
  for (const end of [old.length, old.indexOf(10, old.indexOf(10) + 1) + 1, 0]) {
    writeFileSync(log, Buffer.concat([old.subarray(0, end), Buffer.alloc(old.length - end)]));
    t.same(
      Object.fromEntries(
        [...Ipam.open(settings).leases].map(([owner, lease]) => [owner, lease.addresses[0]]),
      ),
      { a: '10.244.1.2', c: '10.244.1.4', d: '10.244.1.3', e: '10.244.1.5' },
    );
  }
  const rebooted = Ipam.open({ ...settings, bootId: 'boot2' });
  await rebooted.allocate('f').saved;
  writeFileSync(log, old);
  t.same([...Ipam.open({ ...settings, bootId: 'boot2' }).leases.keys()], ['f'], 'nor is it of this boot');
});

t.test('a log that is none', async (t) => {
  const settings = options(t);
  const ipam = Ipam.open(settings);
  for (const owner of ['a', 'b']) await ipam.allocate(owner).saved;
  const log = `${settings.file}.log`;
  const [head = '', line = ''] = logText(settings.file).split('\n');
  for (const lines of [
    ['{', line],
    [head, '{', line],
    [head, '[{"owner":"c","lease":{"addresses":["10.244.1"]},"next":{}}]'],
  ]) {
    writeFileSync(log, `${lines.join('\n')}\n`);
    const error = { name: 'IpamError', code: 'corrupt', message: /leases\.json\.log/ };
    t.throws(() => Ipam.open(settings), error, lines.join(' '));
  }
});

t.test('a file that is none', async (t) => {
  const settings = options(t);
  await Ipam.open(settings).allocate('a').saved;
  for (const text of [
    '',
    '{',
    '[]',
    '{"bootId":"boot1"}',
    '{"bootId":"boot1","leases":{"a":3},"next":{},"released":{}}',
    '{"bootId":"boot1","leases":{"a":["10.244.1"]},"next":{},"released":{}}',
  ]) {
    writeFileSync(settings.file, text);
    t.throws(
      () => Ipam.open(settings),
      { name: 'IpamError', code: 'corrupt', message: /leases\.json/ },
      text,
    );
  }
});

t.test('a lease carries a record, which can become another', async (t) => {
  const settings = options(t);
  let now = 1000;
  const ipam = Ipam.open<{ ifname: string }>({ ...settings, now: () => now++ });
  await ipam.allocate('a', { record: { ifname: 'eth0' } }).saved;
  const written = () => [settings.file, `${settings.file}.log`].map((file) => statSync(file).mtimeMs);
  const before = written();
  await ipam.allocate('a', { record: { ifname: 'eth0' } }).saved;
  t.same(written(), before, 'the same again writes nothing');
  const { addresses, saved } = ipam.allocate('a', { record: { ifname: 'eth1' } });
  await saved;
  t.same(addresses, ['10.244.1.2']);
  t.same([...Ipam.open(settings).leases], [['a', { addresses, since: 1000, record: { ifname: 'eth1' } }]]);
});

t.test('a file of before leases had records', (t) => {
  const settings = options(t);
  mkdirSync(path.dirname(settings.file));
  const leases = { a: ['10.244.1.7'] };
  writeFileSync(settings.file, JSON.stringify({ bootId: 'boot1', leases, next: {}, released: {} }));
  const ipam = Ipam.open(settings);
  t.same([...ipam.leases], [['a', { addresses: ['10.244.1.7'] }]]);
  t.throws(() => ipam.allocate('b', { addresses: ['10.244.1.7'] }), { code: 'taken' });
  t.end();
});

t.test('whether there is an address, without taking it', async (t) => {
  const ipam = Ipam.open({ ...options(t), ranges: ['10.244.1.0/30'] });
  ipam.probe();
  ipam.probe();
  const { addresses, saved } = ipam.allocate('a');
  await saved;
  t.same(addresses, ['10.244.1.2']);
  t.throws(() => ipam.probe(), { code: 'exhausted' });
});
