import { setTimeout as sleep } from 'node:timers/promises';
import { nodeKinds, parseKind, renderKind } from './cni-node.ts';
import type { Fault, NodeKind } from './cni-node.ts';
import { CniSite } from './cni-site.ts';

interface FaultOptions {
  readonly lab: string;
  readonly kind: NodeKind;
  /** What happens to the steps, one after the other. */
  readonly whats: readonly Fault['what'][];
  /** At every so-manieth step. */
  readonly stride: number;
  readonly report: (line: string) => void;
}

type Verb = 'ADD' | 'DEL';

/** A bystander, which nothing may happen to, and the container that comes and goes. */
const [bystander, subject] = [0, 1];
/**
 * What the agent did besides while its steps were listed, it does not do each time: after so many that are not reached
 * one after the other, there are none of the verb's left.
 */
const mostNotReached = 10;
/** How long after its answer an agent goes on with what a verb has begun: it sweeps links, and looks at everything. */
const restMs = 500;

/**
 * Lets the agent end, or the step fail, at each step in turn of what it does to the kernel, the disk and with other
 * programs for an ADD and a DEL, until it is at rest again. After each, one GC later, the node must have what belongs to
 * the containers that are connected by then. Returns what was wrong.
 */
async function faultAtEachStep(options: FaultOptions): Promise<string[]> {
  const { lab, kind, whats, stride, report } = options;
  await using site = await CniSite.open(lab, kind, 2);
  await site.containers.turn(bystander);
  const steps = { ADD: await listSteps(site), DEL: await listSteps(site) };
  const wrong: string[] = [];
  let reached = 0;
  for (const what of whats) {
    for (const verb of ['ADD', 'DEL'] as const) {
      let notReached = 0;
      for (let step = 1; step <= steps[verb].length && notReached < mostNotReached; step += stride) {
        if (what !== 'refuse' && steps[verb][step - 1]?.endsWith('same call')) continue;
        const { name, found } = await faultAt(site, verb, { what, step });
        const place = `${what} ${step} of ${verb}, ${name ?? 'not reached'}`;
        notReached = name === undefined ? notReached + 1 : 0;
        if (name !== undefined) reached += 1;
        report(`${place}: ${found.length === 0 ? 'well' : found.join('; ')}`);
        wrong.push(...found.map((each) => `${place}: ${each}`));
      }
    }
  }
  report(
    `${renderKind(kind)}: ${steps.ADD.length} steps of ADD, ${steps.DEL.length} of DEL, ${reached} faults, ${wrong.length} wrong`,
  );
  return wrong;
}

/** The steps of the container's next turn. */
async function listSteps({ node, containers }: CniSite): Promise<string[]> {
  node.arm();
  await containers.turn(subject);
  await sleep(restMs);
  node.arm();
  await sleep(restMs);
  return node.steps;
}

async function faultAt(
  site: CniSite,
  verb: Verb,
  fault: Fault,
): Promise<{ readonly name: string | undefined; readonly found: string[] }> {
  const { node, containers } = site;
  const isThere = (): boolean => containers.isConnected(subject);
  // A fault before may have left the container as it was.
  if ((verb === 'DEL') !== isThere()) await containers.turn(subject);
  if ((verb === 'DEL') !== isThere()) throw new Error('without a fault the container could not be connected');
  site.speak();
  await containers.talk();
  node.arm(fault);
  await containers.turn(subject);
  const deadline = performance.now() + restMs;
  while (node.reached === undefined && performance.now() < deadline) await sleep(20);
  const name = node.reached;
  await node.ensure();
  return { name, found: await site.findAfterGarbageCollection() };
}

const everything = { whats: ['before', 'refuse'], stride: 1 } as const;

/** Every step, on a node of each kind; or of one, as `nftables,routed`. */
export async function soakFaults(chosen = 'all'): Promise<readonly string[]> {
  const report = (line: string): void => void process.stdout.write(`${line}\n`);
  const wrong: string[] = [];
  for (const kind of chosen === 'all' ? nodeKinds : [parseKind(chosen)]) {
    const found = await faultAtEachStep({ lab: 'soak-faults', kind, ...everything, report });
    wrong.push(...found.map((each) => `${renderKind(kind)}: ${each}`));
  }
  return wrong;
}
