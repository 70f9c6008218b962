/**
 * A program in this process's network namespace that connects as programs do, over its event loop: for each message
 * with a target it connects a few times, one after the other, and answers with the median from connect to connected,
 * in µs.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import type { ConnectTarget } from './services-connect-process.ts';
import { median } from './statistics.ts';

const inARow = 12;

process.on('message', (target: ConnectTarget) => {
  void measure(target).then((time) => process.send?.(time));
});
process.once('disconnect', () => process.exit());
process.send?.('ready');

async function measure(target: ConnectTarget): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < inARow; i += 1) {
    const startedAt = performance.now();
    const socket = connect(target);
    await new Promise<void>((resolve, reject) => {
      socket.on('error', reject).on('connect', () => {
        times.push((performance.now() - startedAt) * 1000);
        resolve();
      });
    });
    // The endpoint closes first: only its end has to remember the connection.
    socket.resume();
    await once(socket, 'close');
  }
  return median(times);
}
