import t from 'tap';
import { isNotFound } from '../../../api/client/api-error.ts';
import type { ApiClient } from '../../../api/client/client.ts';
import {
  configMaps,
  endpointSlices,
  endpoints,
  events,
  namespaces,
  nodes,
  pods,
  replicationControllers,
  services,
} from '../../../api/client/resources.ts';
import type { Pod } from '../../../api/kinds/pod.ts';
import type { ReplicationController } from '../../../api/kinds/replication-controller.ts';
import type { Service } from '../../../api/kinds/service.ts';
import { eventually } from '../eventually.ts';
import { startCluster } from './cluster.ts';

const at = (name: string) => ({ namespace: 'default', name });

function nginx(replicas: number): ReplicationController {
  return {
    apiVersion: 'v1',
    kind: 'ReplicationController',
    metadata: { name: 'my-nginx', namespace: 'default' },
    spec: {
      replicas,
      selector: { app: 'nginx' },
      template: {
        metadata: { name: '', labels: { app: 'nginx' } },
        spec: { containers: [{ name: 'nginx', image: 'nginx', ports: [{ containerPort: 80 }] }] },
      },
    },
  };
}

const nginxService: Service = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'nginxsvc', namespace: 'default', labels: { app: 'nginx' } },
  spec: { ports: [{ port: 80, protocol: 'TCP' }], selector: { app: 'nginx' } },
};

async function runningPods(client: ApiClient, count: number): Promise<Pod[]> {
  return eventually(`${count} pods run`, async () => {
    const all = await client.listAll(pods, { namespace: 'default', labelSelector: 'app=nginx' });
    return all.length === count && all.every((pod) => pod.status?.phase === 'Running') ? all : undefined;
  });
}

async function scale(client: ApiClient, replicas: number): Promise<void> {
  await client.patch(replicationControllers, at('my-nginx'), { spec: { replicas } }, 'merge');
}

async function endpointAddresses(client: ApiClient): Promise<string[]> {
  const { subsets = [] } = await client.get(endpoints, at('nginxsvc'));
  return subsets.flatMap((subset) => (subset.addresses ?? []).map(({ ip }) => ip)).sort();
}

