/**
 * Sends to a DNS server on 127.0.0.1 as fast as it can, from 127.0.0.3, then prints how many as JSON.
 * Usage: dns-flood-process.ts JSON, a {@link Flood}.
 */
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { isErrno } from '../../netns/kernel-error.ts';
import * as sockets from '../../netns/socket.ts';
import { close } from '../../netns/libc.ts';
import { encodeInetAddress } from '../../netns/sockaddr.ts';
import { encodeQuery } from '../../rig/dns-query.ts';
import { hostilePackets } from '../../rig/hostile-packets.ts';

export interface Flood {
  readonly port: number;
  readonly protocol: 'udp' | 'tcp';
  /** Hostile packets; or queries for names that are there, that are not, and that other DNS servers are asked for. */
  readonly packets: 'hostile' | 'hits' | 'missing' | 'elsewhere';
  /** Ends after so many packets, or so many seconds, whatever comes first. */
  readonly count: number;
  readonly seconds: number;
}

const flood = JSON.parse(process.argv[2] ?? '') as Flood;
const attacker = '127.0.0.3';
/** As many connections as a client might open that wants all of them. */
const connections = 600;

function* queries(): Generator<Buffer> {
  const suffix = flood.packets === 'elsewhere' ? 'slow.test' : 'default.svc.cluster.local';
  const names = flood.packets === 'hits' ? 1 : 10_000;
  // Another name each time, all made before: encoding is slower than sending.
  const made = Array.from({ length: names }, (_, index) =>
    encodeQuery(flood.packets === 'hits' ? `bench-0.${suffix}` : `n${index}.${suffix}`, 'A'),
  );
  for (let turn = 0; ; turn += 1) yield made[turn % names] ?? Buffer.alloc(0);
}

const packets = flood.packets === 'hostile' ? hostilePackets(Date.now()) : queries();
const endsAt = performance.now() + flood.seconds * 1000;
let sent = 0;
const isOver = (): boolean => sent >= flood.count || performance.now() >= endsAt;
const next = (): Buffer => packets.next().value as Buffer;

async function floodUdp(): Promise<void> {
  const fd = sockets.open(sockets.AF_INET, sockets.SOCK_DGRAM);
  sockets.bind(fd, encodeInetAddress(attacker, 0));
  sockets.connect(fd, encodeInetAddress('127.0.0.1', flood.port));
  while (!isOver()) {
    for (let burst = 0; burst < 1000 && sent < flood.count; burst += 1) {
      try {
        sockets.send(fd, next());
      } catch (error) {
        if (!isErrno(error, 'ECONNREFUSED', 'EAGAIN')) throw error;
      }
      sent += 1;
    }
    await sleep(0);
  }
  close(fd);
}

async function floodTcp(): Promise<void> {
  const open = new Set<Socket>();
  while (!isOver()) {
    while (open.size < connections) open.add(dial(open));
    for (const socket of open) if (!socket.writableNeedDrain) socket.write(frames(20));
    await sleep(0);
  }
  for (const socket of open) socket.destroy();
}

function dial(open: Set<Socket>): Socket {
  const socket = connect({ host: '127.0.0.1', port: flood.port, localAddress: attacker });
  socket.on('error', () => socket.destroy());
  socket.on('close', () => open.delete(socket));
  socket.resume();
  return socket;
}

function frames(count: number): Buffer {
  const parts: Buffer[] = [];
  for (let made = 0; made < count && sent < flood.count; made += 1) {
    const packet = next();
    const length = Buffer.alloc(2);
    length.writeUInt16BE(packet.length);
    parts.push(length, packet);
    sent += 1;
  }
  return Buffer.concat(parts);
}

const startedAt = performance.now();
await (flood.protocol === 'udp' ? floodUdp() : floodTcp());
process.stdout.write(JSON.stringify({ sent, seconds: (performance.now() - startedAt) / 1000 }));
process.exit();
