import t from 'tap';
import { pods } from '../../../../api/client/resources.ts';
import { listKubectls } from '../../../kubectls.ts';
import { startServer } from '../fixture.ts';
import { Judge } from './judge.ts';
import type { Check } from './judge.ts';
import { replicationController } from './manifests.ts';

/** One command of each topic, for versions between and beyond those that the other files of this folder judge with. */
const kubectls = listKubectls([27, 33]);

const files = {
  'rc.yaml': replicationController,
  'svc.yaml': `
apiVersion: v1
kind: Service
metadata: {name: nginxsvc, labels: {app: nginx}}
spec: {ports: [{port: 80, protocol: TCP}], selector: {app: nginx}}
`,
  'pod.yaml': `
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: nginx}}
spec: {containers: [{name: nginx, image: nginx}]}
`,
};

const walk: readonly Check[] = [
  [
    'create -f rc.yaml -f svc.yaml -f pod.yaml',
    'replicationcontroller/my-nginx created\nservice/nginxsvc created\npod/web created',
  ],
  [
    'get pods -l app=nginx -o wide',
    [/^NAME +READY +STATUS +RESTARTS +AGE +IP +NODE/, /\nweb +0\/1 +Pending +0 /],
  ],
  ['get all', [/pod\/web/, /replicationcontroller\/my-nginx +2 +0 +0/, /service\/nginxsvc/]],
  [
    'describe svc nginxsvc',
    [/Selector: +app=nginx/, /IP: +10\.96\./, /Port: +<unset> +80\/TCP/, /Endpoints: +/],
  ],
  ['explain pod.spec.containers.ports', /containerPort\t<integer>/],
  ['api-resources', /endpointslices +discovery\.k8s\.io\/v1 +true +EndpointSlice/],
  ['create namespace team', 'namespace/team created'],
  ['create configmap settings --from-literal=a=b', 'configmap/settings created'],
  ['create secret generic key --from-literal=a=b', 'secret/key created'],
  ['create service nodeport open --tcp=80:8080', 'service/open created'],
  ['create deployment site --image=nginx --replicas=2', 'deployment.apps/site created'],
  ['scale rc my-nginx --replicas=0', /replicationcontroller\/my-nginx scaled/],
  ['label pod web tier=front', 'pod/web labeled'],
  ['apply -f svc.yaml', /service\/nginxsvc configured/],
  ['apply -f svc.yaml', 'service/nginxsvc unchanged'],
  ['diff -f svc.yaml', ''],
  ['edit svc nginxsvc', 'service/nginxsvc edited', { env: { EDITOR: 'sed -i s/port:.80/port:\\ 82/' } }],
  ['set image deploy/site nginx=nginx:2', 'deployment.apps/site image updated'],
  ['patch svc nginxsvc -p \'{"spec":{"type":"Nonsense"}}\'', /Unsupported value: "Nonsense"/, { code: 1 }],
  ['wait --for=condition=Ready pod/web --timeout=1s', /timed out waiting/, { code: 1 }],
  ['auth can-i delete pods', 'yes'],
  ['delete rc,svc -l app=nginx', 'replicationcontroller "my-nginx" deleted\nservice "nginxsvc" deleted'],
  ['delete pod web', 'pod "web" deleted'],
];

for (const kubectl of kubectls) {
  t.test(`kubectl ${kubectl.version}`, async (t) => {
    const { server, client } = await startServer(t);
    const judge = await Judge.start(t, kubectl, server.adminKubeconfigPath, files);
    await judge.check(t, walk);
    t.same((await client.list(pods)).items, [], 'nothing is left');
  });
}
if (kubectls.length === 0) t.test('kubectl', { skip: 'none on this machine' }, () => undefined);
