import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import t from 'tap';

import {
  createNamespace,
  listNamespaces,
  removeNamespace,
  runInNamespace,
} from '../../../netns/namespace.ts';
import { skipUnlessRoot } from '../../root.ts';

const namespace = `weft-test-services${process.pid}`;
const lockFile = `/tmp/${namespace}.lock`;

function run(...[command, ...args]: [string, ...string[]]): string {
  return runInNamespace(namespace, () => execFileSync(command, args, { encoding: 'utf8' }));
}

interface Report {
  readonly ready: boolean;
  readonly reason?: string;
  readonly reasons: readonly string[];
}

/** The subsystem in a process inside the namespace, and what it said last. */
class Daemon {
  readonly child: ChildProcess;
  report: Report = { ready: false, reasons: [] };

  constructor(backend: string) {
    const script = new URL('services-process.ts', import.meta.url).pathname;
    this.child = runInNamespace(namespace, () =>
      spawn(process.execPath, [script, backend], {
        stdio: ['pipe', 'pipe', 'inherit'],
        env: { ...process.env, XTABLES_LOCKFILE: lockFile },
      }),
    );
    if (!this.child.stdout) throw new Error('no output');
    createInterface({ input: this.child.stdout }).on('line', (line) => {
      this.report = JSON.parse(line) as Report;
    });
  }

  async end(signal?: NodeJS.Signals): Promise<void> {
    const exited = once(this.child, 'exit');
    if (signal) this.child.kill(signal);
    else this.child.stdin?.end();
    await exited;
  }
}

/** Waits until `condition` holds; the test's own time limit is the only one. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 50));
}

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
    const first = new Daemon('iptables');
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
    const second = new Daemon('iptables');
    await until(() => second.report.ready);
    t.equal(run('iptables-nft-save').replaceAll(/^#.*$/gm, ''), before, 'restarted: the same rules');
    t.strictSame(second.report.reasons, []);
    await second.end();
    t.equal(run('iptables-nft-save').replaceAll(/^#.*$/gm, ''), before, 'stopped: the rules stand');

    const third = new Daemon('nftables');
    await until(() => third.report.ready && !nat().includes('WEFT'));
    t.match(run('nft', 'list', 'map', 'inet', 'weft', 'services4'), /10\.96\.1\.2 \. tcp \. 80/);
    await third.end();
    const fourth = new Daemon('iptables');
    await until(() => fourth.report.ready && !ruleset().includes('table inet weft'));
    t.strictSame(endpointsOf(nat()), ['10.244.1.2:8080', '10.244.2.2:8080'], 'and back');
    await fourth.end();
    removeNamespace(namespace);
    t.strictSame(listNamespaces(namespace), [], 'nothing is left behind');
  });
}
