import t from 'tap';
import { pods } from '../../../../api/client/resources.ts';
import { listKubectls } from '../../../kubectls.ts';
import { startServer } from '../fixture.ts';
import { Judge } from './judge.ts';
import type { Check } from './judge.ts';
import { pod, replicationController, service } from './manifests.ts';

const files = {
  'rc.yaml': replicationController,
  'svc.yaml': service,
  'pod.yaml': pod,
  'one.yaml': "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one}\ndata: {a: '1'}\n",
  'absent.yaml': 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: absent}\n',
  'patch.yaml': 'metadata: {labels: {from: file}}\n',
};

const immutable =
  /The Pod "web" is invalid: spec: Forbidden: pod updates may not change fields other than `spec\.containers\[\*\]\.image`/;

const patch: readonly Check[] = [
  [
    'patch svc nginxsvc -p \'{"spec":{"ports":[{"port":81,"name":"b"}]}}\'',
    /spec\.ports\[\d\]\.name: Required value/,
    { code: 1 },
  ],
  [
    'patch svc nginxsvc -p \'{"spec":{"ports":[{"port":80,"name":"a"},{"port":81,"name":"b"}]}}\'',
    'service/nginxsvc patched',
  ],
  ['get svc nginxsvc -o jsonpath={.spec.ports[*].port}', /^8[01] 8[01]$/],
  [
    'patch svc nginxsvc -p \'{"spec":{"ports":[{"port":81,"$patch":"delete"}]}}\'',
    'service/nginxsvc patched',
  ],
  ['get svc nginxsvc -o jsonpath={.spec.ports[*].port}', '80'],
  [
    'patch svc nginxsvc -p \'{"spec":{"type":"Nonsense"}}\'',
    /The Service "nginxsvc" is invalid: spec\.type: Unsupported value: "Nonsense": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"/,
    { code: 1 },
  ],
  [
    'patch svc nginxsvc --type=merge -p \'{"spec":{"sessionAffinity":"ClientIP"}}\'',
    'service/nginxsvc patched',
  ],
  [
    'patch svc nginxsvc --type=merge -p \'{"spec":{"sessionAffinity":"ClientIP"}}\'',
    'service/nginxsvc patched (no change)',
  ],
  [
    'patch svc nginxsvc --type=json -p \'[{"op":"replace","path":"/spec/ports/0/port","value":82}]\'',
    'service/nginxsvc patched',
  ],
  [
    'patch svc nginxsvc --type=json -p \'[{"op":"remove","path":"/spec/nothing"}]\'',
    /The request is invalid/,
    { code: 1 },
  ],
  [
    'patch svc nginxsvc --type=json -p \'[{"op":"test","path":"/spec/ports/0/port","value":1}]\'',
    /The request is invalid/,
    { code: 1 },
  ],
  [
    'patch svc nginxsvc -p \'{"spec":{"clusterIP":"10.96.9.9"}}\'',
    /spec\.clusterIPs?(\[0\])?: Invalid value: .*may not change once set|field is immutable/,
    { code: 1 },
  ],
  ['patch pod web -p \'{"spec":{"nodeName":"x"}}\'', immutable, { code: 1 }],
  ['patch pod web --patch-file patch.yaml', 'pod/web patched', { from: 27 }],
  ["patch pod nobody -p '{}'", 'Error from server (NotFound): pods "nobody" not found', { code: 1 }],
  [
    'patch pod web --subresource=status -p \'{"status":{"message":"hi"},"metadata":{"labels":{"no":"no"}}}\'',
    'pod/web patched',
    { from: 27 },
  ],
  ['get pod web -o jsonpath={.status.message}{.metadata.labels.no}', 'hi', { from: 27 }],
  [
    'patch rc my-nginx --subresource=scale --type=merge -p \'{"spec":{"replicas":4}}\'',
    'scale.autoscaling/my-nginx patched',
    { from: 27 },
  ],
  ['patch -f pod.yaml -p \'{"metadata":{"labels":{"a":"b"}}}\'', 'pod/web patched'],
  [
    'patch -f pod.yaml --dry-run=client -p \'{"metadata":{"labels":{"a":"c"}}}\' -o jsonpath={.metadata.labels.a}',
    'c',
  ],
];

