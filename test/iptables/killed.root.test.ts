import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import t from 'tap';
import type { Test } from 'tap';

import { runCommand } from '../../iptables/command.ts';
import type { Run } from '../../iptables/command.ts';
import type { CompiledService, Endpoint, Frontend, NodeSettings } from '../../iptables/model.ts';
import { readRules } from '../../iptables/trace/read.ts';
import { tracePacket } from '../../iptables/trace/walk.ts';
import { createNamespace, removeNamespace, runInNamespace } from '../../netns/namespace.ts';
import { skipUnlessRoot } from '../root.ts';
import type { KilledTask, WireRuleset } from './killed-process.ts';
import { doorOn } from './nft-door.ts';
import { backends } from './rule-namespace.ts';

const settings: NodeSettings = {
  clusterCIDRs: ['10.244.0.0/16', 'fd00:10:244::/56'],
  serviceCIDRs: ['10.96.0.0/16', 'fd00:10:96::/112'],
  dnsIPs: ['10.96.0.10', 'fd00:10:96::a'],
  podCIDRs: ['10.244.1.0/24', 'fd00:10:244:1::/64'],
  nodeIPs: ['192.0.2.1'],
  nodePortAddresses: [],
};
const node = { addresses: ['192.0.2.1', '10.244.1.1', '127.0.0.1'] };
const pods = ['10.244.1.2', '10.244.1.3', '10.244.2.2', '10.244.2.3'];

function service(key: string, address: string, count: number, first = 0): [string, CompiledService] {
  const endpoints: Endpoint[] = pods
    .slice(first, first + count)
    .map((pod) => ({ address: pod, port: 8080, local: pod.startsWith('10.244.1.') }));
  const frontend = {
    family: 'ipv4',
    protocol: 'tcp',
    name: `${key}:web`,
    endpoints,
    whenEmpty: 'reject',
  } as const;
  const frontends: Frontend[] = [
    { ...frontend, kind: 'clusterIP', address, port: 80 },
    { ...frontend, kind: 'nodePort', address: undefined, port: 30_000 + Number(address.split('.')[3]) },
  ];
  return [key, { key, created: '', frontends, problems: [] }];
}

const bystander = service('default/bystander', '10.96.0.21', 2, 2);
const ruleset = (...services: [string, CompiledService][]): WireRuleset => ({
  settings,
  services: [bystander, ...services],
});
const web = (count: number, first = 0): [string, CompiledService] =>
  service('default/web', '10.96.0.20', count, first);

interface Scenario {
  readonly before?: WireRuleset;
  readonly after: WireRuleset;
  /** Whether it is also killed while a program runs, which then goes on by itself with what it has been told. */
  readonly duringPrograms?: boolean;
}

/** What the daemon is about to do when it is killed. */
const scenarios: Readonly<Record<string, Scenario>> = {
  'the first load': { after: ruleset(web(2)), duringPrograms: true },
  'endpoints that change': { before: ruleset(web(1)), after: ruleset(web(1, 1)) },
  'a number of endpoints that no Service had': {
    before: ruleset(web(1)),
    after: ruleset(web(4)),
    duringPrograms: true,
  },
  'settings that change': {
    before: ruleset(web(2)),
    after: { ...ruleset(web(2)), settings: { ...settings, clusterCIDRs: ['10.244.0.0/15'] } },
  },
  'a Service that goes': { before: ruleset(web(2)), after: ruleset() },
};

/** Namespace of one backend's run. */
class Bench implements Disposable {
  readonly backend: string;
  readonly #name: string;
  readonly #lockFile: string;
  readonly run: Run = (program, args, input) => this.within(() => runCommand(program, args, input));

