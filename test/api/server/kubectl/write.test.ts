import type { Test } from 'tap';
import t from 'tap';
import { configMaps } from '../../../../api/client/resources.ts';
import { listKubectls } from '../../../kubectls.ts';
import { startServer } from '../fixture.ts';
import { Judge } from './judge.ts';
import type { Check } from './judge.ts';
import { pod, replicationController, service } from './manifests.ts';

const map = (name: string, value: string) =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}, labels: {set: mine}}\ndata: {a: '${value}'}\n`;

const files = {
  'rc.yaml': replicationController,
  'svc.yaml': service,
  'pod.yaml': pod,
  'two.yaml': `${map('one', '1')}---\n${map('two', '1')}`,
  'two-changed.yaml': `${map('one', '1')}---\n${map('two', '2')}`,
  'one.yaml': map('one', '1'),
  'list.json': JSON.stringify({
    apiVersion: 'v1',
    kind: 'List',
    items: [
      { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'listed' } },
      { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'listed' }, stringData: { a: 'b' } },
    ],
  }),
  'generated.yaml': 'apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: made-}\n',
  'elsewhere.yaml': pod.replace('name: web', 'name: web, namespace: nowhere'),
  'mistakes.yaml': `
apiVersion: v1
kind: Pod
metadata: {name: Bad_Name}
spec:
  restartPolicy: Sometimes
  containers: [{name: nginx, image: nginx, ports: [{containerPort: 99999}]}]
