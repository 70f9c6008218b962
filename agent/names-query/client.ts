import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, isIPv6, Socket } from 'node:net';
import { encodeExplainedQuestion, readServerWords, type ServerWords } from '../../dns/server-words.ts';
import { FrameReader } from '../../dns/frame-reader.ts';
import { decodeMessage, isAnswer, type Message } from '../../dns/message.ts';
import { FLAG } from '../../dns/wire.ts';
import { connectInNamespace, openUdpInNamespace } from '../../netns/namespace.ts';

/** Whom to ask, and from where. */
export interface QueryTarget {
  readonly host: string;
  readonly port: number;
  /** Path of the network namespace to ask from; undefined: the node's own. */
  readonly netns: string | undefined;
  /** Over TCP from the start. */
  readonly tcp: boolean;
}

/** An answer as it came. */
export interface QueryReply extends ServerWords {
  readonly message: Message;
  readonly protocol: 'udp' | 'tcp';
  readonly bytes: number;
  readonly milliseconds: number;
}

/** A resolver waits five seconds; a server on the same node that takes two is as good as dead. */
export const ANSWER_WITHIN_MS = 2000;

interface Question {
  readonly name: string;
  readonly type: number;
}

/**
 * Asks one server as a resolver does: over UDP, and again over TCP where the answer was cut. Asks it also who it is.
 * Rejects with the system's error (ECONNREFUSED: nobody listens), or an AbortError when no answer came in time.
 */
export async function queryServer(target: QueryTarget, question: Question): Promise<QueryReply> {
  const startedAt = performance.now();
  const id = randomInt(0x10000);
  const packet = encodeExplainedQuestion(id, question.name, question.type);
  const signal = AbortSignal.timeout(ANSWER_WITHIN_MS);
  const matches = (message: Message): boolean =>
    message.id === id &&
    isAnswer(message.flags) &&
    message.name === question.name &&
    message.type === question.type;
  const ask = async (protocol: 'udp' | 'tcp'): Promise<QueryReply> => {
    await using packets =
      protocol === 'tcp' ? openTcp(target, packet, signal) : await openUdp(target, packet, signal);
    for (;;) {
      const bytes = await packets.next();
      const message = decodeMessage(bytes);
      if (!matches(message)) continue;
      const milliseconds = performance.now() - startedAt;
      return { message, protocol, bytes: bytes.length, milliseconds, ...readServerWords(bytes) };
    }
  };
  const reply = await ask(target.tcp ? 'tcp' : 'udp');
  return (reply.message.flags & FLAG.TC) !== 0 && reply.protocol === 'udp' ? ask('tcp') : reply;
}

/** Messages of one exchange, as they come. */
interface Packets extends AsyncDisposable {
  next(): Promise<Buffer>;
}

async function openUdp(
  { host, port, netns }: QueryTarget,
  packet: Buffer,
  signal: AbortSignal,
): Promise<Packets> {
  const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
  await using opened = new AsyncDisposableStack();
  opened.defer(() => void socket.close());
  if (netns !== undefined) socket.bind({ fd: openUdpInNamespace(netns, isIPv6(host) ? 6 : 4) });
  // Connected: a closed port is told at once, and nobody else can answer.
  socket.connect(port, host);
  await once(socket, 'connect', { signal });
  socket.send(packet);
  const kept = opened.move();
  return {
    next: async () => ((await once(socket, 'message', { signal })) as [Buffer])[0],
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

function openTcp({ host, port, netns }: QueryTarget, packet: Buffer, signal: AbortSignal): Packets {
  const socket =
    netns === undefined
      ? connect({ host, port })
      : new Socket({ fd: connectInNamespace(netns, { host, port }), readable: true, writable: true });
  const abort = (): void => void socket.destroy(signal.reason as Error);
  signal.addEventListener('abort', abort);
  const frames = new FrameReader();
  const length = Buffer.alloc(2);
  length.writeUInt16BE(packet.length);
  socket.write(Buffer.concat([length, packet]));
  const chunks = socket[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  return {
    async next() {
      for (let frame = frames.next(); ; frame = frames.next()) {
        if (frame) return frame;
        const chunk = await chunks.next();
        if (chunk.done) throw Object.assign(new Error('the connection was closed'), { code: 'ECONNRESET' });
        frames.push(chunk.value);
      }
    },
    [Symbol.asyncDispose]() {
      signal.removeEventListener('abort', abort);
      socket.destroy();
      return Promise.resolve();
    },
  };
}
