import { randomUUID } from 'node:crypto';
import * as fs from 'node:fs';
import path from 'node:path';
import { isErrno } from '../netns/kernel-error.ts';
import { IpamError } from './ipam-error.ts';
import type { Lease, PoolChange, PoolState } from './pool.ts';
import { emptyState, Pool } from './pool.ts';

/** The leases file: everything, as it was when the log beside it was begun. */
interface Snapshot<R> extends PoolState<R>, LogHead {}

/** The first line of the log: what it goes on from. */
interface LogHead {
  readonly bootId: string;
  /** Names the log; one that is called otherwise belongs to another snapshot. */
  readonly log?: string;
}

/** A line of the log: what one write made durable. */
type LogLine<R> = readonly PoolChange<R>[];

/** A log that has no room any more, some thousand changes, is begun anew with a new snapshot. */
const logBytes = 256 << 10;

/**
 * What a pool remembers, on disk: a snapshot, replaced as a whole (`leases.json`), and a log of the changes since
 * (`leases.json.log`). A change costs one write that waits for the disk, however many leases there are; to replace a
 * file durably takes a journalling file system some milliseconds. The log is full of zeros before it is written: a
 * file that grows waits for the file system's journal, and so for what others write. A line that a crash cut off was
 * promised to nobody.
 */
export class LeaseFile<R> {
  readonly #file: string;
  #head: LogHead;
  #logFd: number | undefined;
  /** How many bytes of the log are written. */
  #written = 0;
  /** The log cannot be continued: nobody looked at its end, or a write to it failed. */
  #isSnapshotDue = true;

  constructor(file: string, bootId: string) {
    this.#file = file;
    this.#head = { bootId };
  }

