import t from 'tap';
import { listKubectls } from '../../../kubectls.ts';
import { startServer } from '../fixture.ts';
import { Judge } from './judge.ts';
import type { Check } from './judge.ts';

const service = (type: string, ports: string) => `
apiVersion: v1
kind: Service
metadata: {name: web, labels: {app: web}}
spec: {type: ${type}, selector: {app: web}, ports: [${ports}]}
`;

const controller = (replicas: string, image: string) => `
apiVersion: v1
kind: ReplicationController
metadata: {name: rc}
spec:
  ${replicas}
  selector: {app: rc}
  template:
    metadata: {labels: {app: rc}}
    spec: {containers: [{name: main, image: '${image}'}]}
`;

const map = (name: string) => `
apiVersion: v1
kind: ConfigMap
metadata: {name: ${name}, labels: {set: maps}}
`;

const files = {
  'map.yaml': map('first'),
  'maps.yaml': `${map('first')}---${map('second')}`,
  'one.yaml': service('ClusterIP', '{port: 80, name: http}, {port: 443, name: https}'),
  'less.yaml': service('ClusterIP', '{port: 80, name: http}'),
  'open.yaml': service('NodePort', '{port: 80, name: http}'),
  'rc.yaml': controller('replicas: 2', 'nginx:1'),
  'rc2.yaml': controller('replicas: 2', 'nginx:2'),
  'loose.yaml': controller('minReadySeconds: 1', 'nginx:1'),
};

const managers =
  '-o jsonpath="{range .metadata.managedFields[*]}{.manager}/{.operation}/{.subresource} {end}"';
const ports = 'get svc web -o jsonpath={.spec.ports[*].port}';
const replicas = 'get rc rc -o jsonpath={.spec.replicas}';

/** Fields have owners; others' values are conflicts, taken over only by force. */
const ownership: readonly Check[] = [
  ['apply --server-side -f one.yaml', 'service/web serverside-applied'],
  [`get svc web ${managers}`, 'kubectl/Apply/'],
  ['apply --server-side -f one.yaml', 'service/web serverside-applied'],
  ['diff --server-side -f one.yaml', ''],
  ['diff --server-side -f less.yaml', /^-.*443/m, { code: 1 }],
  [ports, '80 443', {}],
  ['apply --server-side -f less.yaml', 'service/web serverside-applied'],
  [ports, '80', {}],
  [
    'apply --server-side --field-manager other -f open.yaml',
    [
      /error: Apply failed with 1 conflict: conflict with "kubectl": \.spec\.type/,
      /Please review the fields above--they currently have other managers\./,
    ],
    { code: 1 },
  ],
  [
    'apply --server-side --field-manager other --force-conflicts -f open.yaml',
    'service/web serverside-applied',
  ],
  ['get svc web -o jsonpath={.spec.type}', 'NodePort'],
  [`get svc web ${managers}`, /^kubectl\/Apply\/ other\/Apply\//],
  [
    'apply --server-side --dry-run=server --force-conflicts -f less.yaml',
    /web serverside-applied \(server dry run\)/,
  ],
  ['get svc web -o jsonpath={.spec.type}', 'NodePort', {}],
  [
    'get svc web -o yaml --show-managed-fields',
    /f:ports:\n +k:\{"port":80,"protocol":"TCP"\}:\n +\.: \{\}/,
    { from: 21 },
  ],
  ['get svc web -o yaml', /^(?![^]*managedFields)/, { from: 21 }],
  [
    'apply --server-side -f less.yaml --field-manager=""',
    /fieldManager: Required value: is required for apply/,
    { code: 1, until: 20 },
  ],
];

/** Writers that do not apply own what they set, through the object or a subresource. */
const updates: readonly Check[] = [
  ['create -f rc.yaml', 'replicationcontroller/rc created'],
  [`get rc rc ${managers}`, 'kubectl-create/Update/'],
  ['scale rc rc --replicas=5', 'replicationcontroller/rc scaled'],
  [`get rc rc ${managers}`, /kubectl\S*\/Update\/scale/],
  [
    'apply --server-side -f rc2.yaml',
    [
      /Apply failed with 2 conflicts: conflicts with "kubectl/,
      /conflicts with "kubectl\S*" with subresource "scale" using v1:\n- \.spec\.replicas/,
      /conflicts with "kubectl-create" using v1:\n- \.spec\.template\.spec\.containers\[name="main"\]\.image/,
    ],
    { code: 1 },
  ],
  ['apply --server-side -f loose.yaml', 'replicationcontroller/rc serverside-applied'],
  [replicas, '5', {}],
  ['label rc rc a=b', /replicationcontroller\/rc labeled/],
  [`get rc rc ${managers}`, /kubectl-label\/Update\//],
  ['label rc rc a-', /replicationcontroller\/rc (un)?labeled/],
  [`get rc rc ${managers}`, /^(?!.*kubectl-label)/],
];

/** The older first, by the second of the last change; within one second by name. */
const bothAppliers =
  /^(kubectl\/Apply\/ kubectl-last-applied\/Apply\/|kubectl-last-applied\/Apply\/ kubectl\/Apply\/)\s*$/;

/** Who applied from the client so far goes on from the server: the fields move to the new manager, and go with it. */
const migration: readonly Check[] = [
  ['delete svc web', /service "web" deleted/],
  ['apply -f one.yaml', 'service/web created'],
  [`get svc web ${managers}`, 'kubectl-client-side-apply/Update/'],
  ['apply --server-side -f open.yaml', 'service/web serverside-applied'],
  ['get svc web -o jsonpath={.spec.type}', 'NodePort'],
  [ports, '80', { from: 27 }],
  // kubectl keeps the annotation for going back, under a name of its own.
  [`get svc web ${managers}`, bothAppliers, { from: 27 }],
  ['apply --server-side -f open.yaml', 'service/web serverside-applied'],
  ['apply -f less.yaml', /service\/web configured/],
  ['get svc web -o jsonpath={.spec.type}', 'ClusterIP'],
];

const pruned = [/configmap\/first unchanged/, /configmap\/second pruned/];

/** What a set of manifests has no more is taken away, but only what was applied. */
const prune: readonly Check[] = [
  ['apply -f maps.yaml', /configmap\/first created\nconfigmap\/second created/],
  ['create configmap own', 'configmap/own created'],
  ['label configmap own set=maps', 'configmap/own labeled'],
  // Without a list kubectl asks for kinds of storage and jobs, which nobody serves here.
  ['apply --prune --prune-whitelist=core/v1/ConfigMap -l set=maps -f map.yaml', pruned, { until: 26 }],
  ['apply --prune --prune-allowlist=core/v1/ConfigMap -l set=maps -f map.yaml', pruned, { from: 27 }],
  ['get configmaps -l set=maps -o name', 'configmap/first\nconfigmap/own'],
];

for (const kubectl of listKubectls([27, 33])) {
  t.test(kubectl.version, async (t) => {
    const { server } = await startServer(t);
    const judge = await Judge.start(t, kubectl, server.adminKubeconfigPath, files);
    for (const table of [ownership, updates, migration, prune]) await judge.check(t, table);
  });
}
