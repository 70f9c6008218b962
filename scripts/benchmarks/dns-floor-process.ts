/**
 * The least a DNS server in Node.js can do: sends each question back as its own answer, in batches, without reading it.
 * Usage: dns-floor-process.ts JSON, a {@link Duty}.
 */
import { BatchedSocket } from '../../netns/batched-socket.ts';
import { openServerSocket } from '../../netns/server-socket.ts';
import type { Duty } from './dns-peers.ts';

const { port } = JSON.parse(process.argv[2] ?? '') as Duty;
const fd = openServerSocket({ protocol: 'udp', host: '127.0.0.1', port, shared: false });
const isAnswer = 0x80;
new BatchedSocket(fd).start({
  onDatagram: ({ message }) => {
    message[2] = (message[2] ?? 0) | isAnswer;
    return message.length;
  },
  onError: (error) => {
    throw error;
  },
});
process.once('disconnect', () => process.exit());
process.once('SIGTERM', () => process.exit());
