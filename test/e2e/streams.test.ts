/** exec, attach, logs, cp, port-forward and run, with real kubectls and the client library, in one lab. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { eventually } from '../api/eventually.ts';
import { listKubectls } from '../kubectls.ts';
import { diffMachineState, readMachineState } from '../../rig/residue.ts';
import { skipUnlessRoot } from '../root.ts';
import { TestLab } from './lab-fixture.ts';
import { checkCopy, checkExec, checkLogs, checkRun } from './streams/checks.ts';
import { checkForward, echoSlowly } from './streams/forward-checks.ts';
import { Kube } from './streams/kube.ts';
import { checkLibrary } from './streams/library-checks.ts';
import { lostPod, objects } from './streams/objects.ts';

const directory = mkdtempSync(join(tmpdir(), 'weft-streams-'));
t.teardown(() => rmSync(directory, { recursive: true, force: true }));

interface Status {
  readonly kubeconfig: string;
  readonly server: { readonly pid: number };
  readonly nodes: readonly { readonly pid: number }[];
}

if (skipUnlessRoot(t)) {
  const before = readMachineState();
  const lab = new TestLab('streams-test', 1);
  t.teardown(() => lab.down());
  const status = (): Status => JSON.parse(lab.run('status', '--output', 'json')) as Status;
  let kubes: Kube[] = [];

  t.test('lab up, and pods to reach into', async () => {
    await lab.up();
    const { kubeconfig } = status();
    // The oldest and the newest here: SPDY and WebSocket.
    const kubectls = listKubectls([33]).toSorted((a, b) => a.minor - b.minor);
    const chosen = [...new Set([kubectls.at(0), kubectls.at(-1)])].filter((each) => each !== undefined);
    kubes = chosen.map((kubectl) => new Kube(kubectl, kubeconfig, directory));
    const [kube] = kubes as [Kube];
    await kube.expect(['create', '-f', '-'], objects);
    for (const pods of ['app=shell', 'app=pair', 'app=echo', 'app=echod'])
      await kube.expect(['wait', '--for=condition=Ready', '--timeout=60s', 'pod', '-l', pods]);
    await kube.expect(['wait', '--for=condition=PodScheduled', '--timeout=60s', 'pod', 'steps']);
    const phase = ['get', 'pod', 'steps', '-o', 'jsonpath={.status.phase}'];
    await eventually('steps is over', async () => (await kube.expect(phase)) === 'Succeeded');
    const reason = ['-o', 'jsonpath={.status.containerStatuses[0].state.waiting.reason}'];
    await eventually(
      'crash has crashed',
      async () => (await kube.expect(['get', 'pod', 'crash', ...reason])) === 'CrashLoopBackOff',
    );
  });

  t.test('each kubectl', async (t) => {
    for (const kube of kubes)
      await t.test(`1.${kube.minor}`, async (t) => {
        for (const check of [checkExec, checkLogs, checkRun, checkCopy, checkForward])
          await t.test(check.name, (t) => check(t, kube));
        await t.test('a hundred megabytes each way', (t) => checkLarge(t, kube, status()));
      });
  });

  t.test('@kubernetes/client-node', (t) => checkLibrary(t, status().kubeconfig));

  t.test('pods that cannot be reached', async (t) => {
    const [kube] = kubes as [Kube];
    await kube.expect(['create', '-f', '-'], lostPod);
    for (const args of [
      ['logs', 'lost'],
      ['exec', 'lost', '--', 'true'],
    ])
      t.match(await kube.run(args), { stderr: /nodes "nowhere" not found/, code: 1 }, args.join(' '));
    const sessions = kubes.map((each) => each.start(['exec', 'shell', '--', 'sleep', '1000']));
    const follow = kube.start(['logs', '-f', 'shell']);
    await sleep(1_000);
    lab.run('kill', 'node1');
    for (const [index, { exitCode }] of sessions.entries()) {
      const code = await exitCode;
      // Over SPDY kubectl takes the end of the connection for that of the command.
      if ((kubes[index]?.minor ?? 0) > 30) t.not(code, 0, 'a session ends with its agent');
    }
    await follow.exitCode;
    for (const each of kubes) {
      for (const args of [
        ['logs', 'shell'],
        ['exec', 'shell', '--', 'true'],
      ])
        t.match(
          await each.run(args),
          { stderr: /error dialing node node1 at 172\.30\.0\.11:10250: .*ECONNREFUSED/, code: 1 },
          args.join(' '),
        );
    }
    lab.run('start', 'node1');
    await eventually(
      'the pod is reached again',
      async () => (await kube.run(['exec', 'shell', '--', 'true'])).code === 0,
    );
  });

  t.test('lab down leaves the machine as it was', (t) => {
    lab.down();
    t.same(diffMachineState(before, readMachineState()), []);
    t.end();
  });
}

/** Less than what is sent: whoever holds in memory what a reader does not take grows by all of it. */
const mostGrowthBytes = 90e6;

