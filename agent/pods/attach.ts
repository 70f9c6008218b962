import * as fs from 'node:fs';
import { Writable } from 'node:stream';
import { PacketSink } from '../../netns/packet-sink.ts';
import { resizeTerminal } from '../../netns/pty.ts';
import type { AttachRequest, ContainerProcess } from '../streams/pod-streams.ts';
import { followStreams } from './log-stream.ts';

export interface AttachOptions {
  readonly request: AttachRequest;
  /** Where conmon writes what the container says. */
  readonly log: string;
  /** Where conmon takes what is typed; undefined for a container that has no stdin. */
  readonly socket: string | undefined;
  /** Where the pid of the container's first process stands. */
  readonly pidFile: string;
  readonly isRunning: () => boolean;
}

/** conmon reads at most 32 KB at a time and drops the rest of a longer packet. */
const packetBytes = 16 * 1024;

/**
 * Joins a container's first process. Its output from now on is read from its log, so that a slow client holds up
 * nobody: conmon would stand still, and the container with it. Its input goes to conmon, which closes the
 * container's stdin after it where the pod asks for that (`stdinOnce`).
 */
export function attachContainer(options: AttachOptions): ContainerProcess {
  const { request, log, socket, pidFile, isRunning } = options;
  const { stdout, stderr } = followStreams(log, isRunning);
  if (request.tty) stderr.resume();
  const stdin = request.stdin && socket !== undefined ? PacketSink.connect(socket, packetBytes) : discard();
  // The end of the container closes it; writing then fails, which is no failure of ours.
  stdin.on('error', () => stdin.destroy());
  const ended = Promise.all(
    [stdout, stderr].map((stream) => new Promise((resolve) => stream.once('close', resolve))),
  );
  return {
    stdin,
    stdout,
    stderr: request.tty ? undefined : stderr,
    resize: (columns, rows) => {
      if (request.tty && isRunning()) resizeConsole(pidFile, columns, rows);
    },
    // That of the container stands in the pod's status; having watched it was a success.
    exitCode: ended.then(() => 0),
    close: () => {
      stdin.destroy();
      stdout.destroy();
      stderr.destroy();
    },
  };
}

/**
 * Sets the size of the terminal that runc bound over the container's /dev/console. Not through conmon: of two sizes
 * that it reads at once it applies only the first, and kubectl begins with two.
 */
function resizeConsole(pidFile: string, columns: number, rows: number): void {
  let console: number;
  try {
    const pid = fs.readFileSync(pidFile, 'utf8').trim();
    console = fs.openSync(`/proc/${pid}/root/dev/console`, fs.constants.O_RDWR | fs.constants.O_NOCTTY);
  } catch {
    return; // it ended a moment ago: nobody looks at its terminal any more
  }
  try {
    resizeTerminal(console, columns, rows);
  } finally {
    fs.closeSync(console);
  }
}

function discard(): Writable {
  return new Writable({ write: (_chunk, _encoding, done) => done() });
}
