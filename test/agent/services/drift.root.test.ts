import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { Test } from 'tap';

import { createNamespace, removeNamespace, runInNamespace } from '../../../netns/namespace.ts';
import { skipUnlessRoot } from '../../root.ts';
import { startDaemon, until } from './daemon.ts';
import type { Daemon } from './daemon.ts';

/** One way to keep the rules, and what somebody may do to them. */
interface Subject {
  readonly name: string;
  readonly backend: 'iptables' | 'nftables';
  /** What makes the agent choose it. */
  readonly before?: string;
  /** Ours, as the kernel's own tools list it. */
  readonly list: string;
  readonly damages: Readonly<Record<string, readonly string[]>>;
  /** Rules of others that have nothing to do with ours, one command each to add and to take away. */
  readonly bystander: { readonly make: string; readonly add: string; readonly remove: string };
  /** Who changed the rules, as the Event says it. */
  readonly culprit?: RegExp;
}

const iptables = (variant: 'nft' | 'legacy'): Pick<Subject, 'list' | 'damages' | 'bystander'> => ({
  // Chain by chain: one that was made anew stands behind the others.
  list: `iptables-${variant}-save | grep WEFT | sort -s -k 1,2`,
  damages: {
    'all nat rules flushed': [`iptables-${variant} -t nat -F`],
    'an emptied chain': [`iptables-${variant} -t nat -F WEFT-SERVICES`],
    'a deleted chain': [
      `iptables-${variant} -t filter -D FORWARD 1; iptables-${variant} -t filter -F WEFT-FORWARD; ` +
        `iptables-${variant} -t filter -X WEFT-FORWARD`,
    ],
    'a deleted rule': [`iptables-${variant} -t nat -D WEFT-SERVICES 1`],
    'a deleted jump': [`iptables-${variant} -t nat -D OUTPUT 1`],
    'a reload that restores another program’s rules, table by table': [
      `printf '*nat\\n-A PREROUTING -p tcp --dport 7 -j ACCEPT\\nCOMMIT\\n' | iptables-${variant}-restore`,
      `printf '*filter\\n-A INPUT -p tcp --dport 7 -j ACCEPT\\nCOMMIT\\n' | iptables-${variant}-restore`,
    ],
  },
  bystander: {
    make: `iptables-${variant} -N DOCKER`,
    add: `iptables-${variant} -A DOCKER -p tcp --dport 9 -j ACCEPT`,
    remove: `iptables-${variant} -D DOCKER 1`,
  },
});

const reload = [
  'nft flush ruleset',
  "nft 'table inet firewalld { chain input { type filter hook input priority filter; }; }'",
  "nft 'add rule inet firewalld input ct state established accept'",
];

const subjects: readonly Subject[] = [
  {
    name: 'nftables',
    backend: 'nftables',
    list: 'nft list table inet weft',
    damages: {
      'the table deleted': ['nft delete table inet weft'],
      'the table emptied': ['nft flush table inet weft'],
      'everything flushed': ['nft flush ruleset'],
      'an emptied chain': ['nft flush chain inet weft services'],
      'a deleted rule': [
        'nft delete rule inet weft dnated handle ' +
          "$(nft -a list chain inet weft dnated | sed -n 's/.*masquerade.*handle //p' | head -n 1)",
      ],
      'a strange rule': ['nft insert rule inet weft services counter accept'],
      'a deleted element': ['nft delete element inet weft services4 { 10.96.1.2 . tcp . 80 }'],
      'an emptied map': ['nft flush map inet weft services4-endpoints'],
      'a reload like firewalld’s': reload,
    },
    bystander: {
      make: "nft 'table inet f2b { set banned { type ipv4_addr; }; }'",
      add: 'nft add element inet f2b banned { 203.0.113.9 }',
      remove: 'nft delete element inet f2b banned { 203.0.113.9 }',
    },
    culprit: /by nft \(process \d+\)/,
  },
  {
    name: 'iptables-nft',
    backend: 'iptables',
    ...iptables('nft'),
    damages: { ...iptables('nft').damages, 'everything flushed': ['nft flush ruleset'], 'a reload': reload },
    culprit: /by (nft|ip6?tables\S*) \(process \d+\)/,
  },
  {
    name: 'iptables-legacy',
    backend: 'iptables',
    before: 'iptables-legacy -A INPUT -p tcp --dport 7 -j ACCEPT',
    ...iptables('legacy'),
  },
];

