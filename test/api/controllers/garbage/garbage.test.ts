import t from 'tap';
import type { Test } from 'tap';
import { isNotFound } from '../../../../api/client/api-error.ts';
import type { ApiClient } from '../../../../api/client/client.ts';
import { configMaps } from '../../../../api/client/resources.ts';
import { apiVersionOf } from '../../../../api/kinds/kind.ts';
import type { Kind } from '../../../../api/kinds/kind.ts';
import type { KubeObject, OwnerReference } from '../../../../api/kinds/meta.ts';
import { kinds } from '../../../../api/kinds/registry.ts';
import { eventually } from '../../eventually.ts';
import { startCluster } from '../cluster.ts';

const template = {
  metadata: { labels: { app: 'a' } },
  spec: { containers: [{ name: 'c', image: 'nginx' }] },
};
const selector = { matchLabels: { app: 'a' } };

/** The least that an object of a kind needs besides metadata. */
const contents: Readonly<Record<string, object>> = {
  ControllerRevision: { revision: 1, data: {} },
  DaemonSet: { spec: { selector, template } },
  Deployment: { spec: { replicas: 0, selector, template } },
  EndpointSlice: { addressType: 'IPv4', endpoints: [] },
  Pod: { spec: template.spec },
  ReplicaSet: { spec: { replicas: 0, selector, template } },
  ReplicationController: { spec: { replicas: 0, selector: { app: 'a' }, template } },
  Service: { spec: { ports: [{ port: 80 }] } },
};

/** Nobody owns Events, and they own nothing. */
const owned = kinds.filter(({ plural }) => plural !== 'events');

function object(kind: Kind, name: string, owner?: OwnerReference): KubeObject {
  return {
    apiVersion: apiVersionOf(kind),
    kind: kind.kind,
    metadata: {
      name,
      ...(kind.namespaced && { namespace: 'default' }),
      ...(owner && { ownerReferences: [owner] }),
    },
    ...contents[kind.kind],
  };
}

function referenceTo(kind: Kind, { metadata }: KubeObject): OwnerReference {
  const { name, uid = '' } = metadata;
  return { apiVersion: apiVersionOf(kind), kind: kind.kind, name, uid, blockOwnerDeletion: true };
}

const where = (kind: Kind, name: string) => ({ ...(kind.namespaced && { namespace: 'default' }), name });

async function isGone(client: ApiClient, kind: Kind, name: string): Promise<boolean> {
  return client.get(kind, where(kind, name)).then(() => false, isNotFound);
}

function kindNamed(name: string): Kind {
  const found = kinds.find(({ kind }) => kind === name);
  if (!found) throw new Error(`no kind ${name}`);
  return found;
}

t.test('owners and dependents of every kind', async (t) => {
  const { client } = await startCluster(t);
  const configMap = kindNamed('ConfigMap');

  for (const kind of owned) {
    await t.test(`a ${kind.kind} goes with its owner`, async () => {
      const ownerKind = kind.namespaced ? configMap : kindNamed('Node');
      const owner = await client.create<KubeObject>(ownerKind, object(ownerKind, 'owner'));
      await client.create<KubeObject>(kind, object(kind, 'dependent', referenceTo(ownerKind, owner)));
      await client.delete(ownerKind, where(ownerKind, 'owner'), { propagationPolicy: 'Background' });
      await eventually('the dependent is gone', () => isGone(client, kind, 'dependent'));
    });

    await t.test(`a deleted ${kind.kind} and what it owns`, (t) => threeModes(t, client, kind));
  }
});

async function threeModes(t: Test, client: ApiClient, kind: Kind): Promise<void> {
  for (const propagationPolicy of ['Background', 'Foreground', 'Orphan'] as const) {
    const owner = await client.create<KubeObject>(kind, object(kind, 'owner'));
    const dependent = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: {
        name: 'dependent',
        // One that belongs to a Namespace must not be in it: it would go with its content.
        namespace: 'default',
        ownerReferences: [referenceTo(kind, owner)],
        ...(propagationPolicy === 'Foreground' && { finalizers: ['example.com/hold'] }),
      },
    };
    await client.create(configMaps, dependent);
    await client.delete(kind, where(kind, 'owner'), { propagationPolicy });
    const at = { namespace: 'default', name: 'dependent' };
    if (propagationPolicy === 'Foreground') {
      await eventually('the dependent is being deleted', async () => {
        return (await client.get(configMaps, at)).metadata.deletionTimestamp !== undefined;
      });
      const { metadata } = await client.get<KubeObject>(kind, where(kind, 'owner'));
      t.ok(metadata.finalizers?.includes('foregroundDeletion'), 'its owner waits for it');
      await client.patch(configMaps, at, { metadata: { finalizers: null } }, 'merge');
    }
    await eventually('the owner is gone', () => isGone(client, kind, 'owner'));
    if (propagationPolicy === 'Orphan') {
      t.same((await client.get(configMaps, at)).metadata.ownerReferences ?? [], [], 'the dependent stays');
      await client.delete(configMaps, at);
    } else {
      await eventually('the dependent is gone', () =>
        client.get(configMaps, at).then(() => false, isNotFound),
      );
    }
  }
}

t.test('two that own each other go in the foreground, too', async (t) => {
  const { client } = await startCluster(t);
  const kind = kindNamed('ConfigMap');
  const first = await client.create<KubeObject>(kind, object(kind, 'first'));
  const second = await client.create<KubeObject>(kind, object(kind, 'second', referenceTo(kind, first)));
  const ownerReferences = [referenceTo(kind, second)];
  await client.patch(kind, where(kind, 'first'), { metadata: { ownerReferences } }, 'merge');
  await client.delete(kind, where(kind, 'first'), { propagationPolicy: 'Foreground' });
  for (const name of ['first', 'second']) {
    await eventually(`${name} is gone`, () => isGone(client, kind, name));
  }
});

t.test('references that lead astray', async (t) => {
  const { client } = await startCluster(t);
  const [configMap, node] = [kindNamed('ConfigMap'), kindNamed('Node')];
  const owner = await client.create<KubeObject>(configMap, object(configMap, 'owner'));
  const reference = referenceTo(configMap, owner);

  await client.create<KubeObject>(node, object(node, 'outside', reference));
  await client.create(configMaps, {
    metadata: { name: 'unknown', namespace: 'default', ownerReferences: [{ ...reference, kind: 'Widget' }] },
  });
  await client.create(configMaps, {
    metadata: { name: 'elsewhere', namespace: 'kube-system', ownerReferences: [reference] },
  });
  await client.create(configMaps, {
    metadata: { name: 'misnamed', namespace: 'default', ownerReferences: [{ ...reference, name: 'other' }] },
  });
  for (const at of [
    { namespace: 'kube-system', name: 'elsewhere' },
    { namespace: 'default', name: 'misnamed' },
  ]) {
    await eventually(`${at.name} is gone`, () => client.get(configMaps, at).then(() => false, isNotFound));
  }
  t.notOk(await isGone(client, configMap, 'owner'));
  t.notOk(await isGone(client, node, 'outside'), 'a namespaced owner of a cluster’s object: not judged');
  t.notOk(await isGone(client, configMap, 'unknown'), 'an owner of a kind that nobody serves: not judged');
});
