import type { Duplex } from 'node:stream';
import { joinConnections } from './joint.ts';
import type { DialPort, PodRef } from './pod-streams.ts';
import { describeFailure, parsePort } from './forwarded-port.ts';
import { SpdyConnection } from './spdy-connection.ts';
import type { SpdyStream } from './spdy-connection.ts';

/** The one version of port-forward over SPDY there ever was. */
export const forwardProtocol = 'portforward.k8s.io';

/** How long a client may take to open the second stream of a pair (the kubelet's streamCreationTimeout). */
const pairMs = 30_000;

/** The two streams of one forwarded connection as far as they were opened. */
interface Pair {
  readonly streams: Map<string, SpdyStream>;
  readonly late: NodeJS.Timeout;
}

/**
 * Serves port-forward on a SPDY connection: for each connection it accepts the client opens an error and a data
 * stream of one `requestid`, with the port in their headers. Resolves when the client is gone.
 * Source: k8s.io/kubelet pkg/cri/streaming/portforward/httpstream.go.
 */
export async function forwardOverSpdy(socket: Duplex, pod: PodRef, dial: DialPort): Promise<void> {
  const pairs = new Map<string, Pair>();
  const take = (stream: SpdyStream): void => {
    const id = stream.headers.get('requestid') ?? '';
    const type = stream.headers.get('streamtype') ?? '';
    const port = parsePort(stream.headers.get('port') ?? '');
    const isPart = type === 'data' || type === 'error';
    if (port === undefined || id === '' || !isPart || pairs.get(id)?.streams.has(type)) {
      stream.destroy();
      return;
    }
    const pair = pairs.get(id) ?? open(id);
    pair.streams.set(type, stream);
    stream.once('close', () => abandon(id, pair));
    const { data, error } = Object.fromEntries(pair.streams);
    if (!data || !error) return;
    close(id, pair);
    void forward({ data, error }, { pod, port }, dial);
  };
  const open = (id: string): Pair => {
    const pair: Pair = { streams: new Map(), late: setTimeout(() => abandon(id, pair), pairMs) };
    pairs.set(id, pair);
    return pair;
  };
  const close = (id: string, pair: Pair): void => {
    clearTimeout(pair.late);
    pairs.delete(id);
  };
  /** A pair that will not be complete any more; one that is complete goes on. */
  const abandon = (id: string, pair: Pair): void => {
    if (pairs.get(id) !== pair) return;
    close(id, pair);
    for (const stream of pair.streams.values()) stream.destroy();
  };
  const connection = new SpdyConnection(socket, { onStream: take });
  try {
    await connection.run();
  } finally {
    for (const [id, pair] of pairs) abandon(id, pair);
  }
}

async function forward(
  { data, error }: { readonly data: SpdyStream; readonly error: SpdyStream },
  { pod, port }: { readonly pod: PodRef; readonly port: number },
  dial: DialPort,
): Promise<void> {
  // Nobody writes to it, but its end must be read.
  error.resume();
  try {
    const connection = await dial(port);
    if (data.destroyed) connection.destroy();
    else await joinConnections(data, connection);
    // An empty error stream says that all is well; clients wait for its end.
    error.end();
  } catch (cause) {
    error.end(describeFailure(pod, port, cause));
    data.resume();
    data.end();
  }
}
