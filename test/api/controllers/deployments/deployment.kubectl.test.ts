import t from 'tap';
import type { Test } from 'tap';
import { eventually } from '../../eventually.ts';
import { listKubectls } from '../../../kubectls.ts';
import { startCluster } from '../cluster.ts';
import { runner } from '../kubectl.ts';
import type { Run } from '../kubectl.ts';

const manifest = `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels: {app: web}
  annotations: {kubernetes.io/change-cause: first}
spec:
  replicas: 3
  selector:
    matchLabels: {app: web}
  template:
    metadata:
      labels: {app: web}
    spec:
      containers:
      - {name: nginx, image: "nginx:1", ports: [{containerPort: 80}]}
`;

for (const kubectl of listKubectls([27, 33])) {
  t.test(kubectl.version, async (t) => {
    const cluster = await startCluster(t);
    for (const name of ['node1', 'node2']) await cluster.addNode(name);
    const run = runner(t, kubectl, cluster);
    await create(t, run);
    await rollOut(t, run);
    await pause(t, run);
    await goBack(t, run);
    await scale(t, run);
    await withoutFiles(t, run);
    await remove(t, run);
  });
}

async function create(t: Test, run: Run): Promise<void> {
  t.match(await run('create -f -', manifest), /deployment.apps\/web created/);
  const status = await run('rollout status deployment/web');
  t.match(status, /deployment "web" successfully rolled out/);
  t.match(
    await run('get deploy web -o wide'),
    /^NAME +READY +UP-TO-DATE +AVAILABLE +AGE +CONTAINERS +IMAGES +SELECTOR\nweb +3\/3 +3 +3 +\S+ +nginx +nginx:1 +app=web\n/,
  );
  t.match(await run('get rs'), /^NAME +DESIRED +CURRENT +READY +AGE\nweb-[a-z0-9]+ +3 +3 +3 /);
  const all = await run('get all');
  for (const line of [
    /\npod\/web-\w+-\w{5} +1\/1|\npod\/web/,
    /\nservice\/kubernetes /,
    /\ndeployment.apps\/web +3\/3/,
    /\nreplicaset.apps\/web-\w+ +3 +3 +3/,
  ]) {
    t.match(all, line);
  }
  const described = await run('describe deployment web');
  for (const line of [
    /Replicas: +3 desired \| 3 updated \| 3 total \| 3 available \| 0 unavailable/,
    /StrategyType: +RollingUpdate/,
    /RollingUpdateStrategy: +25% max unavailable, 25% max surge/,
    /Available +True +MinimumReplicasAvailable/,
    /Progressing +True +NewReplicaSetAvailable/,
    /OldReplicaSets: +<none>/,
    /NewReplicaSet: +web-\w+ \(3\/3 replicas created\)/,
    /Normal +ScalingReplicaSet .* deployment-controller +Scaled up replica set web-\w+ from 0 to 3/,
  ]) {
    t.match(described, line);
  }
  const set = await run('describe rs -l app=web');
  t.match(set, /Controlled By: +Deployment\/web/);
  t.match(set, /Replicas: +3 current \/ 3 desired/);
  t.match(set, /SuccessfulCreate .* replicaset-controller +Created pod: web-\w+-\w+/);
  t.match(set, /deployment.kubernetes.io\/revision: 1/);
}

