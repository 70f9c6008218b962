import type { Test } from 'tap';
import t from 'tap';
import { configMaps, namespaces, pods } from '../../../../api/client/resources.ts';
import { listKubectls } from '../../../kubectls.ts';
import { startCluster, type TestCluster } from '../../controllers/cluster.ts';
import { eventually } from '../../eventually.ts';
import { Judge } from './judge.ts';
import type { Check } from './judge.ts';

const pod = (name: string, more = '') => `
apiVersion: v1
kind: Pod
metadata: {name: ${name}, labels: {app: ${name}}${more}}
spec: {nodeName: node1, containers: [{name: main, image: main}]}
---`;

const rc = (name: string) => `
apiVersion: v1
kind: ReplicationController
metadata: {name: ${name}, labels: {app: nginx}}
spec:
  replicas: 1
  template:
    metadata: {labels: {app: ${name}}}
    spec: {containers: [{name: nginx, image: nginx}]}
---`;

const files = {
  'pods.yaml': ['a', 'b', 'c', 'd', 'e'].map((name) => pod(name)).join(''),
  'held.yaml': pod('held', ', finalizers: [example.com/hold]'),
  'nginx.yaml': `${rc('nginx')}
apiVersion: v1
kind: Service
metadata: {name: nginxsvc, labels: {app: nginx}}
spec: {ports: [{port: 80}], selector: {app: nginx}}
`,
  'controllers.yaml': rc('background') + rc('foreground') + rc('orphaned'),
  'maps.yaml': ['one', 'two']
    .map((name) => `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\n`)
    .join('---\n'),
};

const forms: readonly Check[] = [
  ['create -f pods.yaml -f maps.yaml', /pod\/e created/],
  ['delete pod a', 'pod "a" deleted'],
  ['delete pod a', 'Error from server (NotFound): pods "a" not found', { code: 1 }],
  ['delete pod a --ignore-not-found', ''],
  ['delete pod/b cm/one', 'pod "b" deleted\nconfigmap "one" deleted'],
  ['delete pod c --dry-run=client', 'pod "c" deleted (dry run)'],
  ['delete pod c --dry-run=server', 'pod "c" deleted (server dry run)'],
  ['delete pod c --now', 'pod "c" deleted'],
  [
    'delete pod d --grace-period=0 --force',
    [/arning: Immediate deletion does not wait for confirmation/, /pod "d" force deleted/],
  ],
  ['delete pods --field-selector metadata.name=e', 'pod "e" deleted'],
  ['delete pods --field-selector metadata.name=e', 'No resources found'],
  [
    'delete -f maps.yaml',
    /configmap "two" deleted[^]*\(NotFound\): [^]*configmaps "one" not found|\(NotFound\)[^]*"one" not found/,
    { code: 1 },
  ],
  ['delete -f maps.yaml --ignore-not-found', ''],
  ['create -f maps.yaml -n kube-public', /configmap\/two created/],
  ['delete cm -n kube-public one two -o name', 'configmap/one\nconfigmap/two'],
  ['delete nothing x', `error: the server doesn't have a resource type "nothing"`, { code: 1 }],
  [
    'delete pods',
    /resource\(s\) were provided, but no name(, label selector, or --all flag specified| was specified)/,
    { code: 1 },
  ],
  [
    'delete ns default',
    'Error from server (Forbidden): namespaces "default" is forbidden: this namespace may not be deleted',
    { code: 1 },
  ],
];

/** The guide's last command. */
const guide: readonly Check[] = [
  ['create -f nginx.yaml', 'replicationcontroller/nginx created\nservice/nginxsvc created'],
  ['delete rc,svc -l app=nginx', 'replicationcontroller "nginx" deleted\nservice "nginxsvc" deleted'],
  ['get rc,svc -l app=nginx', 'No resources found in default namespace.'],
  ['delete rc,svc -l app=nginx', 'No resources found'],
];

