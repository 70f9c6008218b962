import { Writable } from 'node:stream';
import { PacketSink } from '../../netns/packet-sink.ts';
import type { AttachRequest, ContainerProcess } from '../streams/pod-streams.ts';
import { resizeContainer } from './conmon-control.ts';
import { followStreams } from './log-stream.ts';

export interface AttachOptions {
  readonly request: AttachRequest;
  /** Where conmon writes what the container says. */
  readonly log: string;
  /** Where conmon takes what is typed; undefined for a container that has no stdin. */
  readonly socket: string | undefined;
  readonly bundle: string;
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
  const { request, log, socket, bundle, isRunning } = options;
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
      if (isRunning()) resizeContainer(bundle, columns, rows);
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

function discard(): Writable {
  return new Writable({ write: (_chunk, _encoding, done) => done() });
}
