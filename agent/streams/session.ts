import { PassThrough, pipeline as join } from 'node:stream';
import type { Readable, Writable } from 'node:stream';
import { finished, pipeline } from 'node:stream/promises';
import type { Status } from '../../api/kinds/meta.ts';
import type { Channels } from './channels.ts';
import type { ContainerProcess } from './pod-streams.ts';

/**
 * Joins a process to a client until the process has ended and all its output is sent, or the client is gone.
 * Resolves with the exit code, or undefined when the client left first. Never rejects.
 */
export async function runSession(process: ContainerProcess, channels: Channels): Promise<number | undefined> {
  channels.onResize((columns, rows) => {
    process.resize(columns, rows);
  });
  if (channels.stdin) feed(channels.stdin, process.stdin);
  const left = channels.closed.then(() => {
    process.close();
    return undefined;
  });
  return Promise.race([left, finish(process, channels)]);
}

/**
 * The same process with its output held until the client is there. Node's child processes throw away what nobody
 * has begun to read when they exit, and a short command has exited before the handshake is done.
 */
export function holdOutput(process: ContainerProcess): ContainerProcess {
  const hold = (source: Readable): Readable =>
    join(source, new PassThrough(), () => {
      // An error of the source is seen by whoever reads the copy.
    });
  return {
    stdin: process.stdin,
    stdout: hold(process.stdout),
    stderr: process.stderr && hold(process.stderr),
    // It may fail before there is anybody to tell; runSession asks again.
    exitCode: handled(process.exitCode),
    resize: (columns, rows) => {
      process.resize(columns, rows);
    },
    close: () => {
      process.close();
    },
  };
}

function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}

async function finish(process: ContainerProcess, channels: Channels): Promise<number | undefined> {
  // A client that leaves breaks it long before the exit code is known.
  const sent = handled(
    Promise.all([
      drain(process.stdout, channels.stdout),
      process.stderr && drain(process.stderr, channels.stderr),
    ]),
  );
  try {
    const exitCode = await process.exitCode;
    await sent;
    channels.finish(exitStatus(exitCode));
    return exitCode;
  } catch (error) {
    channels.finish(failureStatus(error as Error));
    return undefined;
  }
}

/** Copies stdin; what a process that closed its stdin does not take is read and dropped, as by a closed pipe. */
function feed(source: Readable, target: Writable): void {
  const drop = (): void => {
    source.unpipe(target);
    source.resume();
  };
  target.on('error', drop);
  target.on('close', drop);
  // A stream that breaks is an end, too: the process must not wait for more.
  source.on('close', () => target.end());
  source.pipe(target);
}

async function drain(source: Readable, target: Writable | undefined): Promise<void> {
  if (target) return pipeline(source, target);
  source.resume();
  return finished(source);
}

/** How a process ended, as the error channel says it since v4 (k8s.io/apimachinery remotecommand). */
function exitStatus(exitCode: number): Status {
  if (exitCode === 0) return { metadata: {}, status: 'Success' };
  return {
    metadata: {},
    status: 'Failure',
    message: `command terminated with non-zero exit code: ${exitCode}`,
    reason: 'NonZeroExitCode',
    details: { causes: [{ reason: 'ExitCode', message: String(exitCode) }] },
  };
}

function failureStatus(error: Error): Status {
  return { metadata: {}, status: 'Failure', message: error.message, reason: 'InternalError', code: 500 };
}
