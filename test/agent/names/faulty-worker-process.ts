/** A DNS worker that comes to grief when it is told of a namespace of a certain name. */
import { parentPort } from 'node:worker_threads';
import type { FromWorker, ToWorker } from '../../../agent/names/messages.ts';
import '../../../agent/names/worker.ts';
import { FAULT_COMES } from './worker-fault.ts';

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

/** So long its sockets are left alone before it comes to grief. */
const waitMs = 300;

/** Behind a hop, as the worker itself handles what it is told. */
parentPort?.on('message', (message: ToWorker) => {
  if (message.type !== 'changes') return;
  const fault = message.changes
    .map((change) => (change.kind === 'namespace' ? faults[change.name] : undefined))
    .find((known) => known !== undefined);
  if (!fault) return;
  setImmediate(fault);
  parentPort?.postMessage({
    type: 'log',
    level: 'info',
    fields: {},
    message: FAULT_COMES,
  } satisfies FromWorker);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, waitMs);
});