  /**
   * Makes changes durable: resolves when they are on disk. One at a time.
   * @param state what the pool remembers with these changes
   */
  async write(changes: LogLine<R>, state: () => PoolState<R>): Promise<void> {
    const head = this.#written === 0 ? `${JSON.stringify(this.#head)}\n` : '';
    const bytes = Buffer.from(`${head}${JSON.stringify(changes)}\n`);
    const fits = this.#written + bytes.length < logBytes;
    if (this.#isSnapshotDue || !fits) await this.#replace(state());
    else await this.#append(bytes);
  }

  async #replace(state: PoolState<R>): Promise<void> {
    this.#isSnapshotDue = true;
    this.#head = { bootId: this.#head.bootId, log: randomUUID() };
    const content: Snapshot<R> = { ...this.#head, ...state };
    await replaceFile(this.#file, JSON.stringify(content));
    const { O_WRONLY, O_CREAT, O_DSYNC } = fs.constants;
    this.#logFd ??= fs.openSync(logOf(this.#file), O_WRONLY | O_CREAT | O_DSYNC, 0o644);
    await clear(this.#logFd);
    this.#written = 0;
    this.#isSnapshotDue = false;
  }

  async #append(bytes: Buffer): Promise<void> {
    // Should it fail half way the log is not continued behind the half.
    this.#isSnapshotDue = true;
    await writeAll(this.#logFd ?? -1, bytes, this.#written);
    this.#written += bytes.length;
    this.#isSnapshotDue = false;
  }
}

/**
 * What the files say, whoever writes them. What an earlier boot wrote is left out but for where the walk was.
 * @throws IpamError `corrupt`
 */
export function readState<R>(file: string, bootId: string): PoolState<R> {
  const content = readFiles<R>(file);
  if (!content) return emptyState();
  // After a reboot no pod of before is left, but the walk goes on where it was.
  return content.bootId === bootId ? content.state : { ...emptyState(), next: content.state.next };
}

/**
 * What the files say and since which boot, however long ago that was; undefined: there are none.
 * @throws IpamError `corrupt`
 */
export function readFiles<R>(
  file: string,
): { readonly bootId: string; readonly state: PoolState<R> } | undefined {
  const [text, logText] = readBoth(file);
  if (text === undefined) return undefined;
  const snapshot = understand(file, () => parseSnapshot<R>(text));
  const pool = understand(file, () => new Pool<R>({ ranges: [], reserved: [], restMs: 0 }, snapshot));
  const lines = completeLines(logText ?? '');
  understand(logOf(file), () => {
    const [head, ...rest] = lines.map((line) => JSON.parse(line) as unknown);
    const { bootId, log } = (head ?? {}) as Partial<LogHead>;
    if (bootId !== snapshot.bootId || log !== snapshot.log) return;
    for (const changes of rest as LogLine<R>[]) for (const change of changes) pool.replay(change);
  });
  return { bootId: snapshot.bootId, state: pool.state() };
}

/** Snapshot and log: whoever writes may begin both anew between two looks at them, and then they do not belong together. */
function readBoth(file: string): [string | undefined, string | undefined] {
  for (;;) {
    const text = readText(file);
    const log = readText(logOf(file));
    if (readText(file) === text) return [text, log];
  }
}

/** Identifies this boot of the machine. */
export function readBootId(): string {
  return fs.readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

/** Removes what a write that was killed left. Only for whoever writes. */
export function removeTemporary(file: string): void {
  fs.rmSync(temporaryOf(file), { force: true });
}

function temporaryOf(file: string): string {
  return `${file}.new`;
}

function logOf(file: string): string {
  return `${file}.log`;
}

function readText(file: string): string | undefined {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** The lines that were written to their ends, before what was not written yet. */
function completeLines(text: string): string[] {
  const [written = ''] = text.split('\0', 1);
  return written.split('\n').slice(0, -1);
}

function parseSnapshot<R>(text: string): Snapshot<R> {
  const content = JSON.parse(text) as Snapshot<R> & { leases: Record<string, Lease<R> | string[]> };
  if (typeof content.bootId !== 'string') throw new TypeError('no bootId');
  // Before leases had records each was the bare list of its addresses.
  const leases = Object.entries(content.leases).map(([owner, lease]) => [
    owner,
    Array.isArray(lease) ? { addresses: lease } : lease,
  ]);
  return { ...content, leases: Object.fromEntries(leases) as PoolState<R>['leases'] };
}

function understand<T>(file: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new IpamError('corrupt', `${file} is no leases file; remove it once no pod runs here`, {
      cause: error,
    });
  }
}

/** Fills the log with zeros. */
async function clear(fd: number): Promise<void> {
  try {
    await writeAll(fd, Buffer.alloc(logBytes), 0);
  } catch (error) {
    if (!isErrno(error, 'ENOSPC', 'EDQUOT')) throw error;
    // Where there is no room for zeros there may be some for a few lines.
    fs.ftruncateSync(fd);
  }
}

/** Writes away from the main thread. A full disk takes a part at first, and says why not at the second try. */
async function writeAll(fd: number, bytes: Buffer, position: number): Promise<void> {
  for (let written = 0; written < bytes.length;)
    written += await writeSome(fd, bytes.subarray(written), position + written);
}

/** One pwrite(2). @returns how many bytes were taken */
function writeSome(fd: number, bytes: Buffer, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.write(fd, bytes, 0, bytes.length, position, (error, written) => {
      if (error) reject(error);
      else resolve(written);
    });
  });
}

/** After a crash there is the old file or the new one, never a half; once this resolves it is the new one. */
async function replaceFile(file: string, text: string): Promise<void> {
  const temporary = temporaryOf(file);
  try {
    await fs.promises.writeFile(temporary, text, { flush: true });
    await fs.promises.rename(temporary, file);
  } catch (error) {
    // On a full disk its half would keep the next try from fitting.
    await fs.promises.unlink(temporary).catch(() => undefined);
    throw error;
  }
  const directory = await fs.promises.open(path.dirname(file));
  await directory.sync().finally(() => directory.close());
}
