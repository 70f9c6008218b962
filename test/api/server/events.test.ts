import t from 'tap';
import { events } from '../../../api/client/resources.ts';
import type { Event } from '../../../api/kinds/event.ts';
import type { Resource } from '../../../api/client/resource.ts';
import type { KubeObject } from '../../../api/kinds/meta.ts';
import { refusal, startServer } from './fixture.ts';

type View = KubeObject & Record<string, unknown>;

const views: Resource<View> = { group: 'events.k8s.io', version: 'v1', plural: 'events', namespaced: true };
const at = (name: string) => ({ namespace: 'default', name });

const regarding = { apiVersion: 'v1', kind: 'Pod', namespace: 'default', name: 'web', uid: 'u1' };

const newForm: View = {
  apiVersion: 'events.k8s.io/v1',
  kind: 'Event',
  metadata: { name: 'new', namespace: 'default' },
  eventTime: '2026-01-01T00:00:00.123456Z',
  reportingController: 'example.com/proxy',
  reportingInstance: 'proxy-1',
  action: 'Sync',
  reason: 'Synced',
  regarding,
  note: 'rules written',
  type: 'Normal',
};

const oldForm: Event = {
  metadata: { name: 'old', namespace: 'default' },
  involvedObject: { ...regarding, fieldPath: 'spec.containers{web}' },
  reason: 'Started',
  message: 'Started container',
  source: { component: 'kubelet', host: 'node1' },
  firstTimestamp: '2026-01-01T00:00:00Z',
  lastTimestamp: '2026-01-01T00:00:30Z',
  count: 3,
  type: 'Normal',
};

t.test('one Event under two names', async (t) => {
  const { client } = await startServer(t);
  const created = await client.create(views, newForm);
  t.match(created, newForm);
  const core = await client.get(events, at('new'));
  t.match(core, {
    apiVersion: 'v1',
    kind: 'Event',
    involvedObject: regarding,
    message: 'rules written',
    reportingComponent: 'example.com/proxy',
    eventTime: '2026-01-01T00:00:00.123456Z',
  });
  t.equal(core.metadata.uid, created.metadata.uid);
  t.equal(core.metadata.resourceVersion, created.metadata.resourceVersion);
  for (const field of ['note', 'regarding', 'reportingController']) t.notOk(field in core, field);

  await client.create(events, oldForm);
  const view = await client.get(views, at('old'));
  t.match(view, {
    apiVersion: 'events.k8s.io/v1',
    regarding: oldForm.involvedObject,
    note: 'Started container',
    deprecatedSource: { component: 'kubelet', host: 'node1' },
    deprecatedFirstTimestamp: '2026-01-01T00:00:00Z',
    deprecatedLastTimestamp: '2026-01-01T00:00:30Z',
    deprecatedCount: 3,
  });
  for (const field of ['message', 'involvedObject', 'source', 'count']) t.notOk(field in view, field);

  const names = async (resource: Resource<View>, fieldSelector: string) =>
    (await client.listAll(resource, { fieldSelector })).map(({ metadata }) => metadata.name);
  const cores = events as unknown as Resource<View>;
  t.same(await names(views, 'regarding.name=web'), ['new', 'old']);
  t.same(await names(cores, 'involvedObject.name=web'), ['new', 'old']);
  t.same(await names(views, 'reportingController=example.com/proxy'), ['new']);
  t.same(await names(views, 'regarding.fieldPath=spec.containers{web}'), ['old']);
  t.match(await refusal(t, names(views, 'involvedObject.name=web')), { code: 400 });
});

t.test('changes and deletions show in both', async (t) => {
  const { client } = await startServer(t);
  await client.create(views, newForm);
  const { metadata } = await client.list(events);
  const series = { count: 2, lastObservedTime: '2026-01-01T00:01:00.000000Z' };
  await client.patch(views, at('new'), { series }, 'strategic');
  t.match((await client.get(events, at('new'))).series, series);
  await client.patch(events, at('new'), { metadata: { labels: { seen: 'yes' } } }, 'merge');
  t.match((await client.get(views, at('new'))).metadata.labels, { seen: 'yes' });
  await client.delete(views, at('new'));

  const from = { resourceVersion: metadata.resourceVersion, timeoutSeconds: 1 };
  const seen: string[] = [];
  for await (const { type, object } of client.watch(views, from)) {
    seen.push(`${type} ${String(object['note'])} ${object.apiVersion ?? ''}`);
  }
  t.same(
    seen,
    ['MODIFIED', 'MODIFIED', 'DELETED'].map((type) => `${type} rules written events.k8s.io/v1`),
  );
  t.match(await refusal(t, client.get(events, at('new'))), { code: 404 });
});

const badViews: readonly [Partial<View>, string][] = [
  [{ eventTime: undefined }, 'eventTime: Required value'],
  [{ type: 'Odd' }, 'type: Invalid value: "": has invalid value: Odd'],
  [{ deprecatedCount: 1 }, 'count: Invalid value: "": needs to be unset'],
  [{ deprecatedSource: { host: 'a' } }, 'source: Invalid value: "": needs to be unset'],
  [{ reportingController: '' }, 'reportingController: Required value'],
  [{ reportingInstance: undefined }, 'reportingInstance: Required value'],
  [{ action: '' }, 'action: Required value'],
  [{ reason: 'r'.repeat(129) }, 'reason: Invalid value: "": can have at most 128 characters'],
  [{ note: 'n'.repeat(1025) }, 'message: Invalid value: "": can have at most 1024 characters'],
  [{ series: { count: 1, lastObservedTime: '2026-01-01T00:00:00.000000Z' } }, 'series.count: Invalid value'],
  [{ series: { count: 2 } }, 'series.lastObservedTime: Required value'],
];

t.test('the newer form asks for more', async (t) => {
  const { client } = await startServer(t);
  for (const [change, message] of badViews) {
    const refused = await refusal(t, client.create(views, { ...newForm, ...change }));
    t.equal(refused.code, 422);
    t.ok(refused.message.includes(message), refused.message);
  }
  await client.create(views, newForm);
  const changed = await refusal(t, client.patch(views, at('new'), { note: 'other' }, 'merge'));
  t.match(changed, { code: 422, message: /message: Invalid value: "other": field is immutable/ });
  await client.patch(events, at('new'), { message: 'other' }, 'merge');
  t.equal((await client.get(views, at('new')))['note'], 'other', 'the core group lets it');

  const misplaced = { ...oldForm, involvedObject: { ...regarding, namespace: 'elsewhere' } };
  t.match(await refusal(t, client.create(events, misplaced)), {
    message: /involvedObject.namespace: Invalid value: "elsewhere": does not match event.namespace/,
  });
});
