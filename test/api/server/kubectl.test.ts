import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Test } from 'tap';
import t from 'tap';
import { pods } from '../../../api/client/resources.ts';
import { listKubectls } from '../../kubectls.ts';
import { startServer } from './fixture.ts';

/** The oldest, the first that leaves validation to the server, the newest, this machine's. */
const kubectls = listKubectls([27, 33]);

const replicationController = `
apiVersion: v1
kind: ReplicationController
metadata:
  name: my-nginx
spec:
  replicas: 2
  template:
    metadata:
      labels:
        app: nginx
    spec:
      containers:
      - name: nginx
        image: nginx
        ports:
        - containerPort: 80
`;

const service = `
apiVersion: v1
kind: Service
metadata:
  name: nginxsvc
  labels:
    app: nginx
spec:
  ports:
  - port: 80
    protocol: TCP
  selector:
    app: nginx
`;

const pod = `
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: nginx}}
spec:
  containers: [{name: nginx, image: nginx}]
`;

const files = { 'rc.yaml': replicationController, 'svc.yaml': service, 'pod.yaml': pod };

type Kubectl = (line: string, env?: Record<string, string>) => Promise<string>;

/** Runs one command line; resolves with what it printed on both streams, whatever its exit code. */
function runner(binary: string, kubeconfig: string, directory: string): Kubectl {
  const common = ['--kubeconfig', kubeconfig, '--cache-dir', join(directory, 'cache')];
  return (line, env = {}) =>
    new Promise((resolve) => {
      const options = { cwd: directory, env: { ...process.env, ...env }, timeout: 60_000 };
      execFile(binary, [...common, ...line.split(' ')], options, (_error, stdout, stderr) =>
        resolve(stdout + stderr),
      );
    });
}

for (const { path: binary, version } of kubectls) {
  t.test(`kubectl ${version}`, async (t) => {
    const { server, client } = await startServer(t);
    const directory = t.testdirName;
    for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text);
    const kubectl = runner(binary, server.adminKubeconfigPath, directory);
    await createAndRead(t, kubectl);
    await change(t, kubectl);
    await follow(t, binary, server.adminKubeconfigPath, directory, kubectl);
    await remove(t, kubectl);
    t.same((await client.list(pods)).items, [], 'nothing is left');
  });
}
if (kubectls.length === 0) t.test('kubectl', { skip: 'none on this machine' }, () => undefined);