const waits: readonly Check[] = [
  ['create -f pods.yaml', /pod\/e created/],
  ['wait --for=condition=Ready pod/a pod/b --timeout=30s', 'pod/a condition met\npod/b condition met'],
  ['wait pods --for=condition=ready -l app=c --timeout=30s', 'pod/c condition met'],
  [
    'wait --for=condition=Ready=false pod/a --timeout=1s',
    /timed out waiting for the condition on pods\/a/,
    { code: 1 },
  ],
  ['wait --for=condition=Ready pod/nobody --timeout=1s', /pods "nobody" not found/, { code: 1 }],
  ["wait --for=jsonpath='{.status.phase}'=Running pod/a --timeout=30s", 'pod/a condition met', { from: 27 }],
  ["wait --for=jsonpath='{.status.podIP}' pod/a --timeout=30s", 'pod/a condition met', { from: 31 }],
  ['wait --for=create pod/a --timeout=30s', 'pod/a condition met', { from: 31 }],
  ['wait --for=delete pod/a --timeout=1s', /timed out waiting for the condition on pods\/a/, { code: 1 }],
  ['wait --for=delete pod/nobody --timeout=1s', '', { from: 27 }],
  ['delete pod a --wait=false', 'pod "a" deleted'],
  [
    'wait --for=delete pod/a --timeout=30s',
    /^$|pod\/a condition met|no matching resources found/,
    { from: 27 },
  ],
  ['delete pods --all', /pod "b" deleted\npod "c" deleted\n/],
];

for (const kubectl of listKubectls()) {
  t.test(`kubectl ${kubectl.version} deletes and waits`, async (t) => {
    const cluster = await startCluster(t);
    await cluster.addNode('node1');
    const judge = await Judge.start(t, kubectl, cluster.server.adminKubeconfigPath, files);
    for (const table of [forms, guide, waits]) await judge.check(t, table);
    await hold(t, cluster, judge);
    await cascade(t, cluster, judge, kubectl.minor);
    await namespace(t, cluster, judge);
  });
}

const at = (name: string) => ({ namespace: 'default', name });

/** A finalizer holds an object; kubectl shows that, and waits until it is let go. */
async function hold(t: Test, { client }: TestCluster, judge: Judge): Promise<void> {
  await judge.check(t, [
    ['create -f held.yaml', 'pod/held created'],
    ['delete pod held --timeout=1s', /timed out waiting for the condition on pods\/held/, { code: 1 }],
    ['get pod held', /\nheld +\S+ +Terminating +0 /],
    ['describe pod held', /^Status: +Terminating \(lasts /m],
  ]);
  const waiting = judge.run('delete pod held');
  await client.patch(pods, at('held'), { metadata: { finalizers: null } }, 'merge');
  t.match((await waiting).stdout + (await waiting).stderr, /pod "held" deleted|pods "held" not found/);
}

/** What becomes of the pods of a controller that is deleted. */
async function cascade(t: Test, { client }: TestCluster, judge: Judge, minor: number): Promise<void> {
  const podsOf = async (app: string) => (await client.list(pods, { labelSelector: `app=${app}` })).items;
  await judge.check(t, [['create -f controllers.yaml', /replicationcontroller\/orphaned created/]]);
  for (const app of ['background', 'foreground', 'orphaned']) {
    await eventually(`${app} has its pod`, async () => (await podsOf(app)).length === 1);
  }
  const orphan = minor < 20 ? '--cascade=false' : '--cascade=orphan';
  await judge.check(t, [
    ['delete rc background', 'replicationcontroller "background" deleted'],
    ['delete rc foreground --cascade=foreground', 'replicationcontroller "foreground" deleted'],
    [`delete rc orphaned ${orphan}`, 'replicationcontroller "orphaned" deleted'],
  ]);
  t.same(await podsOf('foreground'), [], 'its pod went first');
  await eventually('its pod goes behind it', async () => (await podsOf('background')).length === 0);
  const [left] = await podsOf('orphaned');
  t.notOk(left?.metadata.ownerReferences?.length, 'its pod stays and belongs to nobody');
  t.ok(left);
}

/** A namespace goes with what is in it. */
async function namespace(t: Test, { client }: TestCluster, judge: Judge): Promise<void> {
  await judge.check(t, [
    ['create namespace team', 'namespace/team created'],
    ['create configmap settings --from-literal=a=b -n team', 'configmap/settings created'],
    ['delete namespace team', 'namespace "team" deleted'],
    ['get namespace team', 'Error from server (NotFound): namespaces "team" not found', { code: 1 }],
  ]);
  t.notOk((await client.list(namespaces)).items.some(({ metadata }) => metadata.name === 'team'));
  t.same((await client.list(configMaps, { namespace: 'team' })).items, []);
}
