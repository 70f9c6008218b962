import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { takeInheritedFds } from '../../agent/inherited-fds.ts';
import { Supervisor } from '../../rig/supervisor.ts';

const program = join(import.meta.dirname, 'inherited-fds-process.ts');

interface Report {
  readonly inherited: readonly string[];
  readonly texts: readonly string[];
  readonly leaked: readonly string[];
}

t.test('what one process stored the next one finds, by name, and nobody else', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'weft-inherited-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  for (const name of ['one', 'two', 'three']) writeFileSync(join(directory, name), `text of ${name}`);
  const report = (): Report => JSON.parse(readFileSync(join(directory, 'report.json'), 'utf8')) as Report;
  using supervisor = new Supervisor({ command: [process.execPath, program, directory] });

  await supervisor.start();
  t.same(report(), { inherited: [], texts: [], leaked: [] });
  t.same(supervisor.stored, ['files', 'files', 'other']);
  t.same(supervisor.said, ['READY=1', 'STATUS=stored true']);

  // As after a crash: what was stored needs no farewell.
  await supervisor.end('SIGKILL');
  await supervisor.start();
  t.same(report(), {
    inherited: ['files one', 'files two', 'other three'],
    texts: ['text of one', 'text of two', 'text of three'],
    leaked: [],
  });
});

t.test('what is forgotten is not handed on', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'weft-inherited-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  for (const name of ['one', 'two', 'three']) writeFileSync(join(directory, name), '');
  using supervisor = new Supervisor({
    command: [process.execPath, program, directory, 'files', 'no such name'],
  });
  await supervisor.start();
  t.same(supervisor.stored, ['other']);
});

t.test("variables meant for another process are not ours, and nobody's afterwards", (t) => {
  const environment = {
    PATH: '/bin',
    LISTEN_PID: String(process.pid + 1),
    LISTEN_FDS: '2',
    LISTEN_FDNAMES: 'a:b',
  };
  t.same(takeInheritedFds(environment), []);
  t.same(environment, { PATH: '/bin' });
  t.same(takeInheritedFds({ LISTEN_PID: String(process.pid), LISTEN_FDS: 'many' }), []);
  t.end();
});
