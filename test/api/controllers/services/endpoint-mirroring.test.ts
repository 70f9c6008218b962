import t from 'tap';
import type { ApiClient } from '../../../../api/client/client.ts';
import { endpoints, endpointSlices, events, services } from '../../../../api/client/resources.ts';
import type { EndpointSlice } from '../../../../api/kinds/endpoint-slice.ts';
import type { Endpoints } from '../../../../api/kinds/endpoints.ts';
import { diffMirror } from '../../../../api/controllers/services/endpoint-mirror.ts';
import { eventually } from '../../eventually.ts';
import { startCluster } from '../cluster.ts';

const mirroring = 'endpointslicemirroring-controller.k8s.io';
const at = (name: string) => ({ namespace: 'default', name });

function service(client: ApiClient, name: string, selector?: Record<string, string>) {
  return client.create(services, {
    metadata: { name, namespace: 'default' },
    spec: { ports: [{ name: 'http', port: 80 }], ...(selector && { selector }) },
  });
}

function write(
  client: ApiClient,
  name: string,
  subsets: Endpoints['subsets'],
  metadata: Partial<Endpoints['metadata']> = {},
) {
  return client.create(endpoints, {
    metadata: { name, namespace: 'default', ...metadata },
    ...(subsets && { subsets }),
  });
}

async function slicesOf(client: ApiClient, name: string): Promise<EndpointSlice[]> {
  const labelSelector = `kubernetes.io/service-name=${name},endpointslice.kubernetes.io/managed-by=${mirroring}`;
  return client.listAll(endpointSlices, { namespace: 'default', labelSelector });
}

/** What the slices show: `IPv4 http:80/TCP 10.0.0.1 10.0.0.2!`, with a mark at those that are not ready. */
function render({ addressType, ports = [], endpoints: all }: EndpointSlice): string {
  const port = ports.map(
    ({ name, port: number, protocol }) => `${name ?? ''}:${number ?? ''}/${protocol ?? ''}`,
  );
  const addresses = all.map(
    (each) => `${each.addresses.join()}${each.conditions?.ready === true ? '' : '!'}`,
  );
  return [addressType, port.join(), ...addresses].join(' ');
}

async function shows(client: ApiClient, name: string, ...wanted: string[]): Promise<EndpointSlice[]> {
  let last: string[] = [];
  try {
    return await eventually(`${name} shows`, async () => {
      const slices = await slicesOf(client, name);
      last = slices.map(render).toSorted();
      return last.join('|') === wanted.join('|') ? slices : undefined;
    });
  } catch (cause) {
    throw new Error(`${name} shows ${last.join(' | ')}, not ${wanted.join(' | ')}`, { cause });
  }
}

const ports = [{ name: 'http', port: 80 }];

t.test('Endpoints written by hand are slices, too', async (t) => {
  const { client, ...cluster } = await startCluster(t);
  await service(client, 'web');
  const metadata = {
    labels: { team: 'a', 'endpoints.kubernetes.io/managed-by': 'me' },
    annotations: { note: 'x', 'kubectl.kubernetes.io/last-applied-configuration': '{}' },
  };
  const subsets = [
    {
      addresses: [{ ip: '10.0.0.1', hostname: 'one', nodeName: 'node1' }, { ip: '2001:DB8:0::1' }],
      notReadyAddresses: [{ ip: '10.0.0.2' }],
      ports,
    },
  ];
  const written = await write(client, 'web', subsets, metadata);
  const slices = await shows(
    client,
    'web',
    'IPv4 http:80/TCP 10.0.0.1 10.0.0.2!',
    'IPv6 http:80/TCP 2001:db8::1',
  );
  for (const slice of slices) {
    t.match(slice.metadata.name, /^web-[a-z0-9]{5}$/);
    t.same(slice.metadata.labels, {
      team: 'a',
      'kubernetes.io/service-name': 'web',
      'endpointslice.kubernetes.io/managed-by': mirroring,
    });
    t.same(slice.metadata.annotations, { note: 'x' });
    const owner = { kind: 'Endpoints', name: 'web', uid: written.metadata.uid, controller: true };
    t.match(slice.metadata.ownerReferences, [owner]);
  }
  t.match(slices.find(({ addressType }) => addressType === 'IPv4')?.endpoints[0], {
    hostname: 'one',
    nodeName: 'node1',
  });

  const uids = slices.map((slice) => slice.metadata.uid).toSorted();
  const more = [{ addresses: [{ ip: '10.0.0.3' }, { ip: '2001:db8::2' }], ports }];
  await client.patch(endpoints, at('web'), { subsets: more }, 'merge');
  const now = await shows(client, 'web', 'IPv4 http:80/TCP 10.0.0.3', 'IPv6 http:80/TCP 2001:db8::2');
  t.same(now.map((slice) => slice.metadata.uid).toSorted(), uids, 'the same slices');

  const [first] = now;
  await client.delete(endpointSlices, at(first?.metadata.name ?? ''));
  await shows(client, 'web', 'IPv4 http:80/TCP 10.0.0.3', 'IPv6 http:80/TCP 2001:db8::2');

  await cluster.restartControllers();
  await client.patch(endpoints, at('web'), { subsets: more.slice(0, 1) }, 'merge');
  const only = [{ addresses: [{ ip: '10.0.0.3' }], ports: [{ name: 'https', port: 443 }] }];
  await client.patch(endpoints, at('web'), { subsets: only }, 'merge');
  await shows(client, 'web', 'IPv4 https:443/TCP 10.0.0.3');
  await client.delete(endpoints, at('web'));
  await shows(client, 'web');
});

