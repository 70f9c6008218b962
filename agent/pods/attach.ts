import * as fs from 'node:fs';
import { PassThrough, Readable } from 'node:stream';
import type { Writable } from 'node:stream';
import type { AttachRequest, ContainerProcess } from '../streams/pod-streams.ts';
import { readLog } from './log-stream.ts';

export interface AttachOptions {
  readonly request: AttachRequest;
  /** Where conmon writes what the container says. */
  readonly log: string;
  readonly pid: number;
  readonly isRunning: () => boolean;
  readonly exitCode: () => number;
}

/**
 * Joins a container's first process: its output from now on is read from its log (stderr among it), its stdin is
 * the pipe conmon holds for it. A terminal's input cannot be joined this way and is dropped.
 */
export function attachContainer({ request, log, pid, isRunning, exitCode }: AttachOptions): ContainerProcess {
  const options = { follow: true, previous: false, timestamps: false, tailLines: 0 };
  const stdout = readLog(log, options, isRunning);
  const ended = new Promise<number>((resolve) => stdout.once('close', () => resolve(exitCode())));
  return {
    stdin: request.stdin && !request.tty ? fs.createWriteStream(`/proc/${pid}/fd/0`) : discard(),
    stdout,
    stderr: request.tty ? undefined : Readable.from([]),
    resize: () => undefined,
    exitCode: ended,
    close: () => stdout.destroy(),
  };
}

function discard(): Writable {
  const sink = new PassThrough();
  sink.resume();
  return sink;
}
