import type { Test } from 'tap';
import t from 'tap';
import type { ApiClient } from '../../../api/client/client.ts';
import type { Resource } from '../../../api/client/resource.ts';
import {
  configMaps,
  endpoints,
  endpointSlices,
  namespaces,
  services,
} from '../../../api/client/resources.ts';
import type { KubeObject } from '../../../api/kinds/meta.ts';
import { eventually } from '../eventually.ts';
import { refusal, startServer } from './fixture.ts';
import { service } from './objects.ts';

const kubernetes = { namespace: 'default', name: 'kubernetes' };
const dns = { namespace: 'kube-system', name: 'kube-dns' };
const settings = { namespace: 'kube-system', name: 'weft-cluster' };

async function comesBack<T extends KubeObject>(
  t: Test,
  client: ApiClient,
  resource: Resource<T>,
  at: { readonly namespace: string; readonly name: string },
): Promise<void> {
  const { metadata, ...content } = await client.get(resource, at);
  await client.delete(resource, at);
  const again = await eventually(`${at.name} is back`, async () => {
    const [now] = await client.listAll(resource, { fieldSelector: `metadata.name=${at.name}` });
    return now?.metadata.uid === metadata.uid ? undefined : now;
  });
  const { metadata: newMetadata, ...newContent } = again;
  t.same(newContent, content, at.name);
  t.same(newMetadata.labels, metadata.labels);
}

t.test('what every cluster has comes back when it is deleted', async (t) => {
  const { client } = await startServer(t);
  await comesBack(t, client, services, kubernetes);
  await comesBack(t, client, services, dns);
  await comesBack(t, client, endpoints, kubernetes);
  await comesBack(t, client, endpointSlices, kubernetes);
  await comesBack(t, client, configMaps, settings);
});

t.test('the addresses of the API and the DNS are never another Service’s', async (t) => {
  const { client } = await startServer(t);
  await client.request('DELETE', '/api/v1/namespaces/default/services');
  const backAt = async (): Promise<string | undefined> => {
    const [back] = await client.listAll(services, { fieldSelector: 'metadata.name=kubernetes' });
    return back?.spec.clusterIP;
  };
  t.equal(await eventually('it is back', backAt), '10.96.0.1');
  for (const clusterIP of ['10.96.0.1', '10.96.0.10']) {
    const answer = await refusal(t, client.create(services, service('thief', { clusterIP })));
    t.match(answer, { code: 422, message: /already allocated/ });
  }
});

t.test('what somebody spoils is repaired, and additions of others stay', async (t) => {
  const { client } = await startServer(t);
  const { subsets } = await client.get(endpoints, kubernetes);
  await client.patch(endpoints, kubernetes, { metadata: { labels: { mine: 'yes' } }, subsets: [] }, 'merge');
  const repaired = await eventually('it is repaired', async () => {
    const now = await client.get(endpoints, kubernetes);
    return now.subsets?.length ? now : undefined;
  });
  t.same(repaired.subsets, subsets);
  t.match(repaired.metadata.labels, { mine: 'yes' });
});

t.test('the namespaces every cluster has stay', async (t) => {
  const { client } = await startServer(t);
  for (const name of ['default', 'kube-system', 'kube-public']) {
    t.match(await refusal(t, client.delete(namespaces, { name })), { code: 403 }, name);
  }
});
