/** A DNS worker that comes to grief when it is told of a namespace of a certain name. */
import { parentPort } from 'node:worker_threads';
import type { ToWorker } from '../../../agent/names/messages.ts';
import '../../../agent/names/worker.ts';

const faults: Record<string, () => void> = {
  exception: () => {
    throw new Error('a bug');
  },
  rejection: () => void Promise.reject(new Error('a bug that waited')),
  memory: () => {
    const kept = [];
    for (let index = 0; ; index += 1) kept.push({ index, text: `${index}` });
  },
  endless: () => {
    for (;;);
  },
};

parentPort?.on('message', (message: ToWorker) => {
  if (message.type !== 'changes') return;
  for (const change of message.changes) if (change.kind === 'namespace') faults[change.name]?.();
});
