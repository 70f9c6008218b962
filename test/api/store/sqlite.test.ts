import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { SqliteStore } from '../../../api/store/sqlite.ts';
import { storeContract } from './contract.ts';

t.test('SQLite keeps the contract', (t) => {
  storeContract(t, (t) => {
    const file = join(t.testdir(), 'store.db');
    return { open: () => Promise.resolve(SqliteStore.open(file)) };
  });
  t.end();
});

const module = JSON.stringify(join(import.meta.dirname, '../../../api/store/sqlite.ts'));

t.test('a second process is kept out', async (t) => {
  const file = join(t.testdir(), 'store.db');
  const store = SqliteStore.open(file);
  t.teardown(() => store.close());
  await store.write([{ type: 'create', key: '/a', value: 'a' }]);
  const script = `
    const { SqliteStore } = await import(${module});
    try { SqliteStore.open(${JSON.stringify(file)}); console.log('opened'); } catch (error) { console.log(error.code); }
  `;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]);
  t.equal(stdout.trim(), 'locked');
});

t.test('a kill at any instant loses nothing that was answered', async (t) => {
  const file = join(t.testdir(), 'store.db');
  const script = `
    const { SqliteStore } = await import(${module});
    const store = SqliteStore.open(${JSON.stringify(file)});
    for (let i = await store.count('/'); ; i += 1) {
      await store.write([{ type: 'create', key: '/' + i, value: 'x'.repeat(2000) }, { type: 'create', key: '/pair/' + i, value: '' }]);
      process.stdout.write(i + '\\n');
      await new Promise(setImmediate);
    }
  `;
  for (const killAfterBytes of [10, 200, 600]) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      if (output.length > killAfterBytes) child.kill('SIGKILL');
    });
    await once(child, 'close');
    const answered = output
      .split('\n')
      .slice(0, -1)
      .filter((line) => line !== '');
    const store = SqliteStore.open(file);
    t.ok(answered.length > 0, 'some writes were answered');
    const missing = [];
    for (const name of answered) if (!(await store.get(`/${name}`))) missing.push(name);
    t.same(missing, [], 'each of them is there');
    t.equal((await store.count('/pair/')) * 2, await store.count('/'), 'no transaction is there by half');
    await store.close();
  }
});
