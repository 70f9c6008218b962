/**
 * A daemon that dies: makes the kernel hold `before`, then `after`, and is killed by SIGKILL just before the `killAt`th
 * write to the kernel of the second sync, or right behind the start of the program that is to do it. Says `done` when
 * there were not so many.
 */
import { makeRun, runCommand } from '../../iptables/command.ts';
import type { Run } from '../../iptables/command.ts';
import type { Ruleset } from '../../iptables/model.ts';
import type { NftDoor } from '../../iptables/nftables-door.ts';
import { NetlinkDoor } from '../../iptables/nftables-netlink.ts';
import { backends } from './rule-namespace.ts';

export interface KilledTask {
  readonly backend: string;
  /** Undefined: no rules at all. */
  readonly before: WireRuleset | undefined;
  readonly after: WireRuleset;
  readonly killAt: number;
  readonly when: 'before a write' | 'during a program';
}

/** A {@link Ruleset} that survives JSON. */
export interface WireRuleset {
  readonly settings: Ruleset['settings'];
  readonly services: readonly (readonly [string, NonNullable<ReturnType<Ruleset['services']['get']>>])[];
}

const task = JSON.parse(process.argv[2] ?? '{}') as KilledTask;
let writes = -1;

/** Notes one more write; the one that is asked for never comes back from here. */
function note(when: KilledTask['when']): void {
  if (writes >= 0 && when === task.when && writes++ === task.killAt) process.kill(process.pid, 'SIGKILL');
}

const isRead = (program: string): boolean => program.endsWith('-save');
const runNoted = makeRun((program) => {
  if (!isRead(program)) note('during a program');
});
const run: Run = (program, args, input) => {
  if (!isRead(program)) note('before a write');
  return writes < 0 ? runCommand(program, args, input) : runNoted(program, args, input);
};
const kernel = new NetlinkDoor();
const door: NftDoor = {
  generation: () => kernel.generation(),
  readLayout: () => kernel.readLayout(),
  readElements: (object, visit) => kernel.readElements(object, visit),
  apply: (transaction) => {
    note('before a write');
    kernel.apply(transaction);
  },
};
const backend = backends[task.backend]?.(run, door);
if (!backend) throw new TypeError(`no such backend: ${task.backend}`);
const rulesOf = ({ settings, services }: WireRuleset): Ruleset => ({ settings, services: new Map(services) });
if (task.before) await backend.sync(rulesOf(task.before));
else await backend.remove();
writes = 0;
await backend.sync(
  rulesOf(task.after),
  task.before && new Set([...task.before.services, ...task.after.services].map(([key]) => key)),
);
process.stdout.write('done');