  constructor(backend: string) {
    this.backend = backend;
    this.#name = `weft-t-killed-${backend}-${String(process.pid)}`;
    this.#lockFile = join(tmpdir(), `${this.#name}.lock`);
    process.env['XTABLES_LOCKFILE'] = this.#lockFile;
    createNamespace(this.#name).close();
  }

  [Symbol.dispose](): void {
    removeNamespace(this.#name);
    rmSync(this.#lockFile, { force: true });
  }

  within<T>(act: () => T): T {
    return runInNamespace(this.#name, act);
  }

  /** How often the restarted daemon finds something to change, sync by sync. */
  async restart({ settings, services }: WireRuleset): Promise<number[]> {
    const restarted = backends[this.backend]?.(this.run, doorOn({ onNode: (act) => this.within(act) }));
    if (!restarted) throw new TypeError(`no such backend: ${this.backend}`);
    const changes: number[] = [];
    for (let n = 0; n < 2; n++) {
      changes.push((await restarted.sync({ settings, services: new Map(services) })).changes);
    }
    return changes;
  }

  /** Whether the daemon was killed: it ends by itself when it has no `killAt`th write. */
  async kill(task: KilledTask): Promise<boolean> {
    const script = new URL('./killed-process.ts', import.meta.url).pathname;
    const child = this.within(() =>
      spawn(process.execPath, [script, JSON.stringify(task)], { stdio: ['ignore', 'pipe', 'inherit'] }),
    );
    const said = text(child.stdout);
    const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
    if (signal !== 'SIGKILL' && (code !== 0 || (await said) !== 'done')) {
      throw new Error(`the process ended with ${String(code ?? signal)}`);
    }
    return signal === 'SIGKILL';
  }

  /** Where a pod's and an outside host's packets to both Services go now, by the rules that the kernel holds. */
  async outcomes(): Promise<string[]> {
    const chains = await this.within(() => readRules(this.run));
    return ['20', '21'].flatMap((number) =>
      [
        { source: '10.244.1.9', destination: `10.96.0.${number}`, port: 80 },
        { source: '198.51.100.9', destination: node.addresses[0] ?? '', port: 30_000 + Number(number) },
      ].map((packet) => {
        const { outcomes } = tracePacket(chains, node, { ...packet, protocol: 'tcp' });
        const served = outcomes.filter(({ verdict }) => verdict === 'forward').map(({ address }) => address);
        // Some endpoints and sometimes none would be neither old nor new.
        return [...new Set(served.length === outcomes.length ? served.sort() : [...served, 'nobody'])].join(
          ' ',
        );
      }),
    );
  }
}

async function survives(t: Test, bench: Bench, scenario: Scenario): Promise<void> {
  const { before, after } = scenario;
  // Rules that nobody kills: what is old, and what is new.
  const all = { backend: bench.backend, before, after, killAt: -1, when: 'before a write' } as const;
  await bench.kill({ ...all, after: before ?? after });
  const old = before ? await bench.outcomes() : Array<string>(4).fill('nobody');
  await bench.kill(all);
  const fresh = await bench.outcomes();
  t.match(fresh.at(-1), /^10\.244\.2\.2 10\.244\.2\.3$/, 'the other Service is served');
  for (const when of [
    'before a write',
    ...(scenario.duringPrograms ? ['during a program' as const] : []),
  ] as const) {
    let killAt = 0;
    while (await bench.kill({ ...all, killAt, when })) {
      const now = (await bench.outcomes()).join(', ');
      t.ok([old.join(', '), fresh.join(', ')].includes(now), `killed ${when} (${String(killAt)}): ${now}`);
      t.equal((await bench.restart(after))[1], 0, 'restarted: nothing is left to do for its second sync');
      t.strictSame(await bench.outcomes(), fresh, 'and the rules are the new ones');
      killAt += 1;
    }
    t.ok(killAt > 0, `${when}: ${String(killAt)} times`);
  }
}

if (skipUnlessRoot(t)) {
  for (const backend of Object.keys(backends)) {
    await t.test(backend, async (t) => {
      using bench = new Bench(backend);
      for (const [what, scenario] of Object.entries(scenarios)) {
        await t.test(what, (t) => survives(t, bench, scenario));
      }
    });
  }
}
