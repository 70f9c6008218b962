import { fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { setLink } from '../../netns/link.ts';
import { createNamespace, removeNamespace, runInNamespace } from '../../netns/namespace.ts';
import { NetlinkSocket } from '../../netns/netlink.ts';
import type { AttachTimes } from './attach-process.ts';
import type { Bench, BenchResult } from './result.ts';
import { percentile } from './statistics.ts';

const namespaceName = `weft-bench${process.pid}`;

/** Runs the measurements in a namespace of their own: the machine's gets no link and no address. */
async function measure(): Promise<AttachTimes> {
  using undo = new DisposableStack();
  using namespace = createNamespace(namespaceName);
  undo.defer(() => removeNamespace(namespaceName));
  using socket = new NetlinkSocket({ namespace });
  socket.request([setLink('lo', { up: true })]);
  const file = path.join(import.meta.dirname, 'attach-process.ts');
  const child = runInNamespace(namespace, () => fork(file));
  let times: AttachTimes | undefined;
  child.once('message', (message) => (times = message as AttachTimes));
  await once(child, 'exit');
  if (!times)
    throw new Error(`the measuring process ended with ${child.exitCode ?? child.signalCode ?? 'nothing'}`);
  return times;
}

/** How long a pod waits for its network: namespace, link, two addresses, routes and a lease on disk. */
export const bench: Bench = {
  name: 'attach',
  async run(): Promise<BenchResult> {
    const { attach, detach, floor, iproute2 } = await measure();
    const note = `of ${attach.length} pods, one after the other`;
    return {
      name: 'attach',
      figures: [
        {
          name: 'attach: p50',
          value: percentile(attach, 50),
          unit: 'ms',
          aim: 5,
          peers: { iproute2: percentile(iproute2, 50) },
          floor: percentile(floor, 50),
          note: `${note}; floor: namespace and veth alone`,
        },
        {
          name: 'attach: p99',
          value: percentile(attach, 99),
          unit: 'ms',
          aim: 5,
          floor: percentile(floor, 99),
          peers: { iproute2: percentile(iproute2, 99) },
          note,
        },
        { name: 'detach: p50', value: percentile(detach, 50), unit: 'ms', note },
        { name: 'detach: p99', value: percentile(detach, 99), unit: 'ms', note },
      ],
    };
  },
};
