import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import t from 'tap';
import { ImageTable } from '../../../agent/pods/images.ts';
import { PodWorker } from '../../../agent/pods/pod-worker.ts';
import type { Pod } from '../../../api/kinds/pod.ts';
import { skipUnlessRoot } from '../../root.ts';
import { FakeNode, eventually, makePod } from './fake-node.ts';

/** Runs a worker in a process of its own until the pod runs, then kills it without a word. */
async function startAndKill(node: FakeNode, pod: Pod): Promise<void> {
  const script = join(import.meta.dirname, 'worker-process.ts');
  const child = spawn(process.execPath, [script, node.dir, JSON.stringify(pod)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  child.kill('SIGKILL');
  await once(child, 'exit');
}

async function adopt(pod: Pod, check: (node: FakeNode) => Promise<void>): Promise<string[]> {
  const node = new FakeNode();
  new ImageTable(node.context.config.stateDir).add('host', { hostRoot: true });
  await startAndKill(node, pod);
  const worker = new PodWorker(node.context, node.network);
  await worker.start();
  node.api.add(pod);
  try {
    await check(node);
  } finally {
    node.api.markDeleted(`default/${pod.metadata.name}`, 0);
    await eventually('nothing is left', () => node.listResidue().length === 0).catch(() => undefined);
    await worker.stop();
  }
  const residue = node.listResidue();
  if (residue.length === 0) node.remove();
  return residue;
}

if (skipUnlessRoot(t)) {
  t.test('a pod outlives its agent and is adopted as it is', async (test) => {
    const pod = makePod('survivor', { command: ['sleep', '1000'] });
    const residue = await adopt(pod, async (node) => {
      const status = await eventually('adopted', () => node.api.status('survivor')?.containerStatuses?.[0]);
      test.match(status, { restartCount: 0, ready: true, state: { running: {} } });
      test.equal(node.api.status('survivor')?.podIP, '10.244.1.2');
      test.notOk(
        node.api.events.some(({ reason }) => reason === 'Started'),
        'it was not started again',
      );
    });
    test.strictSame(residue, []);
  });

  t.test('the end of a container is known though no agent was there to see it', async (test) => {
    const pod = makePod('ended', { command: ['sh', '-c', 'sleep 1; exit 9'] }, { restartPolicy: 'Never' });
    const residue = await adopt(pod, async (node) => {
      const status = await eventually('failed', () => {
        const found = node.api.status('ended');
        return found?.phase === 'Failed' ? found.containerStatuses?.[0]?.state?.terminated : undefined;
      });
      test.match(status, { exitCode: 9, reason: 'Error' });
    });
    test.strictSame(residue, []);
  });
}
