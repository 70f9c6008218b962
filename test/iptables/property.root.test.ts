import t from 'tap';
import type { Test } from 'tap';

import type { BaseChain } from '../../iptables/trace/program.ts';
import { tracePacket } from '../../iptables/trace/walk.ts';
import { skipUnlessRoot } from '../root.ts';
import { compileWorld } from './compile-world.ts';
import { describeExpected, describeTrace } from './describe.ts';
import { expect } from './expectation.ts';
import type { ExpectedPacket, World } from './expectation.ts';
import { changeWorld, randomPacket, randomWorld } from './random-world.ts';
import { Random } from '../../rig/random.ts';
import { backends, RuleNamespace } from './rule-namespace.ts';

/** Repeats a run: `WEFT_SEED=7 scripts/test property`. */
const seed = Number(process.env['WEFT_SEED'] ?? 1);

/** Big worlds have long ways through the rules; in small ones nobody else's rules do what a Service's own should. */
const sizes = [
  { worlds: 4, services: 50, packets: 500 },
  { worlds: 8, services: 4, packets: 170 },
];
/** How often each world is looked at: as it begins, and after each change of some of its Services. */
const looks = 3;

/** A backend that does something else than was expected. */
interface Disagreement {
  readonly packet: ExpectedPacket;
  readonly expected: readonly string[];
  readonly traced: readonly string[];
}

type Question = readonly [packet: ExpectedPacket, expected: readonly string[]];

function ask(world: World, packet: ExpectedPacket): Question {
  return [packet, describeExpected(expect(world, packet), packet)];
}

/** The first packet with which these rules, as the kernel lists them, do something else than they must. */
function findDisagreement(
  chains: readonly BaseChain[],
  world: World,
  questions: readonly Question[],
): Disagreement | undefined {
  for (const [packet, expected] of questions) {
    const traced = describeTrace(tracePacket(chains, world.node, packet));
    if (expected.join() !== traced.join()) return { packet, expected, traced };
  }
  return undefined;
}

/** Leaves out Services as long as the backend still disagrees about the packet. */
async function reduce(kernel: RuleNamespace, world: World, packet: ExpectedPacket): Promise<World> {
  let smallest = world;
  for (let part = Math.ceil(world.services.length / 2); part >= 1; part = Math.floor(part / 2)) {
    for (let start = 0; start < smallest.services.length;) {
      const services = smallest.services.filter((_, index) => index < start || index >= start + part);
      const smaller = { ...smallest, services };
      const chains = await kernel.load(compileWorld(smaller));
      if (findDisagreement(chains, smaller, [ask(smaller, packet)])) smallest = smaller;
      else start += part;
    }
  }
  return smallest;
}

/** What a person needs to see the cause. */
async function explain(kernel: RuleNamespace, world: World, found: Disagreement) {
  const { node, services, slices } = await reduce(kernel, world, found.packet);
  const objects = services.map((service) => [service, slices.get(`test/${service.metadata.name}`)]);
  return { seed, ...found, node, objects: JSON.stringify(objects, null, 1) };
}

interface Kernel {
  readonly name: string;
  readonly kernel: RuleNamespace;
}

/** A world, and which of its Services differ from the one before; undefined: nothing is known of that. */
interface Next {
  readonly world: World;
  readonly changed?: ReadonlySet<string>;
}

/** Asks every backend about packets; returns the verdicts. */
async function look(
  t: Test,
  kernels: readonly Kernel[],
  { world, changed }: Next,
  packets: readonly ExpectedPacket[],
): Promise<string[]> {
  const questions = packets.map((packet) => ask(world, packet));
  const visits = kernels.map(async ({ name, kernel }) => {
    const found = findDisagreement(await kernel.load(compileWorld(world), changed), world, questions);
    if (found) t.fail(`${name}: not as expected`, await explain(kernel, world, found));
  });
  await Promise.all(visits);
  return questions.map(([, [line = '']]) => line.split(' ')[0] ?? '');
}

if (skipUnlessRoot(t)) {
  const count = looks * sizes.reduce((sum, { worlds, packets }) => sum + worlds * packets, 0);
  await t.test(`${String(count)} packets, seed ${String(seed)}`, async (t) => {
    using stack = new DisposableStack();
    const kernels = Object.keys(backends).map((name) => ({
      name,
      kernel: stack.use(new RuleNamespace(name)),
    }));
    const random = new Random(seed);
    const verdicts: string[] = [];
    for (const { worlds, services, packets } of sizes) {
      for (let n = 0; n < worlds; n++) {
        let next: Next = { world: randomWorld(random, services) };
        for (let at = 0; at < looks && t.passing(); at++) {
          const { world } = next;
          const sent = Array.from({ length: packets }, () => randomPacket(random, world));
          verdicts.push(...(await look(t, kernels, next, sent)));
          next = changeWorld(random, world);
        }
      }
    }
    for (const verdict of ['forward', 'pass', 'reject', 'drop']) {
      const times = verdicts.filter((each) => each === verdict).length;
      t.ok(times > count / 40, `all as expected, among them ${String(times)} times ${verdict}`);
    }
  });
}
