import { fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createNamespace, removeNamespace, runInNamespace } from '../../netns/namespace.ts';
import type { PeerSettings, PeerTimes } from './peers-process.ts';
import type { Bench, BenchFigure, BenchResult } from './result.ts';
import { median, percentile } from './statistics.ts';

/** Other nodes, and what a start with them may take in ms. */
const sizes: Readonly<Record<string, number | undefined>> = {
  '100': undefined,
  '1000': 500,
  '5000': undefined,
};
const changeAim = 5;
const modes = ['vxlan', 'auto'] as const;

/** In a namespace of its own: the machine's gets no link, no route and no neighbour. */
async function measure(settings: PeerSettings): Promise<PeerTimes> {
  const name = `weft-bench${process.pid}`;
  using undo = new DisposableStack();
  using namespace = createNamespace(name);
  undo.defer(() => removeNamespace(name));
  const file = path.join(import.meta.dirname, 'peers-process.ts');
  const child = runInNamespace(namespace, () => fork(file, [JSON.stringify(settings)]));
  let times: PeerTimes | undefined;
  child.once('message', (message) => (times = message as PeerTimes));
  await once(child, 'exit');
  if (!times)
    throw new Error(`the measuring process ended with ${child.exitCode ?? child.signalCode ?? 'nothing'}`);
  return times;
}

function figuresOf({ peers, mode }: PeerSettings, times: PeerTimes): BenchFigure[] {
  const title = `${peers} peers, ${mode}`;
  const startAim = sizes[peers];
  const one = (what: string, values: readonly number[]): BenchFigure => ({
    name: `${title}: one ${what}, p50`,
    value: median(values),
    unit: 'ms',
    aim: changeAim,
    note: `p90 ${percentile(values, 90).toFixed(2)} ms; from the Node's event to the kernel`,
  });
  return [
    {
      name: `${title}: start`,
      value: median(times.start),
      unit: 'ms',
      ...(startAim === undefined ? {} : { aim: startAim }),
      peers: { iproute2: times.iproute2 },
      note: `CPU ${median(times.startCpu).toFixed(0)} ms; ${times.objects} routes, neighbours and forwarding entries`,
    },
    {
      name: `${title}: restart`,
      value: median(times.restart),
      unit: 'ms',
      note: 'all read and compared, nothing to do',
    },
    one('moves', times.move),
    one('joins', times.join),
    one('leaves', times.leave),
  ];
}

/** What other nodes cost a node: its start with them, and a change of one of them. */
export const bench: Bench = {
  name: 'peers',
  parts: Object.keys(sizes),
  async run(parts): Promise<BenchResult> {
    const figures: BenchFigure[] = [];
    for (const size of parts.length > 0 ? parts : Object.keys(sizes)) {
      for (const mode of modes) {
        const settings = { peers: Number(size), mode };
        figures.push(...figuresOf(settings, await measure(settings)));
      }
    }
    return { name: 'peers', figures };
  },
};