async function rollOut(t: Test, run: Run): Promise<void> {
  t.match(await run('set image deployment/web nginx=nginx:2'), /deployment.apps\/web image updated/);
  t.match(await run('rollout status deploy web'), /successfully rolled out/);
  const images = await run('get pods -l app=web -o jsonpath={.items[*].spec.containers[*].image}');
  await eventually('only new pods are left', async () => {
    const list = await run('get pods -l app=web -o jsonpath={.items[*].spec.containers[*].image}');
    return list === 'nginx:2 nginx:2 nginx:2';
  });
  t.match(images, /nginx:2/);
  t.match(await run('annotate deployment web kubernetes.io/change-cause=second --overwrite'), /annotate/);
  const history = await eventually('the ReplicaSet has the new cause', async () => {
    const text = await run('rollout history deployment/web');
    return /second/.test(text) && text;
  });
  t.match(history, /REVISION +CHANGE-CAUSE\n1 +first\n2 +second\n/);
  const revision = await run('rollout history deployment/web --revision=1');
  t.match(revision, /deployment.apps\/web with revision #1/);
  t.match(revision, /Image:\s+nginx:1\n/);
  t.match(await run('rollout restart deployment web'), /deployment.apps\/web restarted/);
  t.match(await run('rollout status deploy web'), /successfully rolled out/);
  t.match(
    await run('get deploy web -o jsonpath={.spec.template.metadata.annotations}'),
    /kubectl.kubernetes.io\/restartedAt/,
  );
}

async function pause(t: Test, run: Run): Promise<void> {
  t.match(await run('rollout pause deployment/web'), /deployment.apps\/web paused/);
  t.match(await run('set image deployment web nginx=nginx:3'), /image updated/);
  t.match(await run('rollout undo deployment/web'), /cannot rollback a paused deployment/);
  const paused = await eventually('its condition says so', async () => {
    const text = await run('describe deployment web');
    return /DeploymentPaused/.test(text) && text;
  });
  t.match(paused, /Progressing +Unknown +DeploymentPaused/);
  t.notMatch(await run('get rs -o wide'), /nginx:3/);
  t.match(await run('rollout resume deployment/web'), /deployment.apps\/web resumed/);
  t.match(await run('rollout status deployment/web'), /successfully rolled out/);
  t.match(await run('get rs -o wide'), /web-\w+ +3 +3 +3 .* nginx:3 /);
}

async function goBack(t: Test, run: Run): Promise<void> {
  t.match(await run('rollout undo deployment/web --to-revision=1'), /deployment.apps\/web rolled back/);
  t.match(await run('rollout status deployment/web'), /successfully rolled out/);
  t.match(await run('get deploy web -o wide'), / nginx:1 /);
  t.notMatch(await run('rollout history deployment/web'), /\n1 /, 'revision 1 is the newest now');
  t.match(await run('rollout undo deployment/web'), /rolled back/);
  t.match(await run('rollout status deployment/web'), /successfully rolled out/);
  t.match(await run('get deploy web -o wide'), / nginx:3 /);
  t.match(await run('rollout undo deployment/web --to-revision=77'), /unable to find specified revision 77/);
}

async function scale(t: Test, run: Run): Promise<void> {
  t.match(await run('scale deployment/web --replicas=5'), /deployment.apps\/web scaled/);
  t.match(await run('rollout status deployment/web'), /successfully rolled out/);
  t.match(await run('get deploy web'), /\nweb +5\/5 +5 +5 /);
  t.match(
    await run('scale deployment web --current-replicas=3 --replicas=1'),
    /[Ee]xpected replicas to be 3, was 5/,
  );
  t.match(await run('expose deployment web --port=80'), /service\/web exposed/);
  t.match(await run('get svc web -o wide'), /\nweb +ClusterIP .* 80\/TCP .* app=web\n/);
  const endpoints = await eventually('its endpoints are there', async () => {
    const text = await run('get endpoints web');
    return /10\.244\./.test(text) && text;
  });
  t.match(endpoints, /\nweb +10\.244\.0\.\d+:80,.* \+ 2 more\.\.\./);
  const patch = '{"spec":{"strategy":{"$retainKeys":["type"],"type":"Recreate"}}}';
  t.match(await run(`patch deployment web -p ${patch}`), /deployment.apps\/web patched/);
  t.match(await run('set image deployment/web nginx=nginx:4'), /image updated/);
  t.match(await run('rollout status deployment/web'), /successfully rolled out/);
  t.match(await run('get deploy web -o wide'), / nginx:4 /);
}

/** Everything without a manifest. */
async function withoutFiles(t: Test, run: Run): Promise<void> {
  t.match(await run('create deployment cache --image=cache:1'), /deployment.apps\/cache created/);
  t.match(await run('scale deployment cache --replicas=2'), /deployment.apps\/cache scaled/);
  t.match(await run('rollout status deployment cache'), /successfully rolled out/);
  t.match(await run('get deploy cache -o wide'), /\ncache +2\/2 +2 +2 +\S+ +cache +cache:1 +app=cache\n/);
  t.match(await run('expose deployment cache --port=11211 --name=cache'), /service\/cache exposed/);
  t.match(await run('delete deploy,svc -l app=cache'), /deployment.apps "cache" deleted/);
  t.match(await run('get deploy cache'), /deployments.apps "cache" not found/);
}

async function remove(t: Test, run: Run): Promise<void> {
  const count = async (what: string) =>
    (await run(`get ${what} -o name`)).trim().split('\n').filter(Boolean).length;
  t.match(await run('delete deployment web --cascade=orphan'), /deployment.apps "web" deleted/);
  t.ok((await count('rs')) > 0, 'orphans stay');
  t.equal(await run('get rs -o jsonpath={.items[*].metadata.ownerReferences[*].kind}'), '');
  t.match(
    await run('create -f -', manifest.replace('nginx:1', 'nginx:4').replace('replicas: 3', 'replicas: 5')),
    /created/,
  );
  t.match(await run('rollout status deployment/web'), /successfully rolled out/);
  t.equal(await count('pods -l app=web'), 5, 'adopted, not made again');
  t.match(await run('delete deployment web --cascade=foreground'), /deployment.apps "web" deleted/);
  t.equal((await count('rs')) + (await count('pods')), 0, 'dependents went first');
  t.match(await run('create -f -', manifest), /created/);
  t.match(await run('rollout status deployment/web'), /successfully rolled out/);
  t.match(await run('delete deployment web --cascade=background'), /deployment.apps "web" deleted/);
  await eventually('its dependents follow', async () => (await count('rs')) + (await count('pods')) === 0);
}
