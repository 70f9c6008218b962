import type { IncomingMessage } from 'node:http';
import type { Duplex, Readable, Writable } from 'node:stream';
import type { Status } from '../../api/kinds/meta.ts';
import { SizeParser } from './channels.ts';
import type { Channels, WantedChannels } from './channels.ts';
import { SpdyConnection } from './spdy-connection.ts';
import type { SpdyStream } from './spdy-connection.ts';
import { StreamError } from './stream-error.ts';

const protocol = 'v4.channel.k8s.io';

/** How long the client may take to open all its streams (kubelet's DefaultStreamCreationTimeout). */
const openMs = 30_000;

/** Whether the client offers our version of remotecommand, by its X-Stream-Protocol-Version headers. */
export function offersSpdyStreams(request: IncomingMessage): boolean {
  const header = request.headers['x-stream-protocol-version'];
  const offered = (Array.isArray(header) ? header.join(',') : (header ?? '')).split(',');
  return offered.some((name) => name.trim() === protocol);
}

/** The header that tells a client which versions there are, for the answer that refuses its own. */
export const acceptedVersions = { 'X-Accepted-Stream-Protocol-Versions': protocol };

/** Answers the upgrade and waits until the client has opened the streams it asked for. */
export async function acceptSpdy(socket: Duplex, head: Buffer, wanted: WantedChannels): Promise<Channels> {
  const missing = new Set(['error']);
  if (wanted.stdin) missing.add('stdin');
  if (wanted.stdout) missing.add('stdout');
  if (wanted.stderr && !wanted.tty) missing.add('stderr');
  if (wanted.tty) missing.add('resize');

  const streams = new Map<string, SpdyStream>();
  const opened = Promise.withResolvers<undefined>();
  const connection = new SpdyConnection(socket, {
    onStream: (stream) => {
      const type = stream.headers.get('streamtype') ?? '';
      if (!missing.delete(type)) {
        stream.destroy();
        return;
      }
      // Only stdin and resize are read; the ends of the others must not be waited for.
      if (type !== 'stdin' && type !== 'resize') stream.resume();
      streams.set(type, stream);
      if (missing.size === 0) opened.resolve(undefined);
    },
  });
  socket.write(
    'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n' +
      `X-Stream-Protocol-Version: ${protocol}\r\n\r\n`,
  );
  if (head.length > 0) socket.unshift(head);
  const closed = connection.run();
  closed.then(
    () => opened.reject(new StreamError(400, 'the client went away before it opened its streams')),
    (error: unknown) => opened.reject(error),
  );
  const late = setTimeout(() => {
    connection.destroy();
  }, openMs);
  try {
    await opened.promise;
  } finally {
    clearTimeout(late);
  }
  return new SpdyChannels(streams, closed);
}

class SpdyChannels implements Channels {
  readonly stdin: Readable | undefined;
  readonly stdout: Writable | undefined;
  readonly stderr: Writable | undefined;
  readonly closed: Promise<void>;
  readonly #streams: ReadonlyMap<string, SpdyStream>;

  constructor(streams: ReadonlyMap<string, SpdyStream>, closed: Promise<void>) {
    this.#streams = streams;
    this.stdin = streams.get('stdin');
    this.stdout = streams.get('stdout');
    this.stderr = streams.get('stderr');
    // What the peer did wrong ends the session as a lost connection does.
    this.closed = closed.catch(() => undefined);
  }

  onResize(listener: (columns: number, rows: number) => void): void {
    const sizes = new SizeParser();
    this.#streams.get('resize')?.on('data', (chunk: Buffer) => {
      for (const { columns, rows } of sizes.push(chunk.toString())) listener(columns, rows);
    });
  }

  /**
   * Ends all streams and leaves closing the connection to the client: spdystream drops frames it has read but
   * not handed on yet when the socket ends, so closing here would cut off output.
   */
  finish(status: Status): void {
    this.#streams.get('error')?.end(JSON.stringify(status));
    this.stdin?.resume();
    for (const stream of this.#streams.values()) stream.end();
  }
}
