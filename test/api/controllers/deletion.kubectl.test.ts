import t from 'tap';
import type { Test } from 'tap';
import { configMaps } from '../../../api/client/resources.ts';
import { testCluster } from '../../cluster.ts';
import { listKubectls } from '../../kubectls.ts';
import { eventually } from '../eventually.ts';
import { refusal, startServer } from '../server/fixture.ts';
import { startCluster } from './cluster.ts';
import type { TestCluster } from './cluster.ts';
import { runner } from './kubectl.ts';
import type { Run } from './kubectl.ts';

const cluster = { ...testCluster, loadBalancerPools: ['192.0.2.8/31'] };

for (const kubectl of listKubectls([27, 33])) {
  t.test(kubectl.version, async (t) => {
    const started = await startCluster(t, { cluster });
    const run = runner(t, kubectl, started);
    await t.test('namespaces', (t) => namespaces(t, run, started));
    await t.test('finalizers', (t) => finalizers(t, run));
    await t.test('owners', (t) => owners(t, run));
    await t.test('generated names', (t) => generatedNames(t, run));
    await t.test('load balancers', (t) => loadBalancers(t, run));
  });
  t.test(`pods, ${kubectl.version}`, async (t) => pods(t, runner(t, kubectl, await startServer(t))));
}

const held = (name: string, namespace: string): string => `
apiVersion: v1
kind: ConfigMap
metadata: {name: ${name}, namespace: ${namespace}, finalizers: [example.com/hold]}
`;

async function namespaces(t: Test, run: Run, { client }: TestCluster): Promise<void> {
  await run('create -f -', 'apiVersion: v1\nkind: Namespace\nmetadata: {name: team}');
  t.match(await run('get ns team'), /^NAME +STATUS +AGE\nteam +Active /);
  for (const line of ['configmap plain --from-literal=a=b', 'serviceaccount builder']) {
    const dry = await run(`-n team create ${line} --dry-run=client -o yaml`);
    t.match(await run('-n team create -f -', dry), / created/);
  }
  await run('create -f -', held('stays', 'team'));
  t.match(await run('delete ns team --wait=false'), /namespace "team" deleted/);
  t.match(await run('get ns team'), /team +Terminating /);
  const said = await eventually('it says what holds it', async () => {
    const text = await run('get ns team -o jsonpath={.status.conditions[*].message}');
    return text.includes('configmaps. has 1 resource instances') ? text : undefined;
  });
  t.match(said, /finalizers remaining: example.com\/hold in 1 resource instances/);
  const late = { metadata: { name: 'late', namespace: 'team' } };
  t.match(await refusal(t, client.create(configMaps, late)), {
    code: 403,
    reason: 'Forbidden',
    message:
      /configmaps "late" is forbidden: unable to create new content in namespace team because it is being/,
  });
  t.match(
    await run('create -f -', held('late', 'team')),
    /Error from server \(Forbidden\).*because it is being terminated/,
  );
  const waiting = run('delete ns team --timeout=30s');
  await run('-n team patch cm stays --type=merge -p {"metadata":{"finalizers":null}}');
  t.match(await waiting, /namespace "team" deleted/);
  t.match(await run('get ns team'), /Error from server \(NotFound\): namespaces "team" not found/);
  t.match(await run('delete ns default'), /\(Forbidden\).*this namespace may not be deleted/);
}

async function finalizers(t: Test, run: Run): Promise<void> {
  await run('create -f -', held('held', 'default'));
  t.match(await run('delete cm held --wait=false'), /configmap "held" deleted/);
  t.match(await run('get cm held'), /^NAME +DATA +AGE\nheld /, 'it stays');
  t.match(
    await run(
      'patch cm held --type=merge -p {"metadata":{"finalizers":["example.com/hold","example.com/new"]}}',
    ),
    /no new finalizers can be added if the object is being deleted/,
  );
  t.match(await run('wait --for=delete cm/held --timeout=1s'), /timed out/);
  await run('patch cm held --type=json -p [{"op":"remove","path":"/metadata/finalizers"}]');
  t.match(await run('get cm held'), /NotFound/);
}

const controller = `
apiVersion: v1
kind: ReplicationController
metadata: {name: web}
spec:
  replicas: 2
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: nginx}]}
`;

async function podCount(run: Run, count: number): Promise<void> {
  await eventually(`${count} pods`, async () => {
    const names = await run('get pods -l app=web -o name');
    return names.trim().split('\n').filter(Boolean).length === count;
  });
}

