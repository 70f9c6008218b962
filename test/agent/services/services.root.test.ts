import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import t from 'tap';

import {
  createNamespace,
  listNamespaces,
  removeNamespace,
  runInNamespace,
} from '../../../netns/namespace.ts';
import { skipUnlessRoot } from '../../root.ts';
import { startDaemon, until } from './daemon.ts';
import type { Daemon } from './daemon.ts';

const namespace = `weft-test-services${process.pid}`;
const lockFile = `/tmp/${namespace}.lock`;

function run(...[command, ...args]: [string, ...string[]]): string {
  return runInNamespace(namespace, () => execFileSync(command, args, { encoding: 'utf8' }));
}

const start = (backend: string): Daemon => startDaemon(namespace, backend, lockFile);
const nat = (): string => run('iptables-nft', '-t', 'nat', '-S');
const ruleset = (): string => run('nft', 'list', 'ruleset');
const endpointsOf = (text: string): string[] => text.match(/10\.244\.\d\.2:8080/g) ?? [];

if (skipUnlessRoot(t)) {
  createNamespace(namespace).close();
  t.teardown(() => {
    removeNamespace(namespace);
    rmSync(lockFile, { force: true });
  });

  await t.test('rules come, are repaired, survive the daemon, and change hands', async (t) => {
    const first = start('iptables');
    await until(() => first.report.ready);
    t.strictSame(endpointsOf(nat()), ['10.244.1.2:8080', '10.244.2.2:8080']);
    t.match(nat(), /"default\/nginxsvc"/, 'an operator finds a Service by its name');

    run('nft', 'flush', 'ruleset');
    await until(() => endpointsOf(nat()).length === 2);
    await until(() => first.report.reasons.length > 0);
    t.strictSame(first.report.reasons, ['ServiceRulesRepaired'], 'a flush is repaired and told');

    const before = run('iptables-nft-save').replaceAll(/^#.*$/gm, '');
    await first.end('SIGKILL');
    t.equal(run('iptables-nft-save').replaceAll(/^#.*$/gm, ''), before, 'killed: the rules stand');
    const second = start('iptables');
    await until(() => second.report.ready);
    t.equal(run('iptables-nft-save').replaceAll(/^#.*$/gm, ''), before, 'restarted: the same rules');
    t.strictSame(second.report.reasons, []);
    await second.end();
    t.equal(run('iptables-nft-save').replaceAll(/^#.*$/gm, ''), before, 'stopped: the rules stand');

    const third = start('nftables');
    await until(() => third.report.ready && !nat().includes('WEFT'));
    t.match(run('nft', 'list', 'map', 'inet', 'weft', 'services4'), /10\.96\.1\.2 \. tcp \. 80/);
    await third.end();
    const fourth = start('iptables');
    await until(() => fourth.report.ready && !ruleset().includes('table inet weft'));
    t.strictSame(endpointsOf(nat()), ['10.244.1.2:8080', '10.244.2.2:8080'], 'and back');
    await fourth.end();
    removeNamespace(namespace);
    t.strictSame(listNamespaces(namespace), [], 'nothing is left behind');
  });
}
