/**
 * The guide, command by command, with real kubectls: as docs/guide/README.md types it, then chapter by chapter with
 * every promise looked at from all sides, and that again after each thing that may break. One lab serves all.
 */
import { execFile } from 'node:child_process';
import t, { type Test } from 'tap';
import { eventually } from '../../scripts/guide/lab-shell.ts';
import { serviceOf, type GuideCheck, type WalkState } from '../../scripts/guide/check.ts';
import { httpOrigin } from '../../scripts/guide/requests.ts';
import { clearGuide, lookingChecks } from '../../scripts/guide/walk.ts';
import { diffMachineState, readMachineState } from '../../rig/residue.ts';
import { skipUnlessRoot } from '../root.ts';
import { listKubectls, type Kubectl } from '../kubectls.ts';
import { TestLab, walkGuide, weft } from './lab-fixture.ts';
import { typeGuide } from './typist.ts';

if (skipUnlessRoot(t)) {
  const before = readMachineState();
  const lab = new TestLab('transcript-test', 3);
  const kubectls = listKubectls();
  const [first, last = first] = kubectls as [Kubectl, Kubectl?];
  let walk: WalkState;

  t.test('lab up', async (t) => {
    await lab.up();
    t.match(lab.run('status'), /node1.*Ready/);
  });

  for (const kubectl of kubectls) {
    t.test(`the guide's document with kubectl ${kubectl.version}`, async (t) => {
      await clearGuide(lab.shell(kubectl));
      await typeGuide(t, lab, kubectl);
    });
  }

  t.test(`the guide's promises with kubectl ${first.version}`, async (t) => {
    walk = await walkGuide(t, lab.shell(first), lab.nodes);
  });

  t.test('an agent killed with -9 and started again: open connections never stop', async (t) => {
    const download = await startDownload(lab, walk);
    const node = walk.pods[0]?.spec.nodeName ?? '';
    lab.run('kill', node);
    // The rules and links stand without the agent.
    await looks(t, walk, ({ name }) => /^(each|every) node reaches/.test(name));
    lab.run('start', node);
    await looks(t, walk);
    t.equal(await download.bytes, downloadBytes, 'the download that was open all the time is whole');
  });

  t.test('the server stopped and started again', async (t) => {
    const objects = [
      'get',
      'rc,svc,pods,nodes,secrets,configmaps',
      '-A',
      '-o',
      'jsonpath={range .items[*]}{.metadata.uid}{"\\n"}{end}',
    ];
    const uids = (await walk.shell.kubectl(...objects)).split('\n').sort();
    lab.run('stop', 'server');
    const [pod] = walk.pods;
    t.match(
      await walk.shell.onNode('node3', 'curl', '-sS', '--max-time', '5', httpOrigin(serviceOf(walk))),
      /Welcome to nginx!/,
      `the Service of ${pod?.metadata.name} works without a server`,
    );
    lab.run('start', 'server');
    await eventually(() => walk.shell.kubectl('get', 'nodes'));
    t.same(
      (await walk.shell.kubectl(...objects)).split('\n').sort(),
      uids,
      'every object is there, none is new',
    );
    await looks(t, walk);
  });

  t.test(`lab down, lab up: the guide's promises with nftables and kubectl ${last.version}`, async (t) => {
    lab.run('down');
    await lab.up('--backend', 'nftables');
    await walkGuide(t, lab.shell(last), lab.nodes);
  });

  t.test('lab down leaves the machine as it was', (t) => {
    lab.down();
    t.same(diffMachineState(before, readMachineState()), []);
    t.end();
  });
}

/** Many times what fits into socket buffers, so that packets go back and forth all the time. */
const downloadBytes = 60_000_000;

/** The checks of the walk that only look, all or some of them. */
async function looks(
  t: Test,
  walk: WalkState,
  select: (check: GuideCheck) => boolean = () => true,
): Promise<void> {
  const look = async (check: GuideCheck): Promise<void> => {
    t.pass(`${check.name}: ${await eventually(() => check.run(walk))}`);
  };
  await Promise.all(lookingChecks.filter(select).map(look));
}

/**
 * Starts a slow download from an nginx pod to a node, through the cluster address, that takes about 20 s and
 * gives up when it stands still for 3 s. `bytes` resolves with what it got.
 */
async function startDownload(lab: TestLab, walk: WalkState): Promise<{ bytes: Promise<number> }> {
  for (const { metadata } of walk.pods) {
    const large = `head -c ${downloadBytes} /dev/zero > /usr/share/nginx/html/large`;
    await walk.shell.inPod(metadata.name, 'sh', '-c', large);
  }
  const pace = ['--limit-rate', '3M', '--speed-limit', '1', '--speed-time', '3'];
  const curl = [
    'curl',
    '-sS',
    '-o',
    '/dev/null',
    '-w',
    '%{size_download}',
    ...pace,
    `${httpOrigin(serviceOf(walk))}/large`,
  ];
  const bytes = new Promise<number>((resolve, reject) => {
    execFile(weft, ['lab', '--name', lab.name, 'exec', 'node3', '--', ...curl], (error, stdout, stderr) => {
      if (error) reject(new Error(stderr, { cause: error }));
      else resolve(Number(stdout));
    });
  });
  await eventually(async () => {
    const sockets = await walk.shell.onNode(
      'node3',
      'ss',
      '-tnH',
      'state',
      'established',
      'dst',
      serviceOf(walk).spec.clusterIP ?? '?',
    );
    if (sockets.trim() === '') throw new Error('the download has not begun');
  });
  return { bytes };
}
