import packet, { type Answer, type Packet } from 'dns-packet';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import type { Test } from 'tap';
import type { UpstreamServer } from '../../dns/upstream.ts';

/** What an attacker would like to have believed; no good answer contains it. */
export const EVIL = '192.0.2.66';

/** Whole numbers below a bound, the same in every run. */
export type Random = (below: number) => number;

/** Xorshift. */
export function randomOf(seed: number): Random {
  let state = seed | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

/** The true answer to a query: two aliases and two addresses, or that there are none. */
export function goodAnswer(query: Buffer): Packet {
  const { id, questions = [] } = packet.decode(query);
  const [question] = questions;
  const name = question?.name ?? '';
  const records: Answer[] = [
    { name, type: 'CNAME', ttl: 60, data: `one.${name}` },
    { name: `one.${name}`, type: 'CNAME', ttl: 60, data: `two.${name}` },
    { name: `two.${name}`, type: 'A', ttl: 60, data: '192.0.2.1' },
    { name: `two.${name}`, type: 'A', ttl: 60, data: '192.0.2.2' },
  ];
  const flags = packet.RECURSION_DESIRED | packet.RECURSION_AVAILABLE;
  const base: Packet = { type: 'response', flags, questions, ...(id !== undefined && { id }) };
  return question?.type === 'A' ? { ...base, answers: records } : base;
}

/** Makes lies of the good answer to a query; each must be passed over for what comes after it. */
export const lies: Readonly<Record<string, (query: Buffer) => Buffer>> = {
  'another id': (query) => {
    const lie = lieTo(query);
    lie.writeUInt16BE(lie.readUInt16BE(0) ^ 0x8000, 0);
    return lie;
  },
  'another name': (query) => {
    const lie = lieTo(query);
    lie[13] = (lie[13] ?? 0) ^ 1;
    return lie;
  },
  'another type': (query) => lieTo(query, { type: 'AAAA' }),
  'another class': (query) => lieTo(query, { class: 'CH' }),
  'a query': (query) => {
    const lie = lieTo(query);
    lie.writeUInt16BE(0x0100, 2);
    return lie;
  },
  'two questions': (query) => {
    const lie = lieTo(query);
    lie.writeUInt16BE(2, 4);
    return lie;
  },
  'no question': (query) => {
    const lie = lieTo(query);
    lie.writeUInt16BE(0, 4);
    return lie;
  },
  'all counts 65535': (query) => {
    const lie = lieTo(query);
    for (const at of [6, 8, 10]) lie.writeUInt16BE(0xffff, at);
    return lie;
  },
  'a name that points to itself': (query) => {
    const lie = lieTo(query);
    const at = endOfQuestion(query);
    lie.writeUInt16BE(0xc000 | at, at);
    return lie;
  },
  'names that point to each other': (query) => {
    const lie = lieTo(query);
    const at = endOfQuestion(query);
    lie.writeUInt16BE(0xc000 | (at + 2), at);
    lie.writeUInt16BE(0xc000 | at, at + 2);
    return lie;
  },
  'cut in the middle': (query) => lieTo(query).subarray(0, -3),
  'one byte': (query) => query.subarray(0, 1),
  nothing: () => Buffer.alloc(0),
  'an address of five bytes': (query) => {
    const lie = Buffer.concat([lieTo(query), Buffer.from([1])]);
    lie.writeUInt16BE(5, lie.length - 7);
    return lie;
  },
  noise: (query) => {
    const random = randomOf(query.readUInt16BE(0));
    return Buffer.from(Array.from({ length: 600 }, () => random(256)));
  },
};

function lieTo(query: Buffer, change: object = {}): Buffer {
  const good = goodAnswer(query);
  const questions = (good.questions ?? []).map((question) => ({ ...question, ...change }));
  const name = questions[0]?.name ?? '';
  return packet.encode({ ...good, questions, answers: [{ name, type: 'A', ttl: 60, data: EVIL }] });
}

function endOfQuestion(query: Buffer): number {
  return query.indexOf(0, 12) + 5;
}

/** What is done with a query: the messages to send back, each after the one before. */
export interface Behaviour {
  readonly udp: (query: Buffer) => readonly Buffer[];
  /** The stream to send back; `end` closes it behind. */
  readonly tcp?: (query: Buffer) => { readonly chunks: readonly Buffer[]; readonly end: boolean };
}

/** A server on loopback that behaves as told, over UDP and TCP on one port. */
export async function startUpstream(t: Test, { udp, tcp }: Behaviour): Promise<UpstreamServer> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', (bytes: Buffer) => void answerStream(socket, tcp?.(bytes.subarray(2))));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const socket = createSocket('udp4');
  socket.on('message', (query, client) => {
    for (const reply of udp(query)) socket.send(reply, client.port, client.address);
  });
  socket.bind(port, '127.0.0.1');
  await once(socket, 'listening');
  t.teardown(() => {
    socket.close();
    server.close();
  });
  return { host: '127.0.0.1', port };
}

async function answerStream(
  socket: Socket,
  reply: { readonly chunks: readonly Buffer[]; readonly end: boolean } | undefined,
): Promise<void> {
  for (const chunk of reply?.chunks ?? []) {
    if (socket.destroyed) return;
    socket.write(chunk);
    await new Promise(setImmediate);
  }
  if (!reply || reply.end) socket.end();
}

/** A message as TCP carries it. */
export function framed(message: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}
