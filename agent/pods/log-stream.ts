import * as fs from 'node:fs';
import { dirname } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import type { LogOptions } from '../streams/pod-streams.ts';
import { parseLogLine, renderLogEntry } from './log-file.ts';
import { listRotated } from './log-rotation.ts';

const chunkBytes = 64 * 1024;
/** A follow looks again this often even if no change was told: inotify may drop, and no file tells of the end. */
const pollMs = 250;
const newline = 0x0a;

/**
 * A container's log as text. With `follow` it goes on until `isRunning` says no and everything is read; rotated
 * files are read before the current one.
 */
export function readLog(log: string, options: LogOptions, isRunning: () => boolean): Readable {
  // A generator that waits for a change does not hear that its reader went away: it asks.
  const goesOn = (): boolean => !stream.destroyed && isRunning();
  const chunks = limit(select(readLines(log, options, goesOn), options), options.limitBytes);
  const stream = Readable.from(chunks, { objectMode: false });
  return stream;
}

/** What a container says from now on, each of its streams by itself, until `isRunning` says no. */
export function followStreams(
  log: string,
  isRunning: () => boolean,
): { readonly stdout: PassThrough; readonly stderr: PassThrough } {
  const streams = { stdout: new PassThrough(), stderr: new PassThrough() };
  const options = { follow: true, previous: false, timestamps: false, tailLines: 0 };
  const goesOn = (): boolean => !streams.stdout.destroyed && isRunning();
  void distribute(readLines(log, options, goesOn), streams);
  return streams;
}

async function distribute(
  lines: AsyncIterable<Buffer>,
  streams: { readonly stdout: PassThrough; readonly stderr: PassThrough },
): Promise<void> {
  try {
    for await (const line of lines) {
      const entry = parseLogLine(line);
      if (entry === undefined) continue;
      const target = entry.stream === 'stderr' ? streams.stderr : streams.stdout;
      if (target.write(renderLogEntry(entry, false)) || target.destroyed) continue;
      await new Promise((resolve) => target.once('drain', resolve).once('close', resolve));
    }
    streams.stdout.end();
    streams.stderr.end();
  } catch (error) {
    for (const stream of Object.values(streams)) stream.destroy(error as Error);
  }
}

/** The chosen lines as they are shown. */
async function* select(lines: AsyncIterable<Buffer>, options: LogOptions): AsyncGenerator<Buffer> {
  const since = sinceTime(options);
  for await (const line of lines) {
    const entry = parseLogLine(line);
    if (entry && (since === undefined || Date.parse(entry.time) >= since)) {
      yield renderLogEntry(entry, options.timestamps);
    }
  }
}

function sinceTime({ sinceSeconds, sinceTime: text }: LogOptions): number | undefined {
  if (text !== undefined) return Date.parse(text);
  return sinceSeconds === undefined ? undefined : Date.now() - sinceSeconds * 1000;
}

async function* limit(chunks: AsyncIterable<Buffer>, limitBytes: number | undefined): AsyncGenerator<Buffer> {
  let left = limitBytes ?? Infinity;
  for await (const chunk of chunks) {
    const part = chunk.length > left ? chunk.subarray(0, left) : chunk;
    if (part.length > 0) yield part;
    left -= part.length;
    if (left <= 0) return;
  }
}

async function* readLines(
  log: string,
  options: LogOptions,
  isRunning: () => boolean,
): AsyncGenerator<Buffer> {
  const files = [...listRotated(log), log];
  const { index, offset } = tailStart(files, options.tailLines);
  for (const [position, file] of files.entries()) {
    if (position < index) continue;
    const start = position === index ? offset : 0;
    const follows = options.follow && file === log;
    if (follows) yield* followLines(log, start, isRunning);
    else yield* fileLines(file, start);
  }
}

/** All complete lines of a file from `offset` on. */
async function* fileLines(file: string, offset: number): AsyncGenerator<Buffer> {
  if (!fs.existsSync(file)) return;
  await using handle = await fs.promises.open(file);
  const reader = new LineReader(handle, offset);
  yield* reader.lines();
}

