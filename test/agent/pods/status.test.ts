import t from 'tap';
import type { ContainerRecord, PodRecord } from '../../../agent/pods/record.ts';
import { podStatus } from '../../../agent/pods/status.ts';
import type { Waiting } from '../../../agent/pods/status.ts';
import { podCells } from '../../../api/kinds/pod-columns.ts';
import type { Pod } from '../../../api/kinds/pod.ts';
import type { PodStatus } from '../../../api/kinds/pod-status.ts';
import { makePod } from './fake-node.ts';

const now = '2026-01-01T12:00:00Z';
const earlier = '2026-01-01T11:00:00Z';

const running: ContainerRecord = {
  name: 'main',
  id: 'aa',
  attempt: 0,
  image: 'host',
  imageName: 'docker.io/library/host:latest',
  process: { pid: 1, startTicks: '1' },
  startedAt: '2026-01-01T11:30:00.123Z',
  backOffMs: 0,
  ready: true,
  started: true,
};

function ended(exitCode: number): ContainerRecord {
  const termination = {
    id: 'aa',
    exitCode,
    reason: exitCode === 0 ? 'Completed' : 'Error',
    message: '',
    startedAt: '2026-01-01T11:30:00.123Z',
    finishedAt: '2026-01-01T11:40:00.456Z',
  };
  return { ...running, ready: false, termination };
}

function statusOf(pod: Pod, run: ContainerRecord | undefined, waiting?: Waiting): PodStatus {
  const record: PodRecord = {
    uid: 'u',
    namespace: 'default',
    name: 'web',
    bootId: 'b',
    startTime: earlier,
    ips: ['10.244.1.2', 'fd00::2'],
    serviceEnvironment: {},
    containers: run ? { main: run } : {},
  };
  const all = new Map(waiting ? [['main', waiting]] : []);
  return podStatus(pod, { record, waiting: all, hostIPs: ['192.0.2.11'] }, now);
}

function conditionsOf(status: PodStatus): Record<string, string> {
  return Object.fromEntries((status.conditions ?? []).map(({ type, status: value }) => [type, value]));
}

t.test('a running pod', (test) => {
  const status = statusOf(makePod('web', {}), running);
  test.match(status, {
    phase: 'Running',
    hostIP: '192.0.2.11',
    podIP: '10.244.1.2',
    podIPs: [{ ip: '10.244.1.2' }, { ip: 'fd00::2' }],
    startTime: earlier,
    qosClass: 'BestEffort',
  });
  test.strictSame(status.containerStatuses, [
    {
      name: 'main',
      state: { running: { startedAt: '2026-01-01T11:30:00Z' } },
      lastState: {},
      ready: true,
      restartCount: 0,
      image: 'host',
      imageID: 'docker.io/library/host:latest',
      containerID: 'weft://aa',
      started: true,
    },
  ]);
  test.strictSame(conditionsOf(status), {
    PodReadyToStartContainers: 'True',
    Initialized: 'True',
    Ready: 'True',
    ContainersReady: 'True',
    PodScheduled: 'True',
  });
  test.end();
});

t.test('a pod that is being made', (test) => {
  const status = statusOf(makePod('web', {}), undefined);
  test.match(status, {
    phase: 'Pending',
    containerStatuses: [{ state: { waiting: { reason: 'ContainerCreating' } }, ready: false }],
  });
  const ready = status.conditions?.find(({ type }) => type === 'Ready');
  test.match(ready, { reason: 'ContainersNotReady', message: 'containers with unready status: [main]' });
  test.end();
});

t.test('an init container that is being made counts as one of them', (test) => {
  const pod = makePod('web', {}, { initContainers: [{ name: 'init', image: 'host' }] });
  const creating = { reason: 'ContainerCreating', message: 'secret "x" not found' };
  for (const waiting of [undefined, creating]) {
    const status = statusOf(pod, undefined, waiting);
    test.match(status.initContainerStatuses, [{ state: { waiting: { reason: 'PodInitializing' } } }]);
    test.match(status.containerStatuses, [{ state: { waiting: { reason: 'PodInitializing' } } }]);
    test.equal(podCells({ ...pod, status }, 0)[2], 'Init:0/1');
  }
  test.end();
});