async function owners(t: Test, run: Run): Promise<void> {
  for (const [cascade, left] of [
    ['background', 0],
    ['foreground', 0],
    ['orphan', 2],
  ] as const) {
    await run('create -f -', controller);
    await podCount(run, 2);
    t.match(await run(`delete rc web --cascade=${cascade}`), /replicationcontroller "web" deleted/);
    if (cascade === 'foreground') t.match(await run('get pods -l app=web'), /No resources found/);
    await podCount(run, left);
  }
  t.equal(await run('get pods -l app=web -o jsonpath={.items[*].metadata.ownerReferences}'), '');
  t.match(await run('delete pods -l app=web'), /pod "web-\w+".* deleted\n.*pod "web-\w+"/);
}

const pod = (name: string): string => `
apiVersion: v1
kind: Pod
metadata: {name: ${name}}
spec: {terminationGracePeriodSeconds: 7, nodeName: nowhere, containers: [{name: c, image: nginx}]}
`;

/** Without an agent that ends them, pods show how long they were given. */
async function pods(t: Test, run: Run): Promise<void> {
  const deletions: readonly [name: string, flags: string, seconds: string][] = [
    ['own', '--wait=false', '7'],
    ['given', '--wait=false --grace-period=40', '40'],
    ['now', '--wait=false --now', '1'],
  ];
  for (const [name, flags, seconds] of deletions) {
    await run('create -f -', pod(name));
    t.match(await run(`delete pod ${name} ${flags}`), new RegExp(`pod "${name}".* deleted`));
    t.equal(await run(`get pod ${name} -o jsonpath={.metadata.deletionGracePeriodSeconds}`), seconds, name);
    t.match(await run(`get pod ${name}`), new RegExp(`${name} +0/1 +Terminating `));
  }
  await run('delete pod own --wait=false --grace-period=3');
  t.equal(await run('get pod own -o jsonpath={.metadata.deletionGracePeriodSeconds}'), '3', 'sooner goes');
  await run('delete pod own --wait=false --grace-period=30');
  t.equal(await run('get pod own -o jsonpath={.metadata.deletionGracePeriodSeconds}'), '3', 'later does not');
  const forced = await run('delete pod own --grace-period=0 --force');
  t.match(forced, /[Ii]mmediate deletion does not wait/);
  t.match(forced, /pod "own" force deleted/);
  t.match(await run('get pod own'), /NotFound/);
}

async function generatedNames(t: Test, run: Run): Promise<void> {
  const generated = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: job-}';
  const names = await Promise.all(Array.from({ length: 3 }, () => run('create -f - -o name', generated)));
  for (const name of names) t.match(name, /^configmap\/job-[a-z0-9]{5}\n$/);
  t.equal(new Set(names).size, 3);
  t.match(await run('apply -f -', generated), /cannot use generate name with apply/);
}

const balanced = (name: string): string => `
apiVersion: v1
kind: Service
metadata: {name: ${name}}
spec: {type: LoadBalancer, ports: [{port: 80}]}
`;

async function loadBalancers(t: Test, run: Run): Promise<void> {
  for (const name of ['one', 'two', 'three']) await run('create -f -', balanced(name));
  const ready = '--for=condition=LoadBalancerReady --timeout=20s';
  t.match(
    await run(`wait svc/one svc/two ${ready}`),
    /service\/one condition met\nservice\/two condition met/,
  );
  t.match(
    await run('get svc one'),
    /^NAME +TYPE +CLUSTER-IP +EXTERNAL-IP +PORT\(S\) +AGE\none +LoadBalancer +\S+ +192\.0\.2\.\d +80:3\d+\/TCP/,
  );
  t.match(await run('get svc three'), /three +LoadBalancer +\S+ +<pending> /);
  const described = await eventually('the Event is there', async () => {
    const text = await run('describe svc three');
    return text.includes('PoolExhausted') ? text : undefined;
  });
  t.match(
    described,
    /Warning +PoolExhausted .* service-controller +no IPv4 address is free in the load balancer pools/,
  );
  await run('delete svc one');
  t.match(await run(`wait svc/three ${ready}`), /condition met/);
  t.match(await run('describe svc three'), /LoadBalancer Ingress: +192\.0\.2\.\d/);
  await run('delete svc two three');
}
