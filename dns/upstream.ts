import { randomBytes, randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import { DnsError } from './dns-error.ts';
import { FrameReader } from './frame-reader.ts';
import { decodeMessage, isAnswer, type Message } from './message.ts';
import { lowerCase } from './names.ts';
import type { ResourceRecord } from './records.ts';
import { CLASS_IN, FLAG, HEADER_BYTES, MAX_UDP_BYTES, RCODE, TYPE } from './wire.ts';

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
  /** Whether the name's letters are sent in random case, which an answer must repeat: some more bits to guess. */
  readonly mixCase?: boolean;
}

interface Request extends AskOptions {
  readonly server: UpstreamServer;
  readonly question: Question;
  /** The message as it is sent. */
  readonly packet: Buffer;
}

/** So many wrong answers on one port are somebody's attempts to guess the id: TCP cannot be guessed at. */
const MAX_WRONG_ANSWERS = 20;

/** `192.0.2.1:53`, `[2001:db8::1]:53`. */
export function renderServer({ host, port }: UpstreamServer): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}

/**
 * Asks one server: over UDP from a new random port with a random id, so that an answer is hard to forge
 * (RFC 5452), and again over TCP where the answer did not fit or looks like an attempt to forge one.
 * @throws {DnsError} NoUpstream, or the system's error, e.g. ECONNREFUSED.
 */
export async function askServer(
  server: UpstreamServer,
  question: Question,
  options: AskOptions,
): Promise<Message> {
  const answer = await askOverUdp(createRequest(server, question, options));
  return answer ?? askOverTcp(createRequest(server, question, { ...options, mixCase: false }));
}

function createRequest(server: UpstreamServer, question: Question, options: AskOptions): Request {
  const packet = encodeQuestion(randomInt(0x10000), question, options.edns);
  if (options.mixCase) mixCase(packet, question.name.length);
  return { ...options, server, question, packet };
}

/** Gives each letter of the question's name a random case (draft-vixie-dnsext-dns0x20). */
function mixCase(packet: Buffer, nameBytes: number): void {
  const coins = randomBytes(nameBytes);
  for (let index = 0; index < nameBytes; index += 1) {
    const byte = packet[HEADER_BYTES + index] ?? 0;
    const isLetter = byte >= 0x61 && byte <= 0x7a;
    if (isLetter && ((coins[index] ?? 0) & 1) !== 0) packet[HEADER_BYTES + index] = byte ^ 0x20;
  }
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

/**
 * What a message is to a request: the answer; nothing to do with it, perhaps forged; or its answer in a form that
 * is better asked for over TCP, cut or with the name's letters changed.
 */
function judgeAnswer(
  bytes: Buffer,
  { packet, question, mixCase = false }: Request,
): Message | 'wrong' | 'ask again' {
  if (bytes.length < HEADER_BYTES || bytes.readUInt16BE(0) !== packet.readUInt16BE(0)) return 'wrong';
  const flags = bytes.readUInt16BE(2);
  if (!isAnswer(flags)) return 'wrong';
  if (bytes.readUInt16BE(4) === 0) return judgeRefusal(bytes, flags, question);
  const nameEnd = HEADER_BYTES + question.name.length;
  const end = nameEnd + 4;
  if (bytes.length < end || bytes.compare(packet, nameEnd, end, nameEnd, end) !== 0) return 'wrong';
  if (bytes.compare(packet, HEADER_BYTES, nameEnd, HEADER_BYTES, nameEnd) !== 0) {
    const name = lowerCase(bytes.toString('latin1', HEADER_BYTES, nameEnd));
    if (name !== question.name) return 'wrong';
    if (mixCase) return 'ask again';
  }
  if ((flags & FLAG.TC) !== 0) return 'ask again';
  // Other names may point into the question's: they shall not show our random letters.
  bytes.write(question.name, HEADER_BYTES, 'latin1');
  return tryDecode(bytes) ?? 'wrong';
}

/** Servers from before EDNS may refuse a message without repeating its question; they say no more than that. */
function judgeRefusal(bytes: Buffer, flags: number, { name, type }: Question): Message | 'wrong' {
  const rcode = flags & 15;
  if (rcode !== RCODE.FORMERR && rcode !== RCODE.NOTIMP) return 'wrong';
  const none: readonly ResourceRecord[] = [];
  const records = { answer: none, authority: none, additional: none };
  return { id: bytes.readUInt16BE(0), flags, rcode, name, type, class: CLASS_IN, ...records };
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
function settle<T>(
  { timeoutMs, signal, server }: Request,
  start: (resolve: (result: T) => void, reject: (error: Error) => void) => () => void,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
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
    cleanUp = start((result) => {
      settled();
      resolve(result);
    }, fail);
    if (signal.aborted) abort();
  });
}

/** The answer; undefined where TCP must be asked. */
function askOverUdp(request: Request): Promise<Message | undefined> {
  return settle<Message | undefined>(request, (resolve, reject) => {
    const { server, packet } = request;
    const socket = createSocket(isIPv6(server.host) ? 'udp6' : 'udp4');
    let open = true;
    let wrong = 0;
    socket.on('error', reject);
    socket.on('message', (bytes) => {
      if (!open) return;
      const answer = judgeAnswer(bytes, request);
      if (answer === 'wrong') {
        wrong += 1;
        if (wrong >= MAX_WRONG_ANSWERS) resolve(undefined);
      } else resolve(answer === 'ask again' ? undefined : answer);
    });
    // Connected: the kernel drops what others send and reports a closed port at once. No callback for connect: that
    // would also be called where there is no way to the server, and sending then throws.
    socket.on('connect', () => {
      if (open) socket.send(packet);
    });
    socket.connect(server.port, server.host);
    return () => {
      open = false;
      socket.close();
    };
  });
}

function askOverTcp(request: Request): Promise<Message> {
  return settle<Message>(request, (resolve, reject) => {
    const { server, packet } = request;
    const frames = new FrameReader();
    const socket = connect({ host: server.host, port: server.port, noDelay: true });
    const length = Buffer.alloc(2);
    length.writeUInt16BE(packet.length);
    socket.write(Buffer.concat([length, packet]));
    const fail = (what: string): void =>
      reject(new DnsError('NoUpstream', `${renderServer(server)} ${what} over TCP`));
    socket.on('error', reject);
    socket.on('close', () => fail('closed the connection'));
    socket.on('data', (bytes: Buffer) => {
      frames.push(bytes);
      const frame = frames.next();
      if (!frame) return;
      // One question, one answer: whatever else comes is nothing to wait behind.
      const answer = judgeAnswer(frame, request);
      if (typeof answer === 'string') fail('answered something else');
      else resolve(answer);
    });
    return () => socket.destroy();
  });
}
