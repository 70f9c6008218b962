import t from 'tap';
import type { Test } from 'tap';
import { eventually } from '../../eventually.ts';
import { listKubectls } from '../../../kubectls.ts';
import { startCluster } from '../cluster.ts';
import type { TestCluster } from '../cluster.ts';
import { runner } from '../kubectl.ts';
import type { Run } from '../kubectl.ts';

const manifest = `
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: agent
  annotations: {kubernetes.io/change-cause: first}
spec:
  selector:
    matchLabels: {app: agent}
  template:
    metadata:
      labels: {app: agent}
    spec:
      containers:
      - {name: main, image: "agent:1"}
`;

for (const kubectl of listKubectls([27, 33])) {
  t.test(kubectl.version, async (t) => {
    const cluster = await startCluster(t);
    for (const name of ['node1', 'node2', 'node3']) await cluster.addNode(name);
    const run = runner(t, kubectl, cluster);
    await create(t, run);
    await rollOut(t, run);
    await followNodes(t, run, cluster);
    await remove(t, run);
  });
}

async function create(t: Test, run: Run): Promise<void> {
  t.match(await run('create -f -', manifest), /daemonset.apps\/agent created/);
  t.match(await run('rollout status ds/agent'), /daemon set "agent" successfully rolled out/);
  t.match(
    await run('get ds -o wide'),
    /^NAME +DESIRED +CURRENT +READY +UP-TO-DATE +AVAILABLE +NODE SELECTOR +AGE +CONTAINERS +IMAGES +SELECTOR\nagent +3 +3 +3 +3 +3 +<none> +\S+ +main +agent:1 +app=agent\n/,
  );
  const nodes = await run('get pods -l app=agent -o jsonpath={.items[*].spec.nodeName}');
  t.same(nodes.split(' ').sort(), ['node1', 'node2', 'node3']);
  t.match(await run('get all'), /\ndaemonset.apps\/agent +3 +3 +3 +3 +3 +<none> /);
  t.match(await run('get controllerrevisions'), /\nagent-\w+ +daemonset.apps\/agent +1 /);
  const described = await run('describe ds agent');
  for (const line of [
    /Desired Number of Nodes Scheduled: 3/,
    /Number of Nodes Scheduled with Up-to-date Pods: 3/,
    /Pods Status: +3 Running \/ 0 Waiting \/ 0 Succeeded \/ 0 Failed/,
    /SuccessfulCreate .* daemonset-controller +Created pod: agent-\w{5}/,
  ]) {
    t.match(described, line);
  }
  const pod = await run('describe pod -l app=agent');
  t.match(pod, /Controlled By: +DaemonSet\/agent/);
  t.match(pod, /node.kubernetes.io\/not-ready:NoExecute op=Exists/);
}

async function rollOut(t: Test, run: Run): Promise<void> {
  t.match(await run('set image ds/agent main=agent:2'), /daemonset.apps\/agent image updated/);
  t.match(await run('rollout status ds/agent'), /successfully rolled out/);
  t.equal(await images(run), 'agent:2 agent:2 agent:2');
  t.match(await run('rollout history ds/agent'), /REVISION +CHANGE-CAUSE\n1 +first\n2 +first\n/);
  t.match(await run('rollout history ds/agent --revision=1'), /Image:\s+agent:1\n/);
  t.match(await run('rollout undo ds/agent'), /daemonset.apps\/agent rolled back/);
  t.match(await run('rollout status ds/agent'), /successfully rolled out/);
  t.equal(await images(run), 'agent:1 agent:1 agent:1');
  t.match(await run('rollout history ds/agent'), /REVISION +CHANGE-CAUSE\n2 +first\n3 +first\n/);
  t.match(await run('rollout restart ds/agent'), /daemonset.apps\/agent restarted/);
  t.match(await run('rollout status ds/agent'), /successfully rolled out/);
}

function images(run: Run): Promise<string> {
  return run('get pods -l app=agent -o jsonpath={.items[*].spec.containers[*].image}');
}

async function followNodes(t: Test, run: Run, cluster: TestCluster): Promise<void> {
  const counts = async () => {
    const status = '{.status.desiredNumberScheduled}/{.status.numberReady}/{.status.numberMisscheduled}';
    return run(`get ds agent -o jsonpath=${status}`);
  };
  await cluster.addNode('node4');
  await eventually('a new node gets its pod', async () => (await counts()) === '4/4/0');
  t.match(await run('cordon node4'), /node\/node4 cordoned/);
  t.match(await run('delete pod -l app=agent --field-selector spec.nodeName=node4'), /deleted/);
  await eventually('a cordoned node gets its pod, too', async () => (await counts()) === '4/4/0');
  t.match(await run('taint node node4 maintenance=yes:NoExecute'), /node\/node4 tainted/);
  await eventually('an untolerated taint ends it', async () => (await counts()) === '3/3/0');
  t.match(await run('label node node1 disk=ssd'), /node\/node1 labeled/);
  const patch = '{"spec":{"template":{"spec":{"nodeSelector":{"disk":"ssd"}}}}}';
  t.match(await run(`patch ds agent -p ${patch}`), /daemonset.apps\/agent patched/);
  await eventually('only nodes that are selected have one', async () => (await counts()) === '1/1/0');
  t.match(await run('get ds agent'), /\nagent +1 +1 +1 +1 +1 +disk=ssd /);
}

async function remove(t: Test, run: Run): Promise<void> {
  t.match(await run('delete ds agent'), /daemonset.apps "agent" deleted/);
  await eventually('pods and revisions follow', async () => {
    return /No resources found/.test(await run('get pods,controllerrevisions'));
  });
}
