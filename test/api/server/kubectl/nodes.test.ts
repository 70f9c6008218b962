import type { Test } from 'tap';
import t from 'tap';
import { nodes, pods } from '../../../../api/client/resources.ts';
import { listKubectls } from '../../../kubectls.ts';
import { startCluster, type TestCluster } from '../../controllers/cluster.ts';
import { eventually } from '../../eventually.ts';
import { Judge } from './judge.ts';
import type { Check } from './judge.ts';

const files = {
  'rc.yaml': `
apiVersion: v1
kind: ReplicationController
metadata: {name: web}
spec:
  replicas: 4
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: web}]}
`,
  'alone.yaml': `
apiVersion: v1
kind: Pod
metadata: {name: alone}
spec: {nodeName: node1, containers: [{name: web, image: web}]}
`,
};

const taints: readonly Check[] = [
  ['taint node node1 key=value:NoSchedule', 'node/node1 tainted'],
  ['describe node node1', /^Taints: +key=value:NoSchedule$/m],
  [
    'taint node node1 key=value:NoSchedule',
    /node1 already has.* taint.* with same effect\(s\) and --overwrite is false/,
    { code: 1 },
  ],
  ['taint node node1 key=other:NoSchedule --overwrite', 'node/node1 modified'],
  ['taint nodes --all more:PreferNoSchedule', 'node/node1 tainted\nnode/node2 tainted'],
  ['taint node node1 key:NoSchedule- more-', 'node/node1 untainted'],
  ['taint node node2 more-', 'node/node2 untainted'],
  ['taint node node2 more-', /taint "more" not found/, { code: 1 }],
  ['taint node node2 key=value:Never', /invalid taint effect: Never/, { code: 1 }],
  ['taint node nobody key:NoSchedule', /nodes "nobody" not found/, { code: 1 }],
];

const cordon: readonly Check[] = [
  ['cordon node1', 'node/node1 cordoned'],
  ['cordon node1', 'node/node1 already cordoned'],
  ['get nodes', [/^node1 +Ready,SchedulingDisabled /m, /^node2 +Ready +<none> /m]],
  ['get nodes --field-selector spec.unschedulable=true -o name', 'node/node1'],
];

for (const kubectl of listKubectls()) {
  t.test(`kubectl ${kubectl.version} with nodes`, async (t) => {
    const cluster = await startCluster(t);
    for (const name of ['node1', 'node2']) await cluster.addNode(name);
    const judge = await Judge.start(t, kubectl, cluster.server.adminKubeconfigPath, files);
    await judge.check(t, taints);
    await judge.check(t, [['create -f rc.yaml', 'replicationcontroller/web created']]);
    await eventually(
      'both nodes run pods',
      async () => (await placed(cluster)).join() === 'node1,node1,node2,node2',
    );
    await judge.check(t, cordon);
    await cordonTaint(t, cluster, judge);
    await drain(t, cluster, judge, kubectl.minor);
  });
}

/** Where the pods run. */
async function placed({ client }: TestCluster): Promise<string[]> {
  const all = await client.listAll(pods, { namespace: 'default' });
  const running = all.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  return running.map(({ spec }) => spec.nodeName ?? '').sort();
}

async function cordonTaint(t: Test, { client }: TestCluster, judge: Judge): Promise<void> {
  const tainted = async () => ((await client.get(nodes, { name: 'node1' })).spec?.taints ?? []).length > 0;
  await eventually('the node is tainted', tainted);
  await judge.check(t, [
    [
      'describe node node1',
      [/^Taints: +node\.kubernetes\.io\/unschedulable:NoSchedule$/m, /^Unschedulable: +true$/m],
    ],
    ['uncordon node1', 'node/node1 uncordoned'],
    ['uncordon node1', 'node/node1 already uncordoned'],
  ]);
  await eventually('the taint goes', async () => !(await tainted()));
  await judge.check(t, [['describe node node1', [/^Taints: +<none>$/m, /^Unschedulable: +false$/m]]]);
}

/** The pods of a drained node end, and their controller has others made elsewhere. */
async function drain(t: Test, cluster: TestCluster, judge: Judge, minor: number): Promise<void> {
  await judge.check(t, [
    ['create -f alone.yaml', 'pod/alone created'],
    ['drain node1', /alone/, { code: 1 }],
    ['drain node1 --force --dry-run=server', /node\/node1 drained/, { from: 22 }],
  ]);
  t.same(await placed(cluster), ['node1', 'node1', 'node1', 'node2', 'node2'], 'so far nothing went');
  // Without the policy group, which has nothing to serve here, kubectl 1.20 deletes instead of evicting.
  const gone = minor < 22 ? /pod\/alone deleted/ : /pod\/alone evicted/;
  await judge.check(t, [['drain node1 --force --timeout=30s', [gone, /node\/node1 /]]]);
  await eventually(
    'all run elsewhere',
    async () => (await placed(cluster)).join() === 'node2,node2,node2,node2',
  );
  await judge.check(t, [
    ['get pods -o wide', /node2/],
    ['drain node2 --disable-eviction --force --timeout=30s', /pod\/web-\w+ deleted/],
    ['uncordon node1 node2', 'node/node1 uncordoned\nnode/node2 uncordoned'],
  ]);
  await eventually('they are placed again', async () => !(await placed(cluster)).includes(''));
}
