import t from 'tap';
import { configMaps, namespaces, pods, serviceAccounts } from '../../../../api/client/resources.ts';
import { eventually } from '../../eventually.ts';
import { refusal } from '../../server/fixture.ts';
import { startCluster } from '../cluster.ts';

t.test('every namespace has its account and the authority’s certificate', async (t) => {
  const { client, server } = await startCluster(t);
  const authority = (namespace: string) =>
    client.get(configMaps, { namespace, name: 'kube-root-ca.crt' }).catch(() => undefined);
  const account = (namespace: string) =>
    client.get(serviceAccounts, { namespace, name: 'default' }).catch(() => undefined);
  const complete = (namespace: string) =>
    eventually(`${namespace} has both`, async () => {
      const map = await authority(namespace);
      return (await account(namespace)) && map?.data?.['ca.crt'] === server.loopback.ca;
    });

  for (const name of ['default', 'kube-system', 'kube-public', 'kube-node-lease']) await complete(name);
  await client.create(namespaces, { metadata: { name: 'team' } });
  await complete('team');

  const before = await account('team');
  await client.delete(serviceAccounts, { namespace: 'team', name: 'default' });
  await eventually('a new account', async () => {
    const uid = (await account('team'))?.metadata.uid;
    return uid !== undefined && uid !== before?.metadata.uid;
  });
  await client.delete(configMaps, { namespace: 'team', name: 'kube-root-ca.crt' });
  await complete('team');
  const spoilt = { data: { 'ca.crt': 'mine' } };
  await client.patch(configMaps, { namespace: 'team', name: 'kube-root-ca.crt' }, spoilt, 'merge');
  await complete('team');

  await client.delete(namespaces, { name: 'team' });
  await eventually('the namespace goes', async () => {
    return (await client.listAll(namespaces)).every(({ metadata }) => metadata.name !== 'team');
  });
  t.same(await client.listAll(serviceAccounts, { namespace: 'team' }), [], 'nothing was made again');
});

t.test('the account of a pod', async (t) => {
  const { client } = await startCluster(t);
  const create = (name: string, spec: object = {}) =>
    client.create(pods, {
      metadata: { name, namespace: 'default' },
      spec: { containers: [{ name: 'c', image: 'nginx' }], ...spec },
    });
  const plain = await create('plain');
  t.match(plain.spec, { serviceAccountName: 'default', serviceAccount: 'default' });

  t.match(await refusal(t, create('lost', { serviceAccountName: 'nobody' })), {
    code: 403,
    message:
      'pods "lost" is forbidden: error looking up service account default/nobody: serviceaccount "nobody" not found',
  });
  await client.create(serviceAccounts, {
    metadata: { name: 'builder', namespace: 'default' },
    imagePullSecrets: [{ name: 'registry' }],
  });
  const built = await create('built', { serviceAccount: 'builder' });
  t.match(built.spec, { serviceAccountName: 'builder', imagePullSecrets: [{ name: 'registry' }] });
  const own = await create('own', { serviceAccountName: 'builder', imagePullSecrets: [{ name: 'mine' }] });
  t.same(own.spec.imagePullSecrets, [{ name: 'mine' }]);
});
