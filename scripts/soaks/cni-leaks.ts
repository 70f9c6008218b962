import type { ChildProcess } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { Random } from '../../rig/random.ts';
import { CniSite } from './cni-site.ts';
import { nodeKinds, parseKind, renderKind } from './cni-node.ts';
import type { NodeKind } from './cni-node.ts';

export interface LeakOptions {
  readonly lab: string;
  readonly kind: NodeKind;
  readonly seed: number;
  readonly rounds: number;
  readonly containers: number;
  readonly report: (line: string) => void;
}

/** About so long a round's plugins run. */
const churnMs = 150;
/** About so many steps an agent makes from its start until it would connect a container. */
const stepsOfStart = 300;

type Way = (site: CniSite, random: Random, steps: number) => Promise<void>;

/** What ends or fails in the middle of a round, in turn. */
const ways = {
  /** The agent ends between two steps. */
  async steps({ node, containers }, random, steps) {
    node.arm({ what: random.pick(['before', 'after']), step: 1 + random.below(steps) });
    await containers.churn(() => random.chance(0.5));
  },
  /** A step of the agent's fails. */
  async refusal({ node, containers }, random, steps) {
    node.arm({ what: 'refuse', step: 1 + random.below(steps) });
    await containers.churn(() => random.chance(0.5));
  },
  /** The agent, at any time. */
  async agent({ node, containers }, random) {
    const killed = sleep(random.below(churnMs)).then(() => node.kill());
    await Promise.all([containers.churn(() => random.chance(0.5)), killed]);
  },
  /** Some of the plugins, at any time. */
  plugins: ({ node, containers }, random) => {
    node.arm();
    return containers.churn(
      () => random.chance(0.5),
      (plugin) => killSoon(plugin, random),
    );
  },
  /** An agent that starts, while plugins leave notes or wait for it. */
  async start({ node, containers }, random) {
    await node.kill();
    const fault = { what: 'before', step: 1 + random.below(stepsOfStart) } as const;
    await Promise.all([node.start(fault), containers.churn(() => random.chance(0.5))]);
  },
} satisfies Record<string, Way>;

/**
 * Ends agents and plugins at random instants while containers are connected and taken away in parallel, round after
 * round. After each, one GC later, the node must have what belongs to the containers that are left: nothing more,
 * nothing less, and each must answer. Returns what was wrong.
 */
export async function leakRounds(options: LeakOptions): Promise<string[]> {
  const { lab, kind, seed, rounds, report } = options;
  await using site = await CniSite.open(lab, kind, options.containers);
  const { node, containers } = site;
  const random = new Random(seed);
  const wrong: string[] = [];
  const names = Object.keys(ways) as (keyof typeof ways)[];
  /** How many steps a round takes, as one in which no agent ended has shown. */
  let steps = 1000;
  for (let round = 0; round < rounds; round += 1) {
    const way = names[round % names.length] ?? 'agent';
    site.speak();
    wrong.push(...(await containers.talk()).map((each) => `${round} before ${way}: ${each}`));
    await ways[way](site, random, steps);
    await node.ensure();
    if (way === 'plugins') steps = Math.max(node.steps.length, 100);
    wrong.push(...(await site.findAfterGarbageCollection()).map((each) => `${round} ${way}: ${each}`));
    report(`${round} ${way}: ${containers.connected.length} containers are left`);
  }
  wrong.push(...(await containers.removeAll()), ...(await site.settled(true)));
  const { kills, killedPlugins } = node;
  report(
    `${renderKind(kind)}, seed ${seed}: ${rounds} rounds, ${kills} agents killed, ${killedPlugins} plugins, ${containers.made} containers, ${wrong.length} wrong`,
  );
  return wrong;
}

/** Ends one plugin of three. */
function killSoon(plugin: ChildProcess, random: Random): void {
  if (random.below(3) > 0) return;
  const timer = setTimeout(() => plugin.kill('SIGKILL'), random.below(churnMs / 3));
  plugin.once('exit', () => clearTimeout(timer));
}

/**
 * The long form: 300 rounds of 20 containers, 50 for each backend and kind of link.
 * @param chosen the only kind, as `nftables,routed`; `all`: each. Default: all
 * @param seed what comes by chance follows from it, but for when a process gets its turn. Default: another each time
 */
export async function soakLeaks(chosen = 'all', seed = String(Date.now() % 1e6)): Promise<readonly string[]> {
  const report = (line: string): void => void process.stdout.write(`${line}\n`);
  const wrong: string[] = [];
  for (const kind of chosen === 'all' ? nodeKinds : [parseKind(chosen)]) {
    const options = { lab: 'soak-leaks', kind, seed: Number(seed), rounds: 50, containers: 20, report };
    wrong.push(...(await leakRounds(options)).map((each) => `${renderKind(kind)}, seed ${seed}: ${each}`));
  }
  return wrong;
}