async function checkLarge(t: Test, kube: Kube, { server, nodes }: Status): Promise<void> {
  const bytes = randomBytes(100_000_000);
  const expected = createHash('sha256').update(bytes).digest('hex');
  const file = join(directory, 'large');
  writeFileSync(file, bytes);
  const pids = [server.pid, ...nodes.map(({ pid }) => pid)];
  // Readers stand still for a moment, so that whatever does not wait for them fills up.
  const pause = (): Promise<void> => sleep(1_500);

  const ways: [string, () => Promise<string>][] = [
    [
      'into exec',
      async () => {
        const { output, exitCode } = kube.start(
          ['exec', '-i', 'shell', '--', 'sh', '-c', 'sleep 1.5; cat >/tmp/large; sha256sum </tmp/large'],
          openSync(file, 'r'),
        );
        const sum = await readText(output);
        t.equal(await exitCode, 0);
        return sum.slice(0, 64);
      },
    ],
    [
      'out of exec',
      async () => {
        const { output } = kube.start(['exec', 'shell', '--', 'cat', '/tmp/large']);
        await pause();
        const hash = createHash('sha256');
        for await (const chunk of output) hash.update(chunk as Buffer);
        return hash.digest('hex');
      },
    ],
    [
      'cp there and back',
      async () => {
        await kube.expect(['cp', file, 'shell:/tmp/copied']);
        await kube.expect(['cp', 'shell:/tmp/copied', `${file}-back`]);
        await kube.expect(['exec', 'shell', '--', 'rm', '/tmp/copied', '/tmp/large']);
        return createHash('sha256')
          .update(readFileSync(`${file}-back`))
          .digest('hex');
      },
    ],
    ['port-forward', () => echoSlowly(t, kube, bytes, pause)],
  ];
  // The first bytes that pass make both grow once, whatever comes after them.
  await echoSlowly(t, kube, bytes.subarray(0, bytes.length / 2), () => Promise.resolve());
  for (const [way, transfer] of ways) {
    const before = pids.map((pid) => readMemory(pid, 'VmRSS'));
    // proc(5): sets the peak back to what is held now.
    for (const pid of pids) writeFileSync(`/proc/${pid}/clear_refs`, '5');
    t.equal(await transfer(), expected, `${way}: unharmed`);
    const growth = pids.map((pid, index) => readMemory(pid, 'VmHWM') - (before[index] ?? 0));
    t.ok(
      Math.max(...growth) < mostGrowthBytes,
      `${way}: server and agent grew by ${growth.map((each) => Math.round(each / 1e6)).join(' and ')} MB at most`,
    );
  }
}

function readMemory(pid: number, line: 'VmRSS' | 'VmHWM'): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(new RegExp(`${line}:\\s+(\\d+) kB`).exec(status)?.[1]) * 1024;
}

async function readText(stream: AsyncIterable<unknown>): Promise<string> {
  let text = '';
  for await (const chunk of stream) text += String(chunk);
  return text;
}
