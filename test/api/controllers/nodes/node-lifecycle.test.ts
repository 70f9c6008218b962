import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import {
  endpointSlices,
  endpoints,
  events,
  nodes,
  pods,
  replicationControllers,
  services,
} from '../../../../api/client/resources.ts';
import { readyCondition } from '../../../../api/controllers/nodes/taints.ts';
import { eventually } from '../../eventually.ts';
import { startCluster } from '../cluster.ts';
import type { TestCluster } from '../cluster.ts';

const unreachable = {
  key: 'node.kubernetes.io/unreachable',
  operator: 'Exists',
  effect: 'NoExecute',
} as const;

/** A Service over two pods, one on each node; they stay on a silent node for `tolerationSeconds`. */
async function createWeb({ client }: TestCluster, tolerationSeconds?: number): Promise<void> {
  const toleration = { ...unreachable, ...(tolerationSeconds !== undefined && { tolerationSeconds }) };
  await client.create(services, {
    metadata: { name: 'web', namespace: 'default' },
    spec: { ports: [{ port: 80 }], selector: { app: 'web' } },
  });
  await client.create(replicationControllers, {
    metadata: { name: 'web', namespace: 'default' },
    spec: {
      replicas: 2,
      selector: { app: 'web' },
      template: {
        metadata: { name: '', labels: { app: 'web' } },
        spec: { containers: [{ name: 'web', image: 'web' }], tolerations: [toleration] },
      },
    },
  });
}

async function readyNodes({ client }: TestCluster): Promise<string[]> {
  const all = await client.listAll(nodes);
  return all.filter((node) => readyCondition(node)?.status === 'True').map(({ metadata }) => metadata.name);
}

async function endpointNodes({ client }: TestCluster): Promise<string[]> {
  const [web] = await client.listAll(endpoints, { fieldSelector: 'metadata.name=web' });
  return (web?.subsets ?? [])
    .flatMap(({ addresses = [] }) => addresses.map(({ nodeName }) => nodeName ?? ''))
    .sort();
}

/** Moves a node's lease on again and again until `stop` is called. */
function keepAlive(cluster: TestCluster, name: string): { stop: () => Promise<void> } {
  const ended = new AbortController();
  const loop = (async () => {
    while (!ended.signal.aborted) {
      await cluster.renewLease(name);
      await sleep(50);
    }
  })();
  return {
    stop: () => {
      ended.abort();
      return loop;
    },
  };
}

t.test('a node that stops renewing its lease', async (t) => {
  const cluster = await startCluster(t, { nodeHealth: { periodMs: 50, graceMs: 1500 } });
  const { client } = cluster;
  for (const name of ['node1', 'node2']) await cluster.addNode(name);
  const living = keepAlive(cluster, 'node1');
  const silent = keepAlive(cluster, 'node2');
  try {
    await createWeb(cluster);
    await eventually('both nodes serve', async () => (await endpointNodes(cluster)).join() === 'node1,node2');

    await t.test('is Unknown, and its pods leave the endpoints', async (t) => {
      await silent.stop();
      await eventually('node2 is not ready', async () => (await readyNodes(cluster)).join() === 'node1');
      t.match(readyCondition(await client.get(nodes, { name: 'node2' })), {
        status: 'Unknown',
        reason: 'NodeStatusUnknown',
      });
      await eventually('node1 serves alone', async () => (await endpointNodes(cluster)).join() === 'node1');
      const readiness = await eventually('the slices say so', async () => {
        const slices = await client.listAll(endpointSlices, {
          labelSelector: 'kubernetes.io/service-name=web',
        });
        const all = slices.flatMap((slice) => slice.endpoints);
        const byNode = new Map(all.map(({ nodeName, conditions }) => [nodeName, conditions?.ready]));
        return byNode.get('node2') === false ? byNode : undefined;
      });
      t.same([...readiness].sort(), [
        ['node1', true],
        ['node2', false],
      ]);
      await eventually('an Event tells', async () =>
        (await client.listAll(events)).some(
          ({ reason, involvedObject }) => reason === 'NodeNotReady' && involvedObject.name === 'node2',
        ),
      );
    });

    await t.test('gets no new pods', async (t) => {
      await client.patch(
        replicationControllers,
        { namespace: 'default', name: 'web' },
        { spec: { replicas: 4 } },
        'merge',
      );
      const placed = await eventually('four pods are bound', async () => {
        const all = (await client.listAll(pods, { namespace: 'default' })).map((pod) => pod.spec.nodeName);
        return all.length === 4 && !all.includes(undefined) ? all : undefined;
      });
      t.same(placed.sort(), ['node1', 'node1', 'node1', 'node2']);
    });

    await t.test('is left alone once it renews again', async (t) => {
      const again = keepAlive(cluster, 'node2');
      try {
        // The agent reports both its node and its pods when the API answers again.
        const ready = { type: 'Ready', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' };
        const status = { status: { conditions: [ready] } };
        await eventually('the lease counts', async () => {
          await client.patchStatus(nodes, { name: 'node2' }, status, 'strategic');
          await sleep(200);
          return (await readyNodes(cluster)).length === 2;
        });
        const [pod] = await client.listAll(pods, { fieldSelector: 'spec.nodeName=node2' });
        const at = { namespace: 'default', name: pod?.metadata.name ?? '' };
        await client.patchStatus(pods, at, status, 'strategic');
        await eventually('it serves again', async () => (await endpointNodes(cluster)).includes('node2'));
        t.same((await readyNodes(cluster)).sort(), ['node1', 'node2']);
      } finally {
        await again.stop();
      }
    });
  } finally {
    await living.stop();
    await silent.stop();
  }
});

t.test('pods leave a silent node as soon as they tolerate it no longer', async (t) => {
  const cluster = await startCluster(t, { nodeHealth: { periodMs: 50, graceMs: 1500 } });
  for (const name of ['node1', 'node2']) await cluster.addNode(name);
  const living = keepAlive(cluster, 'node1');
  try {
    await createWeb(cluster, 0);
    await eventually('both run on node1', async () => {
      const all = await cluster.client.listAll(pods, { namespace: 'default' });
      const running = all.filter(({ status }) => status?.phase === 'Running');
      return running.map(({ spec }) => spec.nodeName).join() === 'node1,node1';
    });
    t.same(await readyNodes(cluster), ['node1']);
  } finally {
    await living.stop();
  }
});
