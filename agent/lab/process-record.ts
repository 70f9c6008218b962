import { existsSync, readFileSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { writeFileDurably } from '../durable-file.ts';
import { isErrno } from '../../netns/kernel-error.ts';

/** A process that we started, told apart from a later one of the same number by when it started. */
export interface ProcessRecord {
  readonly pid: number;
  /** Clock ticks since boot (proc(5), field 22 of /proc/PID/stat). */
  readonly startTime: string;
  readonly bootId: string;
  /** When we started it, in ms since the epoch. */
  readonly startedAt: number;
  /** Changes when the process ought to be started anew: its command line, configuration, program. */
  readonly fingerprint: string;
}

interface ProcessStat {
  readonly state: string;
  readonly startTime: string;
  readonly threads: number;
}

/** State, start time and number of threads from the text of /proc/PID/stat; the command in parentheses may hold anything. */
export function parseProcessStat(stat: string): ProcessStat {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { state: fields[0] ?? '', startTime: fields[19] ?? '', threads: Number(fields[17]) };
}

function readStat(pid: number): ProcessStat | undefined {
  try {
    return parseProcessStat(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ESRCH')) return undefined;
    throw error;
  }
}

function readBootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

/** Writes down a process just started. */
export function writeProcessRecord(file: string, pid: number, fingerprint: string): ProcessRecord {
  const record = {
    pid,
    startTime: readStat(pid)?.startTime ?? '',
    bootId: readBootId(),
    startedAt: Date.now(),
    fingerprint,
  };
  writeFileDurably(file, `${JSON.stringify(record)}\n`, 0o600);
  return record;
}

/** The process written down in `file`, if it still runs. */
export function findProcess(file: string): ProcessRecord | undefined {
  if (!existsSync(file)) return undefined;
  const record = parseRecord(readFileSync(file, 'utf8'));
  return record && isRunning(record) ? record : undefined;
}

/** A damaged record names no process: nobody is signalled on its word. */
function parseRecord(text: string): ProcessRecord | undefined {
  try {
    const record = JSON.parse(text) as Partial<ProcessRecord> | null;
    return Number.isInteger(record?.pid) && record?.startTime ? (record as ProcessRecord) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Whether the very process of the record runs; a zombie does not, unless other threads still hold its files and ports. */
export function isRunning({ pid, startTime, bootId }: ProcessRecord): boolean {
  const stat = readStat(pid);
  if (stat?.startTime !== startTime || bootId !== readBootId()) return false;
  return stat.state !== 'Z' || stat.threads > 1;
}

/**
 * Ends the process written down in `file` and forgets it: `signal`, and SIGKILL when it still runs after ten
 * seconds. One that is gone already is fine.
 */
export async function endProcess(file: string, signal: NodeJS.Signals): Promise<void> {
  const record = findProcess(file);
  if (record) {
    process.kill(record.pid, signal);
    if (!(await isGoneWithin(record, 10_000))) {
      process.kill(record.pid, 'SIGKILL');
      await isGoneWithin(record, 5_000);
    }
  }
  rmSync(file, { force: true });
}

async function isGoneWithin(record: ProcessRecord, ms: number): Promise<boolean> {
  const deadline = performance.now() + ms;
  while (isRunning(record)) {
    if (performance.now() > deadline) return false;
    await sleep(10);
  }
  return true;
}
