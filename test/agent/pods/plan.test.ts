import t from 'tap';
import { nextBackOffMs, restartDelayMs } from '../../../agent/pods/back-off.ts';
import { planPod } from '../../../agent/pods/plan.ts';
import type { PlanInput } from '../../../agent/pods/plan.ts';
import { evaluateProbe, probeSettings } from '../../../agent/pods/probe.ts';
import type { ProbeStreak } from '../../../agent/pods/probe.ts';
import type { ContainerRecord } from '../../../agent/pods/record.ts';
import type { Pod } from '../../../api/kinds/pod.ts';
import { makePod } from './fake-node.ts';

const now = Date.parse('2026-01-01T12:00:00Z');
const secondsAgo = (seconds: number): string => new Date(now - seconds * 1000).toISOString();

function makeRun(name: string, more: Partial<ContainerRecord> = {}): ContainerRecord {
  return {
    name,
    id: `${name}-id`,
    attempt: 0,
    image: 'host',
    imageName: 'host',
    process: { pid: 1, startTicks: '1' },
    startedAt: secondsAgo(20),
    backOffMs: 0,
    ready: true,
    started: true,
    ...more,
  };
}

function ended(exitCode: number, agoSeconds = 0, ranSeconds = 5): Partial<ContainerRecord> {
  const startedAt = secondsAgo(agoSeconds + ranSeconds);
  const finishedAt = secondsAgo(agoSeconds);
  return {
    startedAt,
    termination: { id: 'x', exitCode, reason: 'Error', message: '', startedAt, finishedAt },
  };
}

/** What is planned, one word per step, and why containers wait. */
function plan(pod: Pod, runs: ContainerRecord[], more: Partial<PlanInput> = {}) {
  const result = planPod({
    pod,
    containers: Object.fromEntries(runs.map((run) => [run.name, run])),
    now,
    ending: undefined,
    unhealthy: new Map(),
    deadlines: new Map(),
    failures: new Map(),
    ...more,
  });
  const steps = result.steps.map((step) =>
    step.type === 'start' ? `start ${step.container.name} ${step.attempt}` : `${step.type} ${step.container}`,
  );
  const waiting = Object.fromEntries([...result.waiting].map(([name, { reason }]) => [name, reason]));
  const seconds = (result.lookAgainAt - now) / 1000;
  return { steps, waiting, lookAgainIn: seconds === Infinity ? undefined : seconds };
}

const idle = { steps: [], waiting: {}, lookAgainIn: undefined };
const pod = makePod('web', {});

t.test('a container starts once, and running means nothing to do', (test) => {
  test.strictSame(plan(pod, []), { ...idle, steps: ['start main 0'] });
  test.strictSame(plan(pod, [makeRun('main')]), idle);
  test.end();
});

t.test('restart policy and back-off', (test) => {
  const crashed = (more: Partial<ContainerRecord>): ContainerRecord =>
    makeRun('main', { ...ended(1), ...more });
  test.strictSame(plan(pod, [crashed({})]).steps, ['start main 1'], 'the first time at once');
  test.strictSame(plan(pod, [crashed({ backOffMs: 10_000, attempt: 1 })]), {
    steps: [],
    waiting: { main: 'CrashLoopBackOff' },
    lookAgainIn: 10,
  });
  test.strictSame(plan(pod, [crashed({ backOffMs: 10_000, attempt: 1, ...ended(1, 10) })]).steps, [
    'start main 2',
  ]);
  test.strictSame(
    plan(pod, [crashed({ backOffMs: 300_000, attempt: 8, ...ended(1, 0, 600) })]).steps,
    ['start main 9'],
    'ten minutes of running are forgiven',
  );
  for (const [policy, exitCode, restarts] of [
    ['Always', 0, true],
    ['OnFailure', 0, false],
    ['OnFailure', 1, true],
    ['Never', 1, false],
  ] as const) {
    const other = makePod('web', {}, { restartPolicy: policy });
    const { steps } = plan(other, [makeRun('main', ended(exitCode))]);
    test.equal(steps.length === 1, restarts, `${policy} ${exitCode}`);
  }
  test.end();
});

