import { mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { NodePaths } from './paths.ts';
import { podPaths } from './paths.ts';

/** How a run of a container ended. */
export interface Termination {
  readonly exitCode: number;
  readonly reason: string;
  readonly message: string;
  /** RFC 3339; absent when it never ran. */
  readonly startedAt?: string;
  readonly finishedAt: string;
  readonly id: string;
}

/** The newest run of one container, noted once it runs. One made but not noted is known by its bundle directory. */
export interface ContainerRecord {
  readonly name: string;
  readonly id: string;
  /** 0 for the first run; also the status' restartCount. */
  readonly attempt: number;
  /** The image's name as the pod wrote it, and in full. */
  readonly image: string;
  readonly imageName: string;
  /** The container's first process; absent when none could be started. */
  readonly process?: ProcessIdentity;
  readonly startedAt?: string;
  readonly termination?: Termination;
  readonly lastTermination?: Termination;
  /** What this run waits with its successor after it ended. */
  readonly backOffMs: number;
  /** Probe results, kept so that an agent's restart does not take a working container out of its Services. */
  readonly ready: boolean;
  readonly started: boolean;
}

/** A process, so that a reused pid is not mistaken for it: its start time is in clock ticks since boot. */
export interface ProcessIdentity {
  readonly pid: number;
  readonly startTicks: string;
}

/** What one node remembers of one pod between two runs of the agent. */
export interface PodRecord {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  /** The boot in which it was written: after another boot nothing of it runs. */
  readonly bootId: string;
  readonly startTime: string;
  /** Absent for hostNetwork and before the network is attached. */
  readonly netns?: string;
  readonly ips: readonly string[];
  /** The Services' variables as of the pod's start. */
  readonly serviceEnvironment: Readonly<Record<string, string>>;
  /** By container name; init containers are among them. */
  readonly containers: Readonly<Record<string, ContainerRecord>>;
}

/** All pods this node remembers, by uid. A directory without a readable record is an empty one: to be removed. */
export function listRecords(node: NodePaths): Map<string, PodRecord | undefined> {
  let uids: string[];
  try {
    uids = readdirSync(node.pods);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Map();
    throw error;
  }
  return new Map(uids.map((uid) => [uid, readRecord(podPaths(node, uid).record)]));
}

function readRecord(file: string): PodRecord | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as PodRecord;
  } catch (error) {
    // A power cut may leave an empty file; then nothing of the pod runs any more either.
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

export function writeRecord(file: string, record: PodRecord): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  writeFileSync(`${file}.tmp`, JSON.stringify(record), { mode: 0o600 });
  renameSync(`${file}.tmp`, file);
}

export function readBootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

/** The identity of a running process; undefined when there is none, or only its zombie. */
export function identifyProcess(pid: number): ProcessIdentity | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined; // ENOENT or ESRCH: it is gone, which is an answer.
  }
  // proc(5): the fields after the parenthesized name start with the third, state; starttime is the 22nd.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
  return { pid, startTicks: fields[19] ?? '' };
}

export function isAlive(identity: ProcessIdentity): boolean {
  return identifyProcess(identity.pid)?.startTicks === identity.startTicks;
}
