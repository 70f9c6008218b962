import { execFileSync, spawn } from 'node:child_process';
import { existsSync, globSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { createNamespace, removeNamespace, runInNamespace } from '../../netns/namespace.ts';
import { skipUnlessRoot } from '../root.ts';

const weft = join(import.meta.dirname, '../../bin/weft');
/** A host of its own without any way out: one end of a veth whose other end nobody uses. */
const host = `weft-up-test-${process.pid}`;
const directory = mkdtempSync(join(tmpdir(), 'weft-up-'));
const flags = [
  '--state-dir',
  join(directory, 'state'),
  '--run-dir',
  join(directory, 'run'),
  '--node-ips',
  '192.0.2.1',
  '--cni-config-dir',
  join(directory, 'cni/net.d'),
  '--cni-bin-dirs',
  join(directory, 'cni/bin'),
];

function onHost(file: string, ...args: string[]): string {
  return runInNamespace(host, () =>
    execFileSync(file, args, {
      encoding: 'utf8',
      // What a program complains of is in its error; nft warns of tables of iptables each time.
      stdio: 'pipe',
      env: { ...process.env, XTABLES_LOCKFILE: join(directory, 'xtables.lock') },
    }),
  );
}

/** Links, addresses, routes and rules of the host, as an operator sees them. */
function readNetwork(): string[] {
  return [
    onHost('ip', '-br', 'link'),
    onHost('ip', '-br', 'address'),
    onHost('ip', 'route'),
    onHost('ip', '-6', 'route'),
    ...listRules(),
  ];
}

/** All rules, and all chains of ours. iptables' own base chains stay, empty, as after any use of iptables. */
function listRules(): string[] {
  const saved = ['iptables-save', 'ip6tables-save'].map((save) => onHost(save)).join('');
  const ours = onHost('nft', 'list', 'ruleset')
    .split('\n')
    .filter((line) => /weft/i.test(line));
  return [...saved.split('\n').filter((line) => line.startsWith('-A')), ...ours];
}

/**
 * Kernel settings that are the host's, as `path:value`. Not forwarding, which stays on, nor what goes with it: a
 * forwarding host listens to routers with accept_ra 2 only, and the kernel itself turns redirects.
 */
function readSettings(): string[] {
  const places = '/proc/sys/net/ipv[46]/conf/all /proc/sys/net/ipv[46]/conf/eth0 /proc/sys/net/bridge';
  const lines = onHost('sh', '-c', `grep -rs . ${places} || true`).split('\n');
  return lines.filter((line) => !/forwarding:|accept_redirects:|accept_ra:/.test(line)).sort();
}

/** What runtimes find. */
function listCni(): string[] {
  return globSync('cni/*/*', { cwd: directory }).sort();
}

async function until(condition: () => boolean): Promise<void> {
  for (let attempt = 0; attempt < 600; attempt += 1) {
    if (condition()) return;
    await sleep(100);
  }
  throw new Error('it did not come true within a minute');
}

function isReady(): boolean {
  try {
    return onHost('curl', '-sf', '--max-time', '5', 'http://127.0.0.1:10256/readyz').length > 0;
  } catch {
    return false; // not listening, or not ready, yet
  }
}

if (skipUnlessRoot(t)) {
  t.test('server and agent on one machine, and everything off it again', async (t) => {
    createNamespace(host).close();
    t.teardown(() => {
      removeNamespace(host);
      rmSync(directory, { recursive: true, force: true });
    });
    onHost('ip', 'link', 'set', 'lo', 'up');
    onHost('ip', 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'far');
    for (const link of ['eth0', 'far']) onHost('ip', 'link', 'set', link, 'addrgenmode', 'none', 'up');
    onHost('ip', 'address', 'add', '192.0.2.1/24', 'dev', 'eth0');
    const before = readNetwork();
    const settings = readSettings();

    const daemon = runInNamespace(host, () =>
      // The test runner's hook for children would end the daemon by the signal itself.
      spawn('env', ['-u', 'NODE_OPTIONS', weft, 'up', ...flags, '--node-name', 'alone'], {
        stdio: ['ignore', 'ignore', 'inherit'],
        env: { ...process.env, WEFT_LOG_LEVEL: 'error', XTABLES_LOCKFILE: join(directory, 'xtables.lock') },
      }),
    );
    const ended = new Promise((resolve) => daemon.once('exit', (code) => resolve(code)));
    t.teardown(() => daemon.kill('SIGKILL'));
    await until(isReady);
    t.match(onHost('ip', '-br', 'link'), 'weft0');
    t.ok(listRules().some((rule) => rule.includes('WEFT-SERVICES')));
    const installed = ['cni/bin/loopback', 'cni/bin/weft-cni', 'cni/net.d/10-weft.conflist'];
    t.same(listCni(), installed, 'container runtimes are told');
    t.throws(() => onHost(weft, 'cleanup', ...flags), /an agent runs here/, 'not under a running agent');

    daemon.kill('SIGTERM');
    t.equal(await ended, 0, 'SIGTERM ends it cleanly');
    t.match(onHost('ip', '-br', 'link'), 'weft0', 'and leaves the network as it is');
    t.ok(
      listRules().some((rule) => rule.includes('WEFT-SERVICES')),
      'and the rules',
    );

    t.same(listCni(), installed, 'and what runtimes were told');

    const changed = readSettings().filter((line) => !settings.includes(line));
    t.match(changed.join('\n'), /eth0\/arp_notify:1[^]*eth0\/ndisc_notify:1/);
    onHost(weft, 'cleanup', ...flags);
    t.same(readNetwork(), before);
    t.same(readSettings(), settings);
    t.same(listCni(), [], 'runtimes are told no more');
    t.notOk(existsSync(join(directory, 'state')));
    t.notOk(existsSync(join(directory, 'run')));
  });
}