async function createAndRead(t: Test, kubectl: Kubectl): Promise<void> {
  for (const [file, made] of [
    ['rc.yaml', 'replicationcontroller/my-nginx created'],
    ['svc.yaml', 'service/nginxsvc created'],
    ['pod.yaml', 'pod/web created'],
  ] as const) {
    t.equal((await kubectl(`create -f ${file}`)).trim(), made);
  }
  t.match(await kubectl('create -f svc.yaml'), /services "nginxsvc" already exists/);
  const wide = await kubectl('get pods -l app=nginx -o wide');
  t.match(wide, /^NAME +READY +STATUS +RESTARTS +AGE +IP +NODE/);
  t.match(wide, /\nweb +0\/1 +Pending +0 /);
  t.match(await kubectl('get rc'), /^NAME +DESIRED +CURRENT +READY +AGE\nmy-nginx +2 +0 +0 /);
  t.match(await kubectl('get svc nginxsvc'), /\nnginxsvc +ClusterIP +10\.96\.\d+\.\d+ +<none> +80\/TCP /);
  t.match(await kubectl('get ep -A'), /default +kubernetes +192\.0\.2\.1:\d+/);
  t.match(
    await kubectl('get svc -n kube-system'),
    /kube-dns +ClusterIP +10\.96\.0\.10 +<none> +53\/UDP,53\/TCP/,
  );
  t.equal((await kubectl('get svc kubernetes -o jsonpath={.spec.clusterIP}')).trim(), '10.96.0.1');
  t.match(
    await kubectl('get pods web -o yaml'),
    /\napiVersion: v1\nkind: Pod\n|^apiVersion: v1\nkind: Pod\n/,
  );
  const described = await kubectl('describe svc nginxsvc');
  for (const line of [/Selector: +app=nginx/, /IP: +10\.96\./, /Port: +<unset> +80\/TCP/, /Endpoints: +/]) {
    t.match(described, line);
  }
  t.match(await kubectl('describe rc my-nginx'), /Replicas: +0 current \/ 2 desired/);
  t.match(await kubectl('get pods --field-selector status.phase=Running'), /No resources found/);
  t.match(await kubectl('get nothing'), /the server doesn't have a resource type "nothing"/);
  t.match(await kubectl('get pods nobody'), /pods "nobody" not found/);
  t.match(await kubectl('api-resources'), /endpointslices +discovery.k8s.io\/v1 +true +EndpointSlice/);
}

async function change(t: Test, kubectl: Kubectl): Promise<void> {
  t.match(await kubectl('scale rc my-nginx --replicas=0'), /replicationcontroller\/my-nginx scaled/);
  t.equal((await kubectl('get rc my-nginx -o jsonpath={.spec.replicas}')).trim(), '0');
  t.match(await kubectl('label pod web tier=front'), /pod\/web labeled/);
  t.match(await kubectl('get pods -l tier=front -o name'), /pod\/web/);
  t.match(await kubectl('annotate svc nginxsvc why=test'), /service\/nginxsvc annotated?/);
  t.match(await kubectl('apply -f svc.yaml'), /service\/nginxsvc configured/);
  t.match(await kubectl('apply -f svc.yaml'), /service\/nginxsvc unchanged/);
  t.match(await kubectl('patch svc nginxsvc -p {"spec":{"type":"NodePort"}}'), /service\/nginxsvc patched/);
  t.match(await kubectl('get svc nginxsvc'), /NodePort .* 80:3\d{4}\/TCP/);
  const merge = 'patch svc nginxsvc --type=merge -p {"spec":{"sessionAffinity":"ClientIP"}}';
  t.match(await kubectl(merge), /patched/);
  const json = 'patch svc nginxsvc --type=json -p [{"op":"replace","path":"/spec/ports/0/port","value":81}]';
  t.match(await kubectl(json), /patched/);
  t.match(await kubectl('describe svc nginxsvc'), /81\/TCP/);
  t.match(
    await kubectl('edit svc nginxsvc', { EDITOR: 'sed -i s/port:.81/port:\\ 82/' }),
    /service\/nginxsvc edited/,
  );
  t.match(await kubectl('get svc nginxsvc'), /82:/);
  t.match(await kubectl('replace -f svc.yaml'), /service\/nginxsvc replaced/);
  t.match(
    await kubectl('patch svc nginxsvc -p {"spec":{"type":"Nonsense"}}'),
    /Unsupported value: "Nonsense"/,
  );
  t.match(await kubectl('wait --for=condition=Ready pod/web --timeout=1s'), /timed out waiting/);
  t.match(await kubectl('auth can-i delete pods'), /^yes$/m);
}

/** `get -w` prints rows as they change, and goes on when the object is gone. */
async function follow(
  t: Test,
  binary: string,
  kubeconfig: string,
  directory: string,
  kubectl: Kubectl,
): Promise<void> {
  const watching = spawn(
    binary,
    ['--kubeconfig', kubeconfig, '--cache-dir', join(directory, 'cache'), 'get', 'pods', '-w'],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  let printed = '';
  const seen = async (rows: number) => {
    while (printed.split('\n').filter((line) => line.startsWith('web ')).length < rows) {
      if (watching.exitCode !== null) throw new Error(`kubectl ended early: ${printed}`);
      await Promise.race([once(watching.stdout, 'data'), once(watching, 'close')]);
    }
  };
  watching.stdout.setEncoding('utf8').on('data', (text: string) => (printed += text));
  await seen(1);
  await kubectl('label pod web tier-');
  await seen(2);
  t.match(await kubectl('delete pod web'), /pod "web" deleted/);
  await seen(3);
  watching.kill();
  t.match(printed, /^NAME +READY +STATUS +RESTARTS +AGE\nweb /);
}

async function remove(t: Test, kubectl: Kubectl): Promise<void> {
  const deleted = await kubectl('delete rc,svc -l app=nginx');
  t.match(deleted, /service "nginxsvc" deleted/);
  t.match(
    await kubectl('delete -f rc.yaml --ignore-not-found'),
    /replicationcontroller "my-nginx" deleted|^$/,
  );
  t.match(await kubectl('get rc'), /No resources found/);
  t.match(await kubectl('delete svc nginxsvc'), /services "nginxsvc" not found/);
}