`,
  'unknown.yaml': pod.replace('name: web', 'name: unknown').replace('spec: {', 'spec: {color: red, '),
  'wrong-type.yaml': pod.replace('name: web', 'name: typed').replace('spec: {', 'spec: {hostNetwork: 7, '),
  'no-kind.yaml': 'apiVersion: v1\nkind: Podd\nmetadata: {name: x}\n',
};

const invalid = [
  /The Pod "Bad_Name" is invalid: ?\n/,
  /^\* metadata\.name: Invalid value: "Bad_Name": a lowercase RFC 1123 subdomain must consist of/m,
  /^\* spec\.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "Never", "OnFailure"/m,
  /^\* spec\.containers\[0\]\.ports\[0\]\.containerPort: Invalid value: 99999: must be between 1 and 65535, inclusive/m,
];

const create: readonly Check[] = [
  ['create -f rc.yaml', 'replicationcontroller/my-nginx created'],
  [
    'create -f rc.yaml',
    /\(AlreadyExists\): error when creating "rc.yaml": replicationcontrollers "my-nginx" already exists/,
    { code: 1 },
  ],
  ['create -f pod.yaml -f svc.yaml', 'pod/web created\nservice/nginxsvc created'],
  ['create -f - -o name', 'configmap/piped', { input: map('piped', '1') }],
  ['create -f list.json', 'configmap/listed created\nsecret/listed created'],
  ['create -f generated.yaml', /^configmap\/made-[a-z0-9]{5} created\n$/],
  ['create -f two.yaml --dry-run=client', 'configmap/one created (dry run)\nconfigmap/two created (dry run)'],
  [
    'create -f two.yaml --dry-run=server',
    'configmap/one created (server dry run)\nconfigmap/two created (server dry run)',
  ],
  ['create -f two.yaml --dry-run=server -o yaml', /creationTimestamp: "\d{4}-/],
  ['get cm one', /NotFound/, { code: 1 }],
  ['create -f pod.yaml --dry-run=client -o yaml', [/^apiVersion: v1\nkind: Pod\n/, /image: nginx:1\n/]],
  ['create -f one.yaml -o yaml', [/^apiVersion: v1\n/, /\n {2}resourceVersion: "\d+"\n/, /\n {2}uid: /]],
  [
    'create -f elsewhere.yaml',
    /\(NotFound\): error when creating "elsewhere.yaml": namespaces "nowhere" not found/,
    { code: 1 },
  ],
  ['create -f pod.yaml -n kube-system', 'pod/web created'],
  ['create -f mistakes.yaml', invalid, { code: 1 }],
  ['create -f no-kind.yaml', /no matches for kind "Podd" in version "v1"/, { code: 1 }],
  [
    'create -f unknown.yaml',
    /ValidationError\(Pod\.spec\): unknown field "color" in io\.k8s\.api\.core\.v1\.PodSpec/,
    { code: 1, until: 24 },
  ],
  [
    'create -f unknown.yaml',
    /\(BadRequest\): error when creating "unknown.yaml": Pod in version "v1" cannot be handled as a Pod: strict decoding error: unknown field "spec\.color"/,
    { code: 1, from: 27 },
  ],
  [
    'create -f unknown.yaml --validate=warn',
    /Warning: unknown field "spec\.color"\npod\/unknown created|pod\/unknown created\nWarning: unknown field "spec\.color"/,
    { from: 27 },
  ],
  ['create -f wrong-type.yaml', /hostNetwork/, { code: 1 }],
  [
    'create -f wrong-type.yaml --validate=false',
    /\(BadRequest\).*spec\.hostNetwork: expected true or false, got number 7/,
    { code: 1 },
  ],
];

const apply: readonly Check[] = [
  [
    'apply -f two.yaml',
    [
      /missing the .*last-applied-configuration annotation/,
      /^configmap\/one configured\nconfigmap\/two created$/m,
    ],
  ],
  ['apply -f two.yaml', 'configmap/one unchanged\nconfigmap/two unchanged'],
  ['diff -f two.yaml', ''],
  ['diff -f two-changed.yaml', [/^-  a: "1"\n\+  a: "2"$/m, /v1\.ConfigMap\.default\.two/], { code: 1 }],
  ['get cm two -o jsonpath={.data.a}', '1'],
  [
    'apply -f two-changed.yaml --dry-run=server',
    'configmap/one unchanged (server dry run)\nconfigmap/two configured (server dry run)',
  ],
  ['apply -f two-changed.yaml', 'configmap/one unchanged\nconfigmap/two configured'],
  ['apply view-last-applied cm two', /^apiVersion: v1\ndata:\n {2}a: "2"\nkind: ConfigMap\n/],
  ['apply view-last-applied -f one.yaml -o json', /"a": "1"/],
  ['apply set-last-applied -f one.yaml', /^configmap\/one configured/],
  ['apply edit-last-applied cm/one', /configmap\/one edited/, { env: { EDITOR: 'sed -i /a:/s/1/9/' } }],
  ['apply -f -', /^pod\/web configured$/m, { input: pod.replace('nginx:1', 'nginx:2') }],
  ['get pod web -o jsonpath={.spec.containers[*].image}', 'nginx:2'],
  ['apply -f mistakes.yaml', invalid, { code: 1 }],
  [
    'apply -f one.yaml --prune -l set=mine --prune-whitelist=core/v1/ConfigMap',
    [/configmap\/one (configured|unchanged)/, /configmap\/two pruned/],
    { until: 26 },
  ],
  [
    'apply -f one.yaml --prune -l set=mine --prune-allowlist=core/v1/ConfigMap',
    [/configmap\/one (configured|unchanged)/, /configmap\/two pruned/],
    { from: 27 },
  ],
  [
    'apply -f rc.yaml -f svc.yaml',
    [/replicationcontroller\/my-nginx configured/, /service\/nginxsvc configured/],
  ],
  ['apply -f rc.yaml -f svc.yaml', 'replicationcontroller/my-nginx unchanged\nservice/nginxsvc unchanged'],
];

for (const kubectl of listKubectls()) {
  t.test(`kubectl ${kubectl.version} writes`, async (t) => {
    const { server, client } = await startServer(t);
    const judge = await Judge.start(t, kubectl, server.adminKubeconfigPath, files);
    for (const table of [create, apply]) await judge.check(t, table);
    await keepsOthers(t, judge);
    t.same((await client.get(configMaps, { namespace: 'default', name: 'one' })).data, { a: '1', b: '2' });
  });
}

/** apply leaves alone what others set, and takes away what it set before. */
async function keepsOthers(t: Test, judge: Judge): Promise<void> {
  await judge.check(t, [
    ['apply -f one.yaml', /configmap\/one (configured|unchanged)/],
    ['patch cm one --type=merge -p \'{"data":{"b":"2"}}\'', 'configmap/one patched'],
    ['apply -f -', 'configmap/one configured', { input: map('one', '1').replace('{a:', '{c: "3", a:') }],
    ['apply -f one.yaml', 'configmap/one configured'],
  ]);
}