t.test('whose Endpoints are not shown', async (t) => {
  const { client } = await startCluster(t);
  const subsets = [{ addresses: [{ ip: '10.0.0.1' }], ports }];
  const skip = { labels: { 'endpointslice.kubernetes.io/skip-mirror': 'true' } };
  for (const name of ['skipped', 'leader', 'shown', 'late']) if (name !== 'late') await service(client, name);
  await write(client, 'skipped', subsets, skip);
  await write(client, 'leader', subsets, {
    annotations: { 'control-plane.alpha.kubernetes.io/leader': '{}' },
  });
  await write(client, 'late', subsets);
  await write(client, 'shown', subsets);
  await shows(client, 'shown', 'IPv4 http:80/TCP 10.0.0.1');
  for (const name of ['skipped', 'leader', 'late']) t.same(await slicesOf(client, name), [], name);

  await service(client, 'late');
  await shows(client, 'late', 'IPv4 http:80/TCP 10.0.0.1');
  await client.patch(endpoints, at('shown'), { metadata: skip }, 'merge');
  await shows(client, 'shown');
  await client.patch(services, at('late'), { spec: { selector: { app: 'late' } } }, 'merge');
  await shows(client, 'late');
  const all = await eventually('the other controller’s slice', async () => {
    const labelSelector = 'kubernetes.io/service-name=late';
    const found = await client.listAll(endpointSlices, { namespace: 'default', labelSelector });
    return found.length > 0 ? found : undefined;
  });
  t.match(all, [
    { metadata: { labels: { 'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io' } } },
  ]);
});

t.test('a subset of more than a thousand', async (t) => {
  const { client } = await startCluster(t);
  await service(client, 'large');
  const addresses = Array.from({ length: 1003 }, (_, i) => ({ ip: `10.1.${i >> 8}.${i & 255 || 1}` }));
  await write(client, 'large', [{ addresses, ports }]);
  const slices = await eventually('a slice', async () => {
    const found = await slicesOf(client, 'large');
    return found.length > 0 ? found : undefined;
  });
  t.same(
    slices.map((slice) => slice.endpoints.length),
    [1000],
  );
  const event = await eventually('an Event', async () => {
    const all = await client.listAll(events, { fieldSelector: 'involvedObject.kind=Endpoints' });
    return all.find(({ reason }) => reason === 'TooManyAddressesToMirror');
  });
  t.match(event.message, / 3 addresses were skipped$/);
});

t.test('a second pass changes nothing', async (t) => {
  const { client } = await startCluster(t);
  await service(client, 'web');
  const subsets = [
    { addresses: [{ ip: '10.0.0.1' }], notReadyAddresses: [{ ip: '2001:DB8::1' }], ports: [{ port: 80 }] },
  ];
  const written = await write(client, 'web', subsets, { annotations: { note: 'x' } });
  const slices = await shows(client, 'web', 'IPv4 :80/TCP 10.0.0.1', 'IPv6 :80/TCP 2001:db8::1!');
  t.same(diffMirror(written, slices), { create: [], update: [], remove: [] });
});
