import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import { DnsError } from './dns-error.ts';
import { FrameReader } from './frame-reader.ts';
import { decodeMessage, isAnswer, type Message } from './message.ts';
import { CLASS_IN, FLAG, MAX_UDP_BYTES, TYPE } from './wire.ts';

/** A server to ask: address and port. */
export interface UpstreamServer {
  readonly host: string;
  readonly port: number;
}

/** What to ask for. */
export interface Question {
  /** In wire form. */
  readonly name: string;
  readonly type: number;
  readonly dnssecOk: boolean;
  readonly checkingDisabled: boolean;
}

export interface AskOptions {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Whether to speak EDNS; old servers answer it with FORMERR. */
  readonly edns: boolean;
}

interface Request extends AskOptions {
  readonly server: UpstreamServer;
  readonly question: Question;
  readonly id: number;
  readonly packet: Buffer;
}

/** `192.0.2.1:53`, `[2001:db8::1]:53`. */
export function renderServer({ host, port }: UpstreamServer): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}

/**
 * Asks one server: over UDP from a new random port with a random id, so that an answer is hard to forge
 * (RFC 5452), and again over TCP where the answer did not fit.
 * @throws {DnsError} NoUpstream, or the system's error, e.g. ECONNREFUSED.
 */
export async function askServer(
  server: UpstreamServer,
  question: Question,
  options: AskOptions,
): Promise<Message> {
  const request = createRequest(server, question, options);
  const answer = await askOverUdp(request);
  if ((answer.flags & FLAG.TC) === 0) return answer;
  return askOverTcp(createRequest(server, question, options));
}

function createRequest(server: UpstreamServer, question: Question, options: AskOptions): Request {
  const id = randomInt(0x10000);
  return { ...options, server, question, id, packet: encodeQuestion(id, question, options.edns) };
}

/** A query message with recursion desired. */
export function encodeQuestion(id: number, question: Question, edns: boolean): Buffer {
  const { name, type, dnssecOk, checkingDisabled } = question;
  const flags = FLAG.RD | FLAG.AD | (checkingDisabled ? FLAG.CD : 0);
  const header = [id, flags, 1, 0, 0, edns ? 1 : 0];
  const opt = edns ? [0, TYPE.OPT, MAX_UDP_BYTES, 0, dnssecOk ? 0x8000 : 0, 0] : [];
  const packet = Buffer.alloc(header.length * 2 + name.length + 4 + (edns ? 11 : 0));
  header.forEach((word, index) => packet.writeUInt16BE(word, index * 2));
  const end = 12 + packet.write(name, 12, 'latin1');
  packet.writeUInt16BE(type, end);
  packet.writeUInt16BE(CLASS_IN, end + 2);
  // The root's name is one byte; everything after it is words.
  opt.slice(1).forEach((word, index) => packet.writeUInt16BE(word, end + 5 + index * 2));
  return packet;
}

/** The message, where it is the answer to this request; undefined for anything else, which may be forged. */
function matchAnswer(bytes: Buffer, { id, question }: Request): Message | undefined {
  const message = tryDecode(bytes);
  if (message?.id !== id || !isAnswer(message.flags) || message.class !== CLASS_IN) return undefined;
  return message.name === question.name && message.type === question.type ? message : undefined;
}

/** Undefined for bytes that are no message. It runs in sockets' events, where a throw would end the process. */
function tryDecode(bytes: Buffer): Message | undefined {
  try {
    return decodeMessage(bytes);
  } catch {
    return undefined;
  }
}

/** Runs an exchange that ends by its own callbacks, by time, or by the signal; cleans up whichever it was. */
function settle(
  { timeoutMs, signal, server }: Request,
  start: (resolve: (message: Message) => void, reject: (error: Error) => void) => () => void,
): Promise<Message> {
  return new Promise<Message>((resolve, reject) => {
    let cleanUp = (): void => undefined;
    const settled = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      cleanUp();
    };
    const fail = (error: Error): void => {
      settled();
      reject(error);
    };
    const abort = (): void => fail(new DnsError('NoUpstream', 'the DNS forwarder is stopping'));
    const timer = setTimeout(
      () => fail(new DnsError('NoUpstream', `no answer from ${renderServer(server)} within ${timeoutMs} ms`)),
      timeoutMs,
    );
    signal.addEventListener('abort', abort);
    cleanUp = start((message) => {
      settled();
      resolve(message);
    }, fail);
    if (signal.aborted) abort();
  });
}

function askOverUdp(request: Request): Promise<Message> {
  return settle(request, (resolve, reject) => {
    const { server, packet } = request;
    const socket = createSocket(isIPv6(server.host) ? 'udp6' : 'udp4');
    let open = true;
    socket.on('error', reject);
    socket.on('message', (bytes) => {
      const message = matchAnswer(bytes, request);
      if (message) resolve(message);
    });
    // Connected: the kernel drops what others send and reports a closed port at once.
    socket.connect(server.port, server.host, () => {
      if (open) socket.send(packet);
    });
    return () => {
      open = false;
      socket.close();
    };
  });
}

function askOverTcp(request: Request): Promise<Message> {
  return settle(request, (resolve, reject) => {
    const { server, packet } = request;
    const frames = new FrameReader();
    const socket = connect({ host: server.host, port: server.port, noDelay: true });
    const length = Buffer.alloc(2);
    length.writeUInt16BE(packet.length);
    socket.write(Buffer.concat([length, packet]));
    socket.on('error', reject);
    socket.on('close', () =>
      reject(new DnsError('NoUpstream', `${renderServer(server)} closed the connection`)),
    );
    socket.on('data', (bytes: Buffer) => {
      frames.push(bytes);
      for (let frame = frames.next(); frame; frame = frames.next()) {
        const message = matchAnswer(frame, request);
        if (!message) continue;
        resolve(message);
        return;
      }
    });
    return () => socket.destroy();
  });
}
