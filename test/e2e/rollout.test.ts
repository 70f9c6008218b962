/** A Deployment goes from one image to another, a DaemonSet to every node, and nobody who uses them notices. */
import t, { type Test } from 'tap';
import { eventually, type LabShell } from '../../scripts/guide/lab-shell.ts';
import { diffMachineState, readMachineState } from '../../rig/residue.ts';
import { skipUnlessRoot } from '../root.ts';
import { listKubectls, type Kubectl } from '../kubectls.ts';
import { TestLab, weft } from './lab-fixture.ts';

/** A web server that says which image it is, and serves on for a moment when it is told to end. */
function serve(image: string): string {
  return [
    `mkdir -p /www; echo ${image} >/www/index.html`,
    'busybox httpd -f -p 80 -h /www & trap "sleep 2; kill $!; exit 0" TERM',
    'wait',
  ].join('; ');
}

const deployment = JSON.stringify({
  spec: {
    strategy: { rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
    template: {
      spec: {
        containers: [{ name: 'web', readinessProbe: { httpGet: { path: '/', port: 80 }, periodSeconds: 1 } }],
      },
    },
  },
});

if (skipUnlessRoot(t)) {
  const before = readMachineState();
  const lab = new TestLab('rollout-test', 3);
  const [kubectl] = listKubectls([33]).slice(-1) as [Kubectl];
  const shell = lab.shell(kubectl);

  t.test('lab up, with two images on every node', async () => {
    await lab.up();
    const add = (node: string, image: string): Promise<string> =>
      shell.onNode(node, weft, 'image', 'add', image, '--host-root', '--', 'sh', '-c', serve(image));
    for (const image of ['web:1', 'web:2']) await Promise.all(lab.nodes.map((node) => add(node, image)));
  });

  t.test('a rollout while somebody reads all the time', async (t) => {
    await shell.kubectl('create', 'deployment', 'web', '--image=web:1', '--replicas=3');
    await shell.kubectl('patch', 'deployment', 'web', '-p', deployment);
    await shell.kubectl('rollout', 'status', 'deployment/web', '--timeout=90s');
    const nodes = await shell.kubectl(
      'get',
      'pods',
      '-l',
      'app=web',
      '-o',
      'jsonpath={.items[*].spec.nodeName}',
    );
    t.same(new Set(nodes.split(' ')), new Set(lab.nodes), 'on every node one');
    await shell.kubectl('expose', 'deployment', 'web', '--port=80');
    const address = await shell.kubectl('get', 'svc', 'web', '-o', 'jsonpath={.spec.clusterIP}');
    await eventually(() => shell.onNode('node3', 'curl', '-sS', '--max-time', '2', `http://${address}/`));

    let isDone = false;
    const reading = readUntil(shell, address, () => isDone);
    await shell.kubectl('set', 'image', 'deployment/web', 'web=web:2');
    const status = await shell.kubectl('rollout', 'status', 'deployment/web', '--timeout=90s');
    t.match(status, /successfully rolled out/);
    await eventually(async () => {
      const left = await shell.pods('-l', 'app=web');
      if (left.length !== 3) throw new Error(`${left.length} pods are left`);
    });
    isDone = true;
    const answers = await reading;
    t.same([...new Set(answers)].sort(), ['web:1', 'web:2'], `${answers.length} answers, all good`);
    t.equal(answers.at(-1), 'web:2');
  });

  t.test('a DaemonSet has its pod on every node, and ends with it', async (t) => {
    await daemons(t, shell, lab.nodes);
  });

  t.test('lab down leaves the machine as it was', (t) => {
    lab.down();
    t.same(diffMachineState(before, readMachineState()), []);
    t.end();
  });
}

/** Reads the page from a node, over and over, until told to stop, and once more then. */
async function readUntil(shell: LabShell, address: string, isDone: () => boolean): Promise<string[]> {
  const once = `curl -sS --max-time 2 http://${address}/ 2>&1 || echo failed`;
  const answers: string[] = [];
  for (let stop = false; !stop;) {
    stop = isDone();
    const output = await shell.onNode('node3', 'sh', '-c', `for i in $(seq 20); do ${once}; done`);
    answers.push(...output.trim().split('\n'));
  }
  return answers;
}

async function daemons(t: Test, shell: LabShell, nodes: readonly string[]): Promise<void> {
  const labels = { app: 'probe' };
  const object = {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { name: 'probe' },
    spec: {
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'probe', image: 'web:1' }] } },
    },
  };
  const directory = t.testdir({ 'daemon-set.json': JSON.stringify(object) });
  await shell.kubectl('create', '-f', `${directory}/daemon-set.json`);
  t.match(await shell.kubectl('rollout', 'status', 'ds/probe', '--timeout=90s'), /successfully rolled out/);
  const pods = await shell.pods('-l', 'app=probe');
  t.same(pods.map(({ spec }) => spec.nodeName).sort(), nodes);
  for (const { status } of pods) {
    t.equal((await shell.onNode('node1', 'curl', '-sS', `http://${status?.podIP}/`)).trim(), 'web:1');
  }
  await shell.kubectl('delete', 'ds', 'probe', '--cascade=foreground');
  t.same(await shell.pods('-l', 'app=probe'), []);
}
