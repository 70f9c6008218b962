import { execFileSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { runInNamespace } from '../../netns/namespace.ts';
import { auditNode } from './cni-audit.ts';
import { Containers } from './cni-containers.ts';
import { CniNode } from './cni-node.ts';
import type { Fault } from './cni-node.ts';

export interface LeakOptions {
  readonly lab: string;
  readonly rounds: number;
  readonly containers: number;
  readonly report?: (line: string) => void;
}

/** About so many calls of the kernel an agent makes in a round; one that is armed for a later one lives on. */
const callsOfRound = 1500;
const callsOfStart = 600;
/** About so long a round's plugins run. */
const churnMs = 150;
/** How long what an agent does by itself may take: sweeping links, following ports. */
const settleMs = 10_000;

/** What ends in the middle of a round, in turn. */
const ways = {
  /** The agent, between two calls of the kernel. */
  async kernel(node, containers) {
    node.arm(randomFault(callsOfRound));
    await containers.churn(coin);
  },
  /** The agent, at any time. */
  async agent(node, containers) {
    const killed = sleep(randomInt(churnMs)).then(() => node.kill());
    await Promise.all([containers.churn(coin), killed]);
  },
  /** Some of the plugins, at any time. */
  plugins: (_, containers) => containers.churn(coin, killSoon),
  /** An agent that starts, while plugins leave notes or wait for it. */
  async start(node, containers) {
    await node.kill();
    await Promise.all([node.start(randomFault(callsOfStart)), containers.churn(coin)]);
  },
} satisfies Record<string, (node: CniNode, containers: Containers) => Promise<void>>;

/**
 * Ends agents and plugins at random instants while containers are connected and taken away in parallel, round after
 * round. After each, one GC later, the node must have what belongs to the containers that are left: nothing more,
 * nothing less. Returns what was wrong.
 */
export async function leakRounds({ lab, rounds, containers: count, report }: LeakOptions): Promise<string[]> {
  await using node = await CniNode.open(lab);
  using containers = new Containers(node, count);
  const wrong: string[] = [];
  const names = Object.keys(ways) as (keyof typeof ways)[];
  for (let round = 0; round < rounds; round += 1) {
    const way = names[round % names.length] ?? 'agent';
    speakUdp(node, containers);
    await ways[way](node, containers);
    await node.ensure();
    wrong.push(
      ...(await checkAfterGarbageCollection(node, containers)).map((each) => `${round} ${way}: ${each}`),
    );
    report?.(`${round} ${way}: ${containers.connected.length} containers are left`);
  }
  wrong.push(...(await containers.removeAll()), ...(await settled(node, containers)));
  return wrong;
}

async function checkAfterGarbageCollection(node: CniNode, containers: Containers): Promise<string[]> {
  let answer = await containers.collectGarbage();
  // The agent may have been on its last call.
  if (!node.runs) {
    await node.ensure();
    answer = await containers.collectGarbage();
  }
  const failed = answer.code === 0 ? [] : [`GC: ${answer.stdout}`];
  return [...failed, ...(await settled(node, containers))];
}

/** What the audit still finds when an agent has had time to do what it does by itself. */
async function settled(node: CniNode, containers: Containers): Promise<string[]> {
  const deadline = performance.now() + settleMs;
  for (;;) {
    const found = auditNode(node, containers);
    if (found.length === 0 || performance.now() > deadline) return found;
    await sleep(100);
  }
}

/** Packets to ports of the node, from outside: each is an entry of conntrack that is to go with its container. */
function speakUdp(node: CniNode, { connected }: Containers): void {
  const [address] = node.host.addresses;
  const sends = connected.map(({ hostPort }) => `echo >/dev/udp/${address ?? ''}/${hostPort}`);
  runInNamespace(node.plan.outside.namespace, () => execFileSync('bash', ['-c', sends.join('\n')]));
}

function randomFault(calls: number): Fault {
  return { where: coin() ? 'before' : 'after', calls: randomInt(1, calls) };
}

function coin(): boolean {
  return randomInt(2) === 0;
}

/** Ends one plugin of three. */
function killSoon(plugin: ChildProcess): void {
  if (randomInt(3) > 0) return;
  const timer = setTimeout(() => plugin.kill('SIGKILL'), randomInt(churnMs / 3));
  plugin.once('exit', () => clearTimeout(timer));
}

/** The long form: 300 rounds of 20 containers. */
export function soakLeaks(): Promise<readonly string[]> {
  const report = (line: string): void => void process.stdout.write(`${line}\n`);
  return leakRounds({ lab: 'soak-leaks', rounds: 300, containers: 20, report });
}
