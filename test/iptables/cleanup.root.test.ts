import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import t from 'tap';

import { createNamespace, removeNamespace, runInNamespace } from '../../netns/namespace.ts';
import { skipUnlessRoot } from '../root.ts';

const namespace = `weft-t-cleanup-${String(process.pid)}`;
const lockFile = `/tmp/${namespace}.lock`;
const shell = (line: string, input = ''): string =>
  runInNamespace(namespace, () =>
    execFileSync('sh', ['-c', line], { encoding: 'utf8', input, stdio: ['pipe', 'pipe', 'ignore'] }),
  );
/** Reading this makes no legacy tables, unlike listing them. */
const legacyTables = (): string =>
  runInNamespace(namespace, () => readFileSync('/proc/thread-self/net/ip_tables_names', 'utf8'));

const choice = new URL('../../iptables/choice.ts', import.meta.url).pathname;
const script = `import { removeAllRules } from '${choice}'; console.log(await removeAllRules());`;

/** As a process of its own, which is in the namespace for all that it does. */
function removeAll(): boolean {
  const args = ['--input-type=module', '--eval', script];
  const said = runInNamespace(namespace, () => execFileSync(process.execPath, args, { encoding: 'utf8' }));
  return said.trim() === 'true';
}

/** Others' rules and chains, some with names that only look like ours. */
const foreign = (target: string): string => `*nat
:DOCKER - [0:0]
:KUBE-SERVICES - [0:0]
:NOT-WEFT-SERVICES - [0:0]
-A PREROUTING -m comment --comment "weft-like" -p tcp -m tcp --dport 7 -j ${target}
-A PREROUTING -j KUBE-SERVICES
-A OUTPUT -j NOT-WEFT-SERVICES
-A DOCKER -p tcp -m tcp --dport 8 -j RETURN
COMMIT
*mangle
-A PREROUTING -p tcp -m tcp --dport 9 -j MARK --set-xmark 0x1000/0x1000
COMMIT
`;

/** Ours, also of versions that had chains which this one does not know. */
const ours = `*nat
:WEFT-SERVICES - [0:0]
:WEFT-OLD-CHAIN - [0:0]
:WEFT-S-0123456789ABCDEF - [0:0]
-A PREROUTING -m comment --comment "weft services" -j WEFT-SERVICES
-A OUTPUT -j WEFT-OLD-CHAIN
-A WEFT-SERVICES -j WEFT-OLD-CHAIN
-A WEFT-OLD-CHAIN -j WEFT-S-0123456789ABCDEF
COMMIT
*filter
:WEFT-FORWARD - [0:0]
-A FORWARD -m comment --comment "weft forward" -j WEFT-FORWARD
COMMIT
`;

const programs = ['iptables-nft', 'ip6tables-nft', 'iptables-legacy', 'ip6tables-legacy'];
/** Everything in the namespace, without counters and times. */
const everything = (): string =>
  [...programs.map((program) => `${program}-save`), 'nft list tables']
    .map((line) => shell(line).replaceAll(/^#.*\n|\[\d+:\d+\]/gm, ''))
    .join('');

if (skipUnlessRoot(t)) {
  process.env['XTABLES_LOCKFILE'] = lockFile;
  createNamespace(namespace).close();
  t.teardown(() => {
    removeNamespace(namespace);
    rmSync(lockFile, { force: true });
  });

  await t.test('where nothing is, nothing is removed and nothing made', (t) => {
    t.equal(removeAll(), false);
    t.equal(legacyTables(), '');
    t.equal(shell('nft list ruleset'), '');
    t.end();
  });

  await t.test('ours goes, of every backend; all else stays', (t) => {
    for (const program of programs) {
      shell(`${program}-restore --noflush`, foreign('ACCEPT'));
      shell(`${program}-restore --noflush`, '*filter\n:DOCKER-USER - [0:0]\nCOMMIT\n');
    }
    shell('nft "add table inet weft-like; add table ip weft; add table inet firewalld"');
    const before = everything();
    t.notMatch(before, /^:WEFT-/m);
    for (const program of programs) shell(`${program}-restore --noflush`, ours);
    shell('nft "add table inet weft; add set inet weft old { type ipv4_addr; }; add chain inet weft older"');
    t.match(everything(), /^:WEFT-OLD-CHAIN/m);
    t.equal(removeAll(), true);
    t.equal(everything(), before);
    t.equal(removeAll(), false, 'nothing is left to remove');
    t.end();
  });
}