const label: readonly Check[] = [
  ['label pod web tier=front', 'pod/web labeled'],
  ['label pod web tier=back', /'tier' already has a value \(front\), and --overwrite is false/, { code: 1 }],
  ['label pod web tier=back --overwrite', 'pod/web labeled'],
  ['label pod web tier=back --overwrite', /^pod\/web (not )?labeled\n$/],
  ['label pod web tier-', /^pod\/web (un)?labeled\n$/],
  ['label pod web none-', /label "none" not found/],
  [
    "label pod web 'bad key=1'",
    /metadata\.labels: Invalid value: "bad key": name part must consist of alphanumeric characters, '-', '_' or '\.', and must start and end with an alphanumeric character \(e\.g\. 'MyName', {2}or 'my\.name', {2}or '123-abc', regex used for validation is '/,
    { code: 1 },
  ],
  ['label pods -l app=web by=selector', /^pod\/web labeled$/m],
  [
    'label pods,svc --all all=1',
    [/pod\/web labeled/, /service\/nginxsvc labeled/, /service\/kubernetes labeled/],
  ],
  ['label -f svc.yaml from=file', 'service/nginxsvc labeled'],
  ['label pod web --list', [/^all=1$/m, /^app=web$/m]],
  [
    'label pod web too=old --resource-version=1',
    /the object has been modified; please apply your changes to the latest version/,
    { code: 1 },
  ],
  ['annotate pod web why=test', /^pod\/web annotated?\n$/],
  [
    'annotate pod web why=other',
    /--overwrite is false but found the following declared annotation\(s\): 'why' already has a value \(test\)/,
    { code: 1 },
  ],
  ['annotate pod web why-', /^pod\/web annotated?\n$/],
  ['annotate pods --all note=all', /^pod\/web annotated?$/m],
];

const scale: readonly Check[] = [
  ['scale rc my-nginx --replicas=3', 'replicationcontroller/my-nginx scaled'],
  ['get rc my-nginx', /\nmy-nginx +3 +0 +0 /],
  ['scale rc/my-nginx --current-replicas=7 --replicas=1', /Expected replicas to be 7, was 3/, { code: 1 }],
  ['scale rc/my-nginx --current-replicas=3 --replicas=1', 'replicationcontroller/my-nginx scaled'],
  ['scale -f rc.yaml --replicas=0', 'replicationcontroller/my-nginx scaled'],
  [
    'scale rc my-nginx --replicas=-1',
    /the --replicas=COUNT flag is required|replicas must be|invalid/i,
    { code: 1 },
  ],
  ['scale rc nobody --replicas=1', /replicationcontrollers "nobody" not found/, { code: 1 }],
  ['scale svc nginxsvc --replicas=1', /the server could not find the requested resource/, { code: 1 }],
  [
    'get rc my-nginx --subresource=scale -o jsonpath={.spec.replicas}/{.status.selector}',
    '0/app=nginx',
    { from: 27 },
  ],
];

const set: readonly Check[] = [
  ['set image pod/web nginx=nginx:3', 'pod/web image updated'],
  [
    'set image rc/my-nginx nginx=nginx:3 --record',
    /replicationcontroller\/my-nginx image updated/,
    { until: 26 },
  ],
  ["set image rc/my-nginx '*=nginx:4'", 'replicationcontroller/my-nginx image updated'],
  ['set image rc/my-nginx other=x', /unable to find container named "other"/, { code: 1 }],
  ['set env rc/my-nginx COLOR=red SIZE=1', 'replicationcontroller/my-nginx env updated'],
  ['set env rc/my-nginx SIZE-', 'replicationcontroller/my-nginx env updated'],
  ['set env rc/my-nginx --from=configmap/one', /^replicationcontroller\/my-nginx env updated$/m],
  ['set env rc/my-nginx --list', [/COLOR=red/, /A from configmap one, key a/]],
  [
    'set resources rc my-nginx --limits=cpu=200m,memory=64Mi --requests=cpu=100m',
    'replicationcontroller/my-nginx resource requirements updated',
  ],
  ['set selector svc nginxsvc app=other', 'service/nginxsvc selector updated'],
  ['set serviceaccount rc my-nginx robot', 'replicationcontroller/my-nginx serviceaccount updated'],
  [
    'get rc my-nginx -o jsonpath={..image}/{..limits.cpu}-{..requests.cpu}/{.spec.template.spec.serviceAccountName}',
    'nginx:4/200m-100m/robot',
  ],
];

const edit: readonly Check[] = [
  ['edit svc nginxsvc', 'service/nginxsvc edited', { env: { EDITOR: 'sed -i s/port:.82/port:\\ 83/' } }],
  ['get svc nginxsvc -o jsonpath={.spec.ports[0].port}', '83'],
  ['edit pod web', 'Edit cancelled, no changes made.', { env: { EDITOR: 'true' } }],
  [
    'edit pod web',
    [/pods "web" is invalid/, /copy of your changes has been stored/],
    { code: 1, env: { EDITOR: 'sed -i s/restartPolicy:.*/restartPolicy:\\ Never/' } },
  ],
  [
    'edit pod/web svc/nginxsvc',
    [/pod\/web edited/, /service\/nginxsvc edited/],
    { env: { EDITOR: 'sed -i s/all:.*/all:\\ two/' } },
  ],
];

const replace: readonly Check[] = [
  ['replace -f one.yaml', 'configmap/one replaced'],
  // Its account and its node are not in the manifest.
  ['replace -f pod.yaml', immutable, { code: 1 }],
  ['replace --force -f pod.yaml --grace-period=0', [/pod "web"( force)? deleted/, /pod\/web replaced/]],
  ['replace -f absent.yaml', /configmaps "absent" not found/, { code: 1 }],
  [
    'replace -f one.yaml -f absent.yaml --dry-run=server',
    [/configmap\/one replaced \(server dry run\)/, /configmaps "absent" not found/],
    { code: 1 },
  ],
];

const expose: readonly Check[] = [
  ['expose rc my-nginx --port=80 --target-port=8080 --name=exposed', 'service/exposed exposed'],
  ['get svc exposed -o jsonpath={.spec.selector.app}:{.spec.ports[0].targetPort}', 'nginx:8080'],
  ['expose rc my-nginx --name=same-ports --type=NodePort', 'service/same-ports exposed'],
  ['get svc same-ports', /NodePort .* 80:3\d{4}\/TCP/],
  ['expose svc nginxsvc --port=443 --name=second -l a=b', 'service/second exposed'],
  [
    'run one-off --image=busybox --restart=Never --env=A=b --port=80 --labels=x=y -- sleep 1',
    'pod/one-off created',
  ],
  [
    'get pod one-off -o jsonpath={.spec.restartPolicy}:{.spec.containers[0].args}:{.metadata.labels.x}',
    /^Never:\["sleep","1"\]:y$/,
  ],
  ['run one-off --image=busybox', /pods "one-off" already exists/, { code: 1 }],
  ['run dry --image=nginx --dry-run=server -o name', 'pod/dry'],
  [
    'run exposed-pod --image=nginx --port=80 --expose',
    [/service\/exposed-pod created/, /pod\/exposed-pod created/],
  ],
];

for (const kubectl of listKubectls()) {
  t.test(`kubectl ${kubectl.version} changes`, async (t) => {
    const { server, client } = await startServer(t);
    const judge = await Judge.start(t, kubectl, server.adminKubeconfigPath, files);
    await judge.check(t, [
      ['create -f rc.yaml -f svc.yaml -f pod.yaml -f one.yaml', /configmap\/one created/],
    ]);
    for (const table of [patch, label, scale, set, edit, replace, expose]) await judge.check(t, table);
    t.match(await client.get(pods, { namespace: 'default', name: 'exposed-pod' }), {
      metadata: { labels: { run: 'exposed-pod' } },
    });
  });
}