t.test('a program that could not be started has times that can be read', (test) => {
  const { termination, ...run } = ended(128);
  const { startedAt, ...end } = { ...termination, id: 'aa', reason: 'StartError' };
  const status = statusOf(makePod('web', {}), { ...run, termination: end } as ContainerRecord);
  test.not(startedAt, undefined);
  test.match(status.containerStatuses, [
    { state: { terminated: { reason: 'StartError', startedAt: '1970-01-01T00:00:00Z' } } },
  ]);
  test.end();
});

t.test('phases by restart policy and exit code', (test) => {
  const phases = (policy: string, run: ContainerRecord, waiting?: Waiting): string | undefined =>
    statusOf(makePod('web', {}, { restartPolicy: policy }), run, waiting).phase;
  const backOff = { reason: 'CrashLoopBackOff' };
  test.equal(phases('Always', ended(1), backOff), 'Running');
  test.equal(phases('Always', ended(0)), 'Running');
  test.equal(phases('OnFailure', ended(0)), 'Succeeded');
  test.equal(phases('OnFailure', ended(1), backOff), 'Running');
  test.equal(phases('Never', ended(0)), 'Succeeded');
  test.equal(phases('Never', ended(1)), 'Failed');
  test.end();
});

t.test('a crash loop shows what happened last', (test) => {
  const status = statusOf(
    makePod('web', {}),
    { ...ended(7), attempt: 3 },
    { reason: 'CrashLoopBackOff', message: 'm' },
  );
  test.match(status.containerStatuses, [
    {
      restartCount: 3,
      state: { waiting: { reason: 'CrashLoopBackOff', message: 'm' } },
      lastState: { terminated: { exitCode: 7, finishedAt: '2026-01-01T11:40:00Z' } },
    },
  ]);
  const { conditions = [] } = statusOf(makePod('web', {}, { restartPolicy: 'Never' }), ended(0));
  test.match(
    conditions.find(({ type }) => type === 'Ready'),
    { status: 'False', reason: 'PodCompleted' },
  );
  test.end();
});

t.test('transition times move only with the status; conditions of others stay', (test) => {
  const pod = makePod('web', {});
  pod.status = {
    conditions: [
      { type: 'Ready', status: 'True', lastTransitionTime: earlier },
      { type: 'ContainersReady', status: 'False', lastTransitionTime: earlier, reason: 'x' },
      { type: 'example.org/gate', status: 'True', lastTransitionTime: earlier },
    ],
  };
  const { conditions = [] } = statusOf(pod, running);
  const find = (type: string): unknown => conditions.find((condition) => condition.type === type);
  test.strictSame(find('Ready'), { type: 'Ready', status: 'True', lastTransitionTime: earlier });
  test.strictSame(find('ContainersReady'), {
    type: 'ContainersReady',
    status: 'True',
    lastTransitionTime: now,
  });
  test.strictSame(find('example.org/gate'), pod.status.conditions?.[2]);
  test.end();
});

t.test('readiness gates', (test) => {
  const pod = makePod('web', {}, { readinessGates: [{ conditionType: 'example.org/gate' }] });
  test.match(conditionsOf(statusOf(pod, running)), { ContainersReady: 'True', Ready: 'False' });
  pod.status = { conditions: [{ type: 'example.org/gate', status: 'True' }] };
  test.match(conditionsOf(statusOf(pod, running)), { ContainersReady: 'True', Ready: 'True' });
  test.end();
});

t.test('init containers keep the pod pending until they are through', (test) => {
  const pod = makePod('web', {}, { initContainers: [{ name: 'init', image: 'host' }] });
  const status = statusOf(pod, undefined, { reason: 'PodInitializing' });
  test.equal(status.phase, 'Pending');
  test.match(
    status.conditions?.find(({ type }) => type === 'Initialized'),
    {
      status: 'False',
      reason: 'ContainersNotInitialized',
      message: 'containers with incomplete status: [init]',
    },
  );
  test.end();
});