/** Lines of a growing file; when it is rotated, the rest of the old one and then the new one. */
async function* followLines(log: string, offset: number, isRunning: () => boolean): AsyncGenerator<Buffer> {
  using changes = new ChangeWatcher(dirname(log));
  let start = offset;
  for (;;) {
    const handle = await openEventually(log, changes, isRunning);
    if (handle === undefined) return;
    await using _closed = handle;
    const reader = new LineReader(handle, start);
    for (;;) {
      // Asked before reading: what was written before the end is read after this.
      const ends = !isRunning();
      const rotated = await isRotated(log, handle);
      yield* reader.lines();
      if (ends && !rotated) return;
      if (rotated) break;
      await changes.next();
    }
    start = 0;
  }
}

async function openEventually(
  log: string,
  changes: ChangeWatcher,
  isRunning: () => boolean,
): Promise<fs.promises.FileHandle | undefined> {
  for (;;) {
    const ends = !isRunning();
    if (fs.existsSync(log)) return fs.promises.open(log);
    if (ends) return undefined;
    await changes.next();
  }
}

async function isRotated(log: string, handle: fs.promises.FileHandle): Promise<boolean> {
  const now = fs.statSync(log, { throwIfNoEntry: false });
  // Between rename and the new file there is none: not yet to be left.
  return now !== undefined && now.ino !== (await handle.stat()).ino;
}

/** Reads complete lines; what follows the last newline waits for its end. */
class LineReader {
  readonly #handle: fs.promises.FileHandle;
  #position: number;
  #rest: Buffer = Buffer.alloc(0);

  constructor(handle: fs.promises.FileHandle, position: number) {
    this.#handle = handle;
    this.#position = position;
  }

  async *lines(): AsyncGenerator<Buffer> {
    for (;;) {
      const { bytesRead, buffer } = await this.#handle.read(
        Buffer.alloc(chunkBytes),
        0,
        chunkBytes,
        this.#position,
      );
      if (bytesRead === 0) return;
      this.#position += bytesRead;
      const text = Buffer.concat([this.#rest, buffer.subarray(0, bytesRead)]);
      let start = 0;
      for (let end = text.indexOf(newline); end >= 0; end = text.indexOf(newline, start)) {
        yield text.subarray(start, end);
        start = end + 1;
      }
      this.#rest = text.subarray(start);
    }
  }
}

/** Tells that something in a directory may have changed. */
class ChangeWatcher implements Disposable {
  readonly #watcher: fs.FSWatcher;
  #wake: (() => void) | undefined;
  #changed = false;

  constructor(dir: string) {
    this.#watcher = fs.watch(dir, () => this.#notify());
    // The directory went away with its pod: the reader's next look finds out.
    this.#watcher.on('error', () => this.#notify());
  }

  /** Resolves at the next change, or at one since the last call, or after {@link pollMs}. */
  async next(): Promise<void> {
    if (!this.#changed) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, pollMs);
        this.#wake = (): void => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.#changed = false;
  }

  [Symbol.dispose](): void {
    this.#watcher.close();
  }

  #notify(): void {
    this.#changed = true;
    this.#wake?.();
  }
}

/** Where the last `lines` complete lines begin: which file, and at which byte of it. */
function tailStart(files: readonly string[], lines: number | undefined): { index: number; offset: number } {
  if (lines === undefined) return { index: 0, offset: 0 };
  let left = lines;
  for (const [index, file] of [...files.entries()].reverse()) {
    if (!fs.existsSync(file)) continue;
    const found = findFromEnd(file, left);
    if (found.offset !== undefined) return { index, offset: found.offset };
    left -= found.newlines;
  }
  return { index: 0, offset: 0 };
}

/** The byte after the newline that precedes the last `lines` lines, or how many newlines there are instead. */
function findFromEnd(file: string, lines: number): { offset?: number; newlines: number } {
  const fd = fs.openSync(file, 'r');
  try {
    const { size } = fs.fstatSync(fd);
    let newlines = 0;
    for (let end = size; end > 0;) {
      const start = Math.max(0, end - chunkBytes);
      const chunk = Buffer.alloc(end - start);
      fs.readSync(fd, chunk, 0, chunk.length, start);
      for (
        let at = chunk.lastIndexOf(newline);
        at >= 0;
        at = at === 0 ? -1 : chunk.lastIndexOf(newline, at - 1)
      ) {
        // The newline that ends the file's last line does not precede one.
        if (newlines === lines) return { offset: start + at + 1, newlines };
        newlines += 1;
      }
      end = start;
    }
    return { newlines };
  } finally {
    fs.closeSync(fd);
  }
}
