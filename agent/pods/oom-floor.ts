import { readFileSync } from 'node:fs';

/** linux/capability.h */
const capSysResource = 24n;

/**
 * The lowest oom_score_adj that containers can be given. Only CAP_SYS_RESOURCE may lower it below one's own: in a
 * host that is itself a container without it, runc would refuse to start a pod of quality Guaranteed.
 */
export function readOomFloor(): number {
  return oomFloor(
    readFileSync('/proc/self/status', 'utf8'),
    Number(readFileSync('/proc/self/oom_score_adj', 'utf8')),
  );
}

/** By the text of a process' `status` and its own oom_score_adj. */
export function oomFloor(status: string, own: number): number {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0';
  const mayLower = (BigInt(`0x${effective}`) >> capSysResource) & 1n;
  return mayLower === 1n ? -1000 : own;
}
