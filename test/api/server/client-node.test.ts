/* eslint-disable @typescript-eslint/no-unsafe-class-instance-assignment -- the library's classes are meant as shapes */
import {
  AppsV1Api,
  CoreV1Api,
  KubeConfig,
  makeInformer,
  PatchStrategy,
  setHeaderOptions,
  type Informer,
  type V1ConfigMap,
} from '@kubernetes/client-node';
import t from 'tap';
import { eventually } from '../eventually.ts';
import { startServer, type Fixture } from './fixture.ts';

/** The Kubernetes project's own client library for Node, as it stands. */
function configOf({ server }: Fixture): KubeConfig {
  const config = new KubeConfig();
  config.loadFromFile(server.adminKubeconfigPath);
  return config;
}

const namespace = 'default';
const configMap = (name: string, data: Record<string, string> = {}) => ({ metadata: { name }, data });

t.test('creates, reads, lists in pages, patches in four languages, deletes', async (t) => {
  const config = configOf(await startServer(t));
  const core = config.makeApiClient(CoreV1Api);
  const made = await core.createNamespacedConfigMap({ namespace, body: configMap('a', { k: '1' }) });
  t.ok(made.metadata?.creationTimestamp instanceof Date, 'times are times');
  await core.createNamespacedConfigMap({ namespace, body: configMap('b') });
  const page = await core.listNamespacedConfigMap({
    namespace,
    limit: 1,
    fieldSelector: 'metadata.name!=kube-root-ca.crt',
  });
  const rest = await core.listNamespacedConfigMap({
    namespace,
    limit: 1,
    fieldSelector: 'metadata.name!=kube-root-ca.crt',
    _continue: page.metadata?._continue ?? '',
  });
  t.same(
    [...page.items, ...rest.items].map(({ metadata }) => metadata?.name),
    ['a', 'b'],
  );

  const patch = (strategy: string, body: object, force = false) =>
    core.patchNamespacedConfigMap(
      { name: 'a', namespace, body, fieldManager: 'library', ...(force ? { force } : {}) },
      setHeaderOptions('Content-Type', strategy),
    );
  t.same((await patch(PatchStrategy.MergePatch, { data: { k: null, m: '2' } })).data, { m: '2' });
  t.same((await patch(PatchStrategy.StrategicMergePatch, { data: { s: '3' } })).data, { m: '2', s: '3' });
  t.same((await patch(PatchStrategy.JsonPatch, [{ op: 'remove', path: '/data/m' }])).data, { s: '3' });
  const applied = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' }, data: { s: '4' } };
  t.same((await patch(PatchStrategy.ServerSideApply, applied, true)).data, { s: '4' });

  await t.rejects(core.createNamespacedConfigMap({ namespace, body: configMap('a') }), { code: 409 });
  await core.deleteNamespacedConfigMap({ name: 'a', namespace });
  await t.rejects(core.readNamespacedConfigMap({ name: 'a', namespace }), { code: 404 });
});

t.test('a Deployment with its scale and status', async (t) => {
  const apps = configOf(await startServer(t)).makeApiClient(AppsV1Api);
  const labels = { app: 'web' };
  const spec = { containers: [{ name: 'web', image: 'nginx', ports: [{ containerPort: 80 }] }] };
  const body = {
    metadata: { name: 'web' },
    spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec } },
  };
  const made = await apps.createNamespacedDeployment({ namespace, body });
  t.equal(made.spec?.replicas, 1);
  t.equal(made.spec?.strategy?.rollingUpdate?.maxSurge, '25%');
  const scale = await apps.readNamespacedDeploymentScale({ name: 'web', namespace });
  const scaled = await apps.replaceNamespacedDeploymentScale({
    name: 'web',
    namespace,
    body: { metadata: scale.metadata ?? {}, spec: { replicas: 0 } },
  });
  t.equal(scaled.spec?.replicas, 0);
  const read = await apps.readNamespacedDeploymentStatus({ name: 'web', namespace });
  t.equal(read.spec?.replicas, 0, 'a zero is a value');
});

/** What an informer told, in order. */
class Told {
  readonly events: string[] = [];
  connects = 0;

  constructor(informer: Informer<V1ConfigMap>) {
    const note = (what: string) => (object: V1ConfigMap) => {
      const name = object.metadata?.name ?? '';
      if (name !== 'kube-root-ca.crt') this.events.push(`${what} ${name} ${object.data?.['k'] ?? ''}`.trim());
    };
    informer.on('add', note('add'));
    informer.on('update', note('update'));
    informer.on('delete', note('delete'));
    informer.on('connect', () => (this.connects += 1));
  }
}

t.test('the informer tells every change once, also over watches that the server ends', async (t) => {
  const config = configOf(await startServer(t));
  const core = config.makeApiClient(CoreV1Api);
  await core.createNamespacedConfigMap({ namespace, body: configMap('old', { k: '0' }) });
  const path = `/api/v1/namespaces/${namespace}/configmaps?timeoutSeconds=1`;
  const informer = makeInformer(config, path, () => core.listNamespacedConfigMap({ namespace }));
  const told = new Told(informer);
  const errors: unknown[] = [];
  informer.on('error', (error: unknown) => errors.push(error));
  t.teardown(() => informer.stop());
  await informer.start();
  await core.createNamespacedConfigMap({ namespace, body: configMap('new', { k: '1' }) });
  await core.replaceNamespacedConfigMap({ name: 'new', namespace, body: configMap('new', { k: '2' }) });
  await eventually('both changes are told', () => told.events.length >= 3);
  await eventually('it watches again', () => told.connects >= 3);
  await core.deleteNamespacedConfigMap({ name: 'old', namespace });
  await eventually('the deletion is told', () => told.events.length >= 4);
  t.same(errors, []);
  t.same(told.events, ['add old 0', 'add new 1', 'update new 2', 'delete old 0']);
  t.same(
    informer
      .list()
      .map(({ metadata }) => metadata?.name)
      .filter((name) => name !== 'kube-root-ca.crt'),
    ['new'],
  );
});
