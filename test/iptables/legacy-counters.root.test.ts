import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import t from 'tap';

import { readLegacyCounters } from '../../iptables/legacy-counters.ts';
import { createNamespace, removeNamespace, runInNamespace } from '../../netns/namespace.ts';
import { skipUnlessRoot } from '../root.ts';

if (skipUnlessRoot(t)) {
  const name = `weft-t-legacy-${String(process.pid)}`;
  const lock = join(tmpdir(), `weft-test-xtables-${String(process.pid)}.lock`);
  const namespace = createNamespace(name);
  t.teardown(() => {
    namespace.close();
    removeNamespace(name);
    rmSync(lock, { force: true });
  });
  const run = (program: string, ...args: string[]): Promise<unknown> =>
    runInNamespace(name, () => execa(program, args, { env: { XTABLES_LOCKFILE: lock } }));
  const counters = (): string => runInNamespace(name, readLegacyCounters);
  const tables = (): string[] =>
    counters()
      .split('\n')
      .map((line) => line.split(' ').slice(0, 2).join(' '));

  t.equal(counters(), '', 'a namespace without legacy tables');
  t.equal(counters(), '', 'asking has made none');

  for (const [program, filter] of [
    ['iptables-legacy', 'iptables filter'],
    ['ip6tables-legacy', 'ip6tables filter'],
  ] as const) {
    await t.test(program, async (t) => {
      const told = async (what: string, ...args: string[]): Promise<void> => {
        const before = counters();
        await run(program, ...args);
        t.not(counters(), before, what);
        t.equal(counters(), counters(), `${what}: only once`);
      };
      await told('the first rule makes its table', '-A', 'INPUT', '-p', 'tcp', '-j', 'ACCEPT');
      t.ok(tables().includes(filter), 'which is listed');
      await told('a new chain', '-N', 'WEFT-X');
      await told('a rule in it', '-A', 'WEFT-X', '-p', 'udp', '-j', 'DROP');
      await told('a jump to it', '-I', 'INPUT', '1', '-j', 'WEFT-X');
      await told('a rule that moves to another chain of the kernel', '-A', 'OUTPUT', '-j', 'WEFT-X');
      await told('a chain is emptied', '-F', 'WEFT-X');
      await told('a rule is deleted', '-D', 'INPUT', '1');
      await told('another table', '-t', 'nat', '-A', 'OUTPUT', '-j', 'ACCEPT');
      const before = counters();
      await run(program, '-L', '-n', '-v');
      t.equal(counters(), before, 'listing changes nothing');
    });
  }
}