class Bench {
  readonly subject: Subject;
  readonly daemon: Daemon;
  readonly run: (line: string) => string;

  constructor(subject: Subject, daemon: Daemon, run: (line: string) => string) {
    this.subject = subject;
    this.daemon = daemon;
    this.run = run;
  }

  /** Our rules without what changes by itself. */
  list(): string {
    try {
      return this.run(this.subject.list).replaceAll(/^:.*$|# handle \d+/gm, '');
    } catch {
      return '';
    }
  }
}

async function repairsDamage(t: Test, bench: Bench): Promise<void> {
  const { subject, daemon, run } = bench;
  const list = (): string => bench.list();
  const intact = list();
  t.match(intact, /10\.244\.1\.2/);
  for (const [what, lines] of Object.entries(subject.damages)) {
    const before = daemon.report;
    for (const line of lines) run(line);
    await until(() => daemon.report.repairs > before.repairs && list() === intact);
    // Long enough for a second repair, had one been thought necessary.
    await sleep(300);
    const { repairs, messages, reasons } = daemon.report;
    t.equal(list(), intact, `${what}: repaired`);
    t.ok(
      repairs - before.repairs <= lines.length,
      `${what}: once, ${messages.slice(before.messages.length).join('; ')}`,
    );
    t.equal(messages.length, repairs, 'and told');
    t.strictSame([...new Set(reasons)], ['ServiceRulesRepaired']);
    if (subject.culprit) t.match(messages.at(-1), subject.culprit, 'and by whom');
  }
}

async function staysCalm(t: Test, bench: Bench): Promise<void> {
  const { subject, daemon, run } = bench;
  const list = (): string => bench.list();
  run(subject.bystander.make);
  await sleep(600);
  const before = daemon.report;
  const intact = list();
  for (let n = 0; n < 20; n++) {
    run(subject.bystander.add);
    await sleep(25);
    run(subject.bystander.remove);
    await sleep(25);
  }
  await sleep(300);
  const compares = daemon.report.compares - before.compares;
  // One may still be due from before. The legacy interface does not tell what was changed: there the share bounds it.
  const most = subject.name === 'iptables-legacy' ? 20 : 1;
  t.ok(compares <= most, `40 changes of others, ${String(compares)} comparisons`);
  t.equal(daemon.report.repairs, before.repairs, 'nor called damage');
  const [line = ''] = subject.damages['an emptied chain'] ?? [];
  for (let n = 0; n < 10; n++) {
    run(subject.bystander.add);
    if (n === 5) run(line);
    run(subject.bystander.remove);
  }
  await until(() => list() === intact && daemon.report.repairs > before.repairs);
  t.equal(daemon.report.repairs, before.repairs + 1, 'damage amid them is found');
}

if (skipUnlessRoot(t)) {
  for (const subject of subjects) {
    await t.test(subject.name, async (t) => {
      const namespace = `weft-test-drift-${subject.name}-${String(process.pid)}`;
      const lockFile = `/tmp/${namespace}.lock`;
      createNamespace(namespace).close();
      t.teardown(() => {
        removeNamespace(namespace);
        rmSync(lockFile, { force: true });
      });
      const env = { ...process.env, XTABLES_LOCKFILE: lockFile };
      const run = (line: string): string =>
        runInNamespace(namespace, () =>
          // What it complains of is in its error; nft warns of tables of iptables each time.
          execFileSync('sh', ['-c', line], { encoding: 'utf8', stdio: 'pipe', env }),
        );
      if (subject.before !== undefined) run(subject.before);
      const daemon = startDaemon(namespace, subject.backend, lockFile);
      t.teardown(() => daemon.end());
      await until(() => daemon.report.ready);
      const bench = new Bench(subject, daemon, run);
      await repairsDamage(t, bench);
      await staysCalm(t, bench);
    });
  }
}