t.test('back-off doubles from 10 s to 5 min', (test) => {
  const delays: number[] = [];
  for (let delay = 0; delays.length < 8; delays.push(delay)) delay = nextBackOffMs(delay, 1000);
  test.strictSame(
    delays.map((ms) => ms / 1000),
    [10, 20, 40, 80, 160, 300, 300, 300],
  );
  test.equal(nextBackOffMs(300_000, 600_000), 10_000);
  test.equal(restartDelayMs(40_000, 599_999), 40_000);
  test.equal(restartDelayMs(40_000, 600_000), 0);
  test.end();
});

t.test('init containers: one after the other, then the others', (test) => {
  const staged = makePod(
    'web',
    {},
    {
      initContainers: [
        { name: 'one', image: 'host' },
        { name: 'two', image: 'host' },
      ],
    },
  );
  const initializing = { two: 'PodInitializing', main: 'PodInitializing' };
  test.strictSame(plan(staged, []), { ...idle, steps: ['start one 0'], waiting: initializing });
  test.strictSame(plan(staged, [makeRun('one')]), { ...idle, waiting: initializing });
  const one = makeRun('one', ended(0));
  test.strictSame(plan(staged, [one]).steps, ['start two 0']);
  test.strictSame(plan(staged, [one, makeRun('two', ended(0))]).steps, ['start main 0']);
  test.strictSame(plan(staged, [one, makeRun('two', ended(1))]).steps, ['start two 1'], 'failed: again');
  const never = { ...staged, spec: { ...staged.spec, restartPolicy: 'Never' } };
  test.strictSame(plan(never, [one, makeRun('two', ended(1))]).steps, [], 'failed for good');
  test.strictSame(plan(staged, [makeRun('main')]).steps, [], 'initialized once is initialized');
  test.end();
});

t.test('what could not be started waits for its retry', (test) => {
  const waiting = { reason: 'ErrImagePull' };
  const failures = (seconds: number): Partial<PlanInput> => ({
    failures: new Map([['main', { waiting, retryAt: now + seconds * 1000 }]]),
  });
  test.strictSame(plan(pod, [], failures(3)), {
    steps: [],
    waiting: { main: 'ErrImagePull' },
    lookAgainIn: 3,
  });
  test.strictSame(plan(pod, [], failures(0)).steps, ['start main 0']);
  test.end();
});

t.test('ending: stop, wait, kill', (test) => {
  const runs = [makeRun('main'), makeRun('done', ended(0))];
  const ending = { why: 'Stopping container', graceMs: 30_000 };
  const deadline = (seconds: number): Partial<PlanInput> => ({
    ending,
    deadlines: new Map([['main', now + seconds * 1000]]),
  });
  test.strictSame(plan(pod, runs, { ending }).steps, ['stop main']);
  test.strictSame(plan(pod, runs, deadline(4)), { ...idle, lookAgainIn: 4 });
  test.strictSame(plan(pod, runs, deadline(0)).steps, ['kill main']);
  const forced = { ...deadline(20), ending: { ...ending, graceMs: 0 } };
  test.strictSame(plan(pod, runs, forced).steps, ['kill main'], 'a forced deletion does not wait');
  test.strictSame(plan(pod, [makeRun('main', ended(1))], { ending }), idle, 'nothing restarts');
  test.strictSame(plan(pod, [], { ending }), idle, 'nothing starts');
  test.strictSame(plan(pod, [makeRun('main')], { unhealthy: new Map([['main', 'x']]) }).steps, ['stop main']);
  test.end();
});

t.test('probe thresholds', (test) => {
  const settings = probeSettings({ successThreshold: 2, failureThreshold: 3 });
  let streak: ProbeStreak | undefined;
  const verdicts = [false, false, true, false, false, false, false, true, true].map((success) => {
    const result = evaluateProbe(settings, streak, success);
    ({ streak } = result);
    return result.verdict;
  });
  const [none] = [undefined];
  test.strictSame(verdicts, [none, none, none, none, none, false, false, none, true]);
  test.strictSame(probeSettings({}), {
    initialDelayMs: 0,
    periodMs: 10_000,
    timeoutMs: 1000,
    successThreshold: 1,
    failureThreshold: 3,
  });
  test.end();
});