t.test('the guide’s way through the controllers', async (t) => {
  const cluster = await startCluster(t);
  const { client } = cluster;
  for (const name of ['node1', 'node2', 'node3']) await cluster.addNode(name);

  t.test('each node gets its own ranges, also after a restart', async (t) => {
    const ranges = async (count: number): Promise<string[]> =>
      eventually('all nodes have ranges', async () => {
        const all = (await client.listAll(nodes)).flatMap((node) => node.spec?.podCIDRs ?? []);
        return all.length === 2 * count ? all : undefined;
      });
    t.equal(new Set(await ranges(3)).size, 6);
    await cluster.restartControllers();
    await cluster.addNode('node4');
    t.equal(new Set(await ranges(4)).size, 8);
  });

  t.test('replicas are made, spread, and become endpoints', async (t) => {
    await client.create(services, nginxService);
    await client.create(replicationControllers, nginx(2));
    const running = await runningPods(client, 2);
    t.equal(new Set(running.map((pod) => pod.spec.nodeName)).size, 2, 'on two nodes');
    for (const pod of running) t.match(pod.metadata.name, /^my-nginx-[a-z0-9]{5}$/);
    const ips = running.map((pod) => pod.status?.podIP ?? '').sort();
    await eventually(
      'the endpoints are there',
      async () => (await endpointAddresses(client)).join() === ips.join(),
    );
    const slices = await client.listAll(endpointSlices, {
      namespace: 'default',
      labelSelector: 'kubernetes.io/service-name=nginxsvc',
    });
    t.equal(slices.length, 1);
    t.same(slices[0]?.endpoints.map((endpoint) => endpoint.addresses[0]).sort(), ips);
    await eventually('the status says so', async () => {
      const { status } = await client.get(replicationControllers, at('my-nginx'));
      return (
        status?.readyReplicas === 2 && status.availableReplicas === 2 && status.fullyLabeledReplicas === 2
      );
    });
    const reasons = await eventually('the events are written', async () => {
      const all = (await client.listAll(events, { namespace: 'default' })).map((event) => event.reason);
      return all.includes('Scheduled') ? all : undefined;
    });
    t.equal(reasons.filter((reason) => reason === 'SuccessfulCreate').length, 2);
  });

  t.test('scaling down empties the endpoints, scaling up fills them', async (t) => {
    await scale(client, 0);
    await runningPods(client, 0);
    await eventually('no endpoints', async () => (await endpointAddresses(client)).length === 0);
    await scale(client, 2);
    await runningPods(client, 2);
    await eventually('two endpoints', async () => (await endpointAddresses(client)).length === 2);
    t.end();
  });

  t.test('no pod is ever made too many', async (t) => {
    await scale(client, 40);
    const running = await runningPods(client, 40);
    const perNode = new Map<string, number>();
    for (const { spec } of running)
      perNode.set(spec.nodeName ?? '', (perNode.get(spec.nodeName ?? '') ?? 0) + 1);
    t.same([...perNode.values()], [10, 10, 10, 10]);
    const created = (await client.listAll(events, { namespace: 'default' })).filter(
      (event) => event.reason === 'SuccessfulDelete',
    );
    t.equal(created.length, 2, 'only those of the scaling down before');
    await scale(client, 2);
    await runningPods(client, 2);
  });

  t.test('a deleted pod is replaced; an orphan is adopted instead of making one', async (t) => {
    const [first] = await runningPods(client, 2);
    await client.delete(pods, at(first?.metadata.name ?? ''));
    const after = await eventually('it is replaced', async () => {
      const now = await runningPods(client, 2);
      return now.some((pod) => pod.metadata.uid === first?.metadata.uid) ? undefined : now;
    });
    const [lost] = after;
    // Taken away by its labels, the pod is released; given back, it is adopted and another one goes.
    const name = lost?.metadata.name ?? '';
    await client.patch(pods, at(name), { metadata: { labels: { app: 'debug' } } }, 'merge');
    await eventually('it is released', async () => {
      return ((await client.get(pods, at(name))).metadata.ownerReferences ?? []).length === 0;
    });
    await runningPods(client, 2);
    await client.patch(pods, at(name), { metadata: { labels: { app: 'nginx' } } }, 'merge');
    await runningPods(client, 2);
    t.ok(
      (await client.listAll(pods, { labelSelector: 'app=nginx' })).every(
        (pod) => pod.metadata.ownerReferences,
      ),
    );
  });

  t.test('a pod no node takes says why', async (t) => {
    await client.create(pods, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'choosy', namespace: 'default' },
      spec: { containers: [{ name: 'c', image: 'nginx' }], nodeSelector: { disk: 'ssd' } },
    });
    const condition = await eventually('it says why', async () =>
      (await client.get(pods, at('choosy'))).status?.conditions?.find((one) => one.type === 'PodScheduled'),
    );
    t.match(condition, { status: 'False', reason: 'Unschedulable', message: /^0\/4 nodes are available/ });
    await client.patch(nodes, { name: 'node3' }, { metadata: { labels: { disk: 'ssd' } } }, 'merge');
    await eventually('it runs', async () => (await client.get(pods, at('choosy'))).spec.nodeName === 'node3');
  });

  t.test('a pod waits until its node has what it asks for', async (t) => {
    const allocatable = { cpu: '1', pods: '110' };
    await client.patchStatus(nodes, { name: 'node3' }, { status: { allocatable } }, 'merge');
    // Who sees the label has seen the amounts.
    await client.patch(nodes, { name: 'node3' }, { metadata: { labels: { size: 'small' } } }, 'merge');
    const resources = { requests: { cpu: '600m' } };
    const ask = (name: string) =>
      client.create(pods, {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name, namespace: 'default' },
        spec: { containers: [{ name: 'c', image: 'nginx', resources }], nodeSelector: { size: 'small' } },
      });
    const isPlaced = async (name: string) => (await client.get(pods, at(name))).spec.nodeName === 'node3';
    await ask('first');
    await eventually('the first fits', () => isPlaced('first'));
    await ask('second');
    const condition = await eventually('the second does not', async () =>
      (await client.get(pods, at('second'))).status?.conditions?.find((one) => one.type === 'PodScheduled'),
    );
    t.match(condition, { reason: 'Unschedulable', message: /1 Insufficient cpu/ });
    await client.delete(pods, at('first'));
    await eventually('it follows the first', () => isPlaced('second'));
  });

  t.test('a pod waits until the port of the node that it claims is free', async (t) => {
    const ask = (name: string) =>
      client.create(pods, {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name, namespace: 'default' },
        spec: {
          containers: [{ name: 'c', image: 'nginx', ports: [{ containerPort: 80, hostPort: 8080 }] }],
          nodeSelector: { disk: 'ssd' },
        },
      });
    const isPlaced = async (name: string) => (await client.get(pods, at(name))).spec.nodeName === 'node3';
    await ask('holder');
    await ask('waiter');
    await eventually('the first has it', () => isPlaced('holder'));
    const condition = await eventually('the second waits', async () =>
      (await client.get(pods, at('waiter'))).status?.conditions?.find((one) => one.type === 'PodScheduled'),
    );
    t.match(condition, { reason: 'Unschedulable', message: /1 node\(s\) didn't have free ports/ });
    await client.delete(pods, at('holder'));
    await eventually('it follows the first', () => isPlaced('waiter'));
  });

  t.test('what a deleted Service and controller leave behind goes', async (t) => {
    await client.delete(services, at('nginxsvc'));
    await eventually('endpoints and slices are gone', async () => {
      const slices = await client.listAll(endpointSlices, {
        labelSelector: 'kubernetes.io/service-name=nginxsvc',
      });
      const gone = await client.get(endpoints, at('nginxsvc')).then(() => false, isNotFound);
      return gone && slices.length === 0;
    });
    await client.delete(replicationControllers, at('my-nginx'), { propagationPolicy: 'Background' });
    await runningPods(client, 0);
    t.pass('and its pods');
  });

  t.test('foreground waits for the pods, orphan leaves them', async (t) => {
    await client.create(replicationControllers, nginx(2));
    await runningPods(client, 2);
    await client.delete(replicationControllers, at('my-nginx'), { propagationPolicy: 'Foreground' });
    await eventually('it is gone', () =>
      client.get(replicationControllers, at('my-nginx')).then(() => false, isNotFound),
    );
    t.same(await client.listAll(pods, { namespace: 'default', labelSelector: 'app=nginx' }), []);

    await client.create(replicationControllers, nginx(2));
    await runningPods(client, 2);
    await client.delete(replicationControllers, at('my-nginx'), { propagationPolicy: 'Orphan' });
    await eventually('it is gone', () =>
      client.get(replicationControllers, at('my-nginx')).then(() => false, isNotFound),
    );
    const left = await runningPods(client, 2);
    for (const pod of left) t.same(pod.metadata.ownerReferences ?? [], []);
  });

  t.test('a deleted namespace is emptied and goes', async (t) => {
    await client.create(namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'team' } });
    await client.create(configMaps, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'c', namespace: 'team' },
    });
    await client.create(replicationControllers, {
      ...nginx(1),
      metadata: { name: 'my-nginx', namespace: 'team' },
    });
    await eventually('its pod runs', async () =>
      (await client.listAll(pods, { namespace: 'team' })).some((pod) => pod.status?.phase === 'Running'),
    );
    await client.delete(namespaces, { name: 'team' });
    await eventually('it is gone', () =>
      client.get(namespaces, { name: 'team' }).then(() => false, isNotFound),
    );
    t.same(await client.listAll(pods, { namespace: 'team' }), []);
    t.same(await client.listAll(configMaps, { namespace: 'team' }), []);
  });
});
