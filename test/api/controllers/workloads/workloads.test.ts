import t from 'tap';
import type { ApiClient } from '../../../../api/client/client.ts';
import {
  controllerRevisions,
  daemonSets,
  deployments,
  events,
  pods,
  replicaSets,
} from '../../../../api/client/resources.ts';
import { templateHash } from '../../../../api/controllers/workloads/template-hash.ts';
import type { DaemonSet } from '../../../../api/kinds/daemon-set.ts';
import type { Deployment } from '../../../../api/kinds/deployment.ts';
import type { KubeObject } from '../../../../api/kinds/meta.ts';
import { eventually } from '../../eventually.ts';
import { startCluster } from '../cluster.ts';
import { daemonSet, deployment } from '../objects.ts';

const at = (name: string) => ({ namespace: 'default', name });

/** A new Deployment as a client sends it. */
function web(name: string, spec: Partial<Deployment['spec']> = {}): Deployment {
  const labels = { app: name };
  return {
    metadata: at(name),
    spec: {
      ...deployment().spec,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'main', image: 'web:1' }] } },
      ...spec,
    },
  };
}

function agents(spec: Partial<DaemonSet['spec']> = {}): DaemonSet {
  const labels = { app: 'agent' };
  return {
    metadata: at('agent'),
    spec: {
      ...daemonSet().spec,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'main', image: 'agent:1' }] } },
      ...spec,
    },
  };
}

const rolledOut = (client: ApiClient, name: string): Promise<Deployment> =>
  eventually(`${name} is rolled out`, async () => {
    const object = await client.get(deployments, at(name));
    const { status, metadata, spec } = object;
    const isDone =
      status?.observedGeneration === metadata.generation &&
      (status?.updatedReplicas ?? 0) === spec.replicas &&
      (status?.availableReplicas ?? 0) === spec.replicas &&
      (status?.replicas ?? 0) === spec.replicas;
    return isDone && progress(object) === 'NewReplicaSetAvailable' ? object : undefined;
  });

function progress({ status }: Deployment): string | undefined {
  return status?.conditions?.find(({ type }) => type === 'Progressing')?.reason;
}

const daemonsReady = (client: ApiClient, count: number): Promise<DaemonSet> =>
  eventually(`${count} daemons of the newest template serve`, async () => {
    const object = await client.get(daemonSets, at('agent'));
    const { status, metadata } = object;
    const isSeen = status?.observedGeneration === metadata.generation;
    return isSeen && status?.updatedNumberScheduled === count && status.numberAvailable === count
      ? object
      : undefined;
  });

const setImage = (image: string) => ({
  spec: { template: { spec: { containers: [{ name: 'main', image }] } } },
});

t.test('what is as it should be is left alone', async (t) => {
  const cluster = await startCluster(t);
  const { client } = cluster;
  for (const name of ['node1', 'node2']) await cluster.addNode(name);
  await client.create(deployments, web('web'));
  await client.create(daemonSets, agents());
  await rolledOut(client, 'web');
  await daemonsReady(client, 2);
  const versions = async (): Promise<string[]> => {
    const kinds = [deployments, replicaSets, daemonSets, controllerRevisions, pods];
    const lists = await Promise.all(kinds.map((kind) => client.listAll<KubeObject>(kind)));
    const settled = lists.flat().filter(({ metadata }) => metadata.labels?.['app'] !== 'after');
    return settled.map(({ metadata }) => `${metadata.name} ${metadata.resourceVersion}`).sort();
  };
  const before = await versions();
  await cluster.restartControllers();
  // What the new controllers do with a later object shows that they are through with those before.
  const after = web('after');
  after.metadata.labels = { app: 'after' };
  await client.create(deployments, after);
  await rolledOut(client, 'after');
  t.same(
    (await versions()).filter((each) => !each.startsWith('after')),
    before,
  );
});

t.test('another template that has the name', async (t) => {
  const cluster = await startCluster(t);
  const { client } = cluster;
  await cluster.addNode('node1');
  const { spec } = await client.create(deployments, web('web', { paused: true }));
  const labels = { app: 'stranger' };
  const template = { metadata: { labels }, spec: { containers: [{ name: 'main', image: 'db' }] } };
  const name = `web-${templateHash(spec.template)}`;
  await client.create(replicaSets, {
    metadata: at(name),
    spec: { replicas: 0, selector: { matchLabels: labels }, template },
  });
  await client.patch(deployments, at('web'), { spec: { paused: null } }, 'merge');
  t.equal((await rolledOut(client, 'web')).status?.collisionCount, 1);
  t.same((await client.get(replicaSets, at(name))).spec.replicas, 0, 'is left alone');
});

t.test('a rollout that does not get on has failed after its deadline', async (t) => {
  const { client } = await startCluster(t);
  await client.create(deployments, web('web', { progressDeadlineSeconds: 1 }));
  await eventually('the deadline is told', async () => {
    const object = await client.get(deployments, at('web'));
    return progress(object) === 'ProgressDeadlineExceeded' && object.status?.updatedReplicas === 2;
  });
  await client.patch(deployments, at('web'), { spec: { replicas: 0 } }, 'merge');
  t.equal((await rolledOut(client, 'web')).status?.replicas, undefined, 'it may still come through');
});

t.test('history ends at its limit', async (t) => {
  const cluster = await startCluster(t);
  const { client } = cluster;
  await cluster.addNode('node1');
  await client.create(deployments, web('web', { revisionHistoryLimit: 1 }));
  await client.create(daemonSets, agents({ revisionHistoryLimit: 1 }));
  await rolledOut(client, 'web');
  await daemonsReady(client, 1);
  for (const version of [2, 3, 4]) {
    await client.patch(deployments, at('web'), setImage(`web:${version}`), 'strategic');
    await client.patch(daemonSets, at('agent'), setImage(`agent:${version}`), 'strategic');
    await rolledOut(client, 'web');
    await daemonsReady(client, 1);
  }
  const revisionsOf = async () => (await client.listAll(controllerRevisions)).map(({ revision }) => revision);
  await eventually('old ones are gone', async () => {
    return (await client.listAll(replicaSets)).length === 2 && (await revisionsOf()).length === 2;
  });
  t.same((await revisionsOf()).sort(), [3, 4]);
  const { annotations } = (await client.get(deployments, at('web'))).metadata;
  t.equal(annotations?.['deployment.kubernetes.io/revision'], '4');
});

t.test('a daemon that failed is replaced', async (t) => {
  const cluster = await startCluster(t);
  const { client } = cluster;
  await cluster.addNode('node1');
  await client.create(daemonSets, agents());
  await daemonsReady(client, 1);
  const [first] = await client.listAll(pods);
  // Nobody but a pod's node says so; here the node is ours.
  await client.patchStatus(
    pods,
    at(first?.metadata.name ?? ''),
    { status: { phase: 'Failed' } },
    'strategic',
  );
  await eventually('another one runs', async () => {
    const all = await client.listAll(pods);
    return (
      all.length === 1 && all[0]?.metadata.uid !== first?.metadata.uid && all[0]?.status?.phase === 'Running'
    );
  });
  const note = await eventually('an event tells', async () =>
    (await client.listAll(events)).find(({ reason }) => reason === 'FailedDaemonPod'),
  );
  t.match(note.message, /^Found failed daemon pod default\/agent-\w{5} on node node1, will try to kill it$/);
});
