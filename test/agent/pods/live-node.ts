import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { ImageTable } from '../../../agent/pods/images.ts';
import { PodWorker } from '../../../agent/pods/pod-worker.ts';
import { FakeNode, eventually, readAll } from './fake-node.ts';

export const sleeper = { command: ['sleep', '1000'] };

/** One directory for a file's nodes, one after the other: the skeleton of the host's root is made once. */
const dir = fs.mkdtempSync(join(tmpdir(), 'weft-pods-'));
t.teardown(() => fs.rmSync(dir, { recursive: true, force: true }));

/** Runs `body` with a node whose only image is the host's root, then checks that nothing is left of it. */
export async function withNode(
  test: Test,
  body: (node: FakeNode, worker: PodWorker) => Promise<void>,
): Promise<void> {
  const node = new FakeNode(dir);
  new ImageTable(node.context.config.stateDir).add('host', { hostRoot: true }, sleeper);
  const worker = new PodWorker(node.context, node.network);
  await worker.start();
  try {
    await body(node, worker);
  } finally {
    for (const key of [...node.api.pods.objects.keys()]) node.api.markDeleted(key, 0);
    await eventually('nothing is left', () => node.listResidue().length === 0).catch(() => undefined);
    await worker.stop();
    test.strictSame(node.listResidue(), []);
  }
}

export function running(node: FakeNode, name: string): Promise<unknown> {
  return eventually(`${name} running`, () => node.api.status(name)?.phase === 'Running');
}

/** What a command prints in a pod's container, and its exit code. */
export async function run(
  worker: PodWorker,
  pod: string,
  ...command: string[]
): Promise<{ output: string; code: number }> {
  const process = await worker.streams.exec({
    namespace: 'default',
    pod,
    container: 'main',
    command,
    tty: false,
    stdin: false,
  });
  const [output] = await Promise.all([readAll(process.stdout), readAll(process.stderr)]);
  return { output, code: await process.exitCode };
}

export async function output(worker: PodWorker, pod: string, ...command: string[]): Promise<string> {
  return (await run(worker, pod, ...command)).output;
}
