import { NETLINK_NETFILTER, NetlinkMonitor, NetlinkSocket } from '../netns/netlink.ts';
import { askGeneration, decodeGeneration } from './generation.ts';
import { readLegacyCounters } from './legacy-counters.ts';
import { NEWGEN, nftablesGroup } from './rule-watch.ts';

/** How often the legacy interface, which tells nothing by itself, is asked (50 µs). */
const pollMs = 1_000;

/**
 * Calls `onChange` after each change of any rules of this network namespace but those that this process makes itself,
 * without looking at what it was. Programs that this process runs count as others.
 * @throws KernelError when the kernel has no nf_tables
 */
export function watchAllRules(onChange: () => void): Disposable {
  using undo = new DisposableStack();
  const protocol = NETLINK_NETFILTER;
  const socket = undo.use(new NetlinkSocket({ protocol }));
  const self = askGeneration(socket).process.pid;
  const onMessage = (type: number, payload: Buffer): void => {
    if (type === NEWGEN && decodeGeneration(payload).process.pid !== self) onChange();
  };
  const monitor = undo.use(
    new NetlinkMonitor({ protocol, groups: nftablesGroup, onMessage, onOverrun: onChange }),
  );
  // A transaction can be of 100,000 objects: only that there was one is listened to.
  monitor.listenFor(NEWGEN);
  let counters = readLegacyCounters();
  const timer = setInterval(() => {
    const now = readLegacyCounters();
    if (now !== counters) onChange();
    counters = now;
  }, pollMs).unref();
  undo.defer(() => {
    clearInterval(timer);
  });
  return undo.move();
}
