import { renderRestore } from './iptables-restore.ts';
import type { TableChange } from './iptables-restore.ts';

/** What a refused iptables-restore leaves behind, and who is to blame. */
export interface Refusal {
  /** The changes that went through before it. */
  readonly applied: readonly TableChange[];
  /** Nothing else was changed, and the kernel holds what we believed. */
  readonly certain: boolean;
  /** The Service (`namespace/name`) whose rule was refused. */
  readonly service: string | undefined;
  /**
   * The table as a whole was refused. The legacy interface says so both when it refuses a rule and when somebody who
   * does not know of the lock changed the table meanwhile.
   */
  readonly atCommit: boolean;
}

/** `Error occurred at line: 4`, `line 4: RULE_APPEND failed (Invalid argument)`, `iptables-restore: line 4 failed` */
const lineNumber = /\bline:? (\d+)\b/;

/** The comment that every rule of a Service carries: `namespace/name:port`, and sometimes words behind it. */
const serviceComment = /--comment "([^/\s"]+\/[^:\s"]+)[:\s"]/;

/** Reads what iptables-restore said about `changes`. Each table is a transaction that ends at its COMMIT line. */
export function explainRefusal(changes: readonly TableChange[], message: string): Refusal {
  const number = Number(lineNumber.exec(message)?.[1] ?? 0);
  let first = 1;
  for (const [index, change] of changes.entries()) {
    const lines = renderRestore([change]).trimEnd().split('\n');
    const line = lines[number - first];
    first += lines.length;
    if (line === undefined) continue;
    return {
      applied: changes.slice(0, index),
      // A hook or chain to remove that is not there says otherwise.
      certain: line.startsWith('-A '),
      service: serviceComment.exec(line)?.[1],
      atCommit: line === 'COMMIT',
    };
  }
  return { applied: [], certain: false, service: undefined, atCommit: false };
}
