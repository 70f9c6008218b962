import t from 'tap';
import pino from 'pino';
import { ApiError } from '../../../api/client/api-error.ts';
import type { Event } from '../../../api/kinds/event.ts';
import { EventRecorder } from '../../../agent/pods/events.ts';
import { ConfirmedGone } from '../../../agent/pods/gone.ts';
import { PodError } from '../../../agent/pods/pod-error.ts';
import { describeStartFailure } from '../../../agent/pods/start-failure.ts';
import { FakeApi, makePod } from './fake-node.ts';

t.test('what users see of a container that cannot start', (test) => {
  const container = { name: 'main', image: 'who/knows' };
  const missing = new PodError('ImageNotFound', 'main', 'no such image: weft image add who/knows');
  const first = describeStartFailure(container, missing, undefined);
  test.match(first, {
    waiting: { reason: 'ErrImagePull', message: /weft image add/ },
    event: { reason: 'Failed' },
  });
  test.match(describeStartFailure(container, missing, first), {
    waiting: { reason: 'ImagePullBackOff', message: /Back-off pulling image "who\/knows".*weft image add/ },
    event: { reason: 'BackOff' },
  });
  const never = { ...container, imagePullPolicy: 'Never' };
  test.match(describeStartFailure(never, missing, first), { waiting: { reason: 'ErrImageNeverPull' } });
  const reasons: [unknown, string, string][] = [
    [new PodError('InvalidEnvironment', 'main', 'm'), 'CreateContainerConfigError', 'Failed'],
    [new PodError('UserNotFound', 'main', 'm'), 'CreateContainerConfigError', 'Failed'],
    [new PodError('RootFilesystem', 'main', 'm'), 'CreateContainerError', 'Failed'],
    [new PodError('InvalidVolume', 'main', 'm'), 'ContainerCreating', 'FailedMount'],
    [new ApiError('away', { code: 0, reason: 'Unreachable' }), 'ContainerCreating', 'FailedMount'],
  ];
  for (const [error, waiting, event] of reasons) {
    const failure = describeStartFailure(container, error, undefined);
    test.strictSame([failure.waiting.reason, failure.event.reason], [waiting, event]);
  }
  test.end();
});

t.test('proof that a pod is gone', async (test) => {
  const api = new FakeApi();
  const pod = makePod('web', {});
  const record = { uid: pod.metadata.uid ?? '', namespace: 'default', name: 'web' };
  const confirm = (): Promise<ConfirmedGone | undefined> =>
    ConfirmedGone.confirm(api.pods, api.client, 'node1', record);
  api.pods.put(pod);
  test.equal(await confirm(), undefined, 'it is in the cache');
  api.pods.objects.clear();
  api.pods.synced = false;
  test.equal(await confirm(), undefined, 'the cache is not synced');
  api.pods.synced = true;
  api.away = true;
  await test.rejects(async () => confirm(), { code: 0 }, 'the API does not answer');
  api.away = false;
  test.match(await confirm(), { uid: record.uid });
  const cache = Object.assign(Object.create(api.pods) as typeof api.pods, { get: () => undefined });
  api.pods.put(pod);
  test.equal(await ConfirmedGone.confirm(cache, api.client, 'node1', record), undefined, 'the API has it');
  test.ok(await ConfirmedGone.confirm(cache, api.client, 'node2', record), 'it is bound elsewhere');
});

t.test('Events: one object per message, repetitions are counted', async (test) => {
  const created: Event[] = [];
  const patched: unknown[] = [];
  const client = {
    create: (_resource: unknown, event: Event) => {
      created.push(event);
      return Promise.resolve(event);
    },
    patch: (_resource: unknown, name: unknown, patch: unknown) => {
      patched.push([name, patch]);
      return Promise.resolve({});
    },
  };
  const recorder = new EventRecorder(client as never, 'node1', pino({ level: 'silent' }));
  const pod = makePod('web', {});
  const event = {
    type: 'Normal',
    reason: 'Pulled',
    message: 'm',
    fieldPath: 'spec.containers{main}',
  } as const;
  for (let i = 0; i < 3; i += 1) recorder.record(pod, event);
  recorder.record(pod, { ...event, message: 'other' });
  await recorder.flush();
  test.equal(created.length, 2);
  test.match(created[0], {
    metadata: { namespace: 'default', name: /^web\.[0-9a-f]+$/ },
    involvedObject: { kind: 'Pod', name: 'web', uid: pod.metadata.uid, fieldPath: 'spec.containers{main}' },
    source: { component: 'weft', host: 'node1' },
    count: 1,
  });
  test.not(created[0]?.metadata.name, created[1]?.metadata.name);
  test.match(patched, [
    [{ name: created[0]?.metadata.name }, { count: 2 }],
    [{}, { count: 3 }],
  ]);
});
