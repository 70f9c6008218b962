import t from 'tap';
import type { ApiClient } from '../../../../api/client/client.ts';
import { endpointSlices, events, services } from '../../../../api/client/resources.ts';
import type { Service, ServiceSpec } from '../../../../api/kinds/service.ts';
import { testCluster } from '../../../cluster.ts';
import { eventually } from '../../eventually.ts';
import { startCluster } from '../cluster.ts';

const at = (name: string) => ({ namespace: 'default', name });

const cluster = {
  ...testCluster,
  loadBalancerPools: ['192.0.2.8/31', '198.51.100.7-198.51.100.7', '2001:db8::/127'],
};

function create(client: ApiClient, name: string, spec: Partial<ServiceSpec> = {}): Promise<Service> {
  return client.create(services, {
    metadata: { name, namespace: 'default' },
    spec: { type: 'LoadBalancer', ports: [{ port: 80 }], ...spec },
  });
}

async function addressesOf(client: ApiClient, name: string): Promise<string[]> {
  const { status } = await client.get(services, at(name));
  return (status?.loadBalancer?.ingress ?? []).map(({ ip = '' }) => ip);
}

async function hasAddresses(client: ApiClient, name: string, ...wanted: string[]): Promise<void> {
  await eventually(`${name} has ${wanted.join()}`, async () => {
    return (await addressesOf(client, name)).join() === wanted.join();
  });
}

async function lacks(client: ApiClient, name: string, reason: string): Promise<Service> {
  return eventually(`${name}: ${reason}`, async () => {
    const service = await client.get(services, at(name));
    const found = service.status?.conditions?.some(
      (each) => each.status === 'False' && each.reason === reason,
    );
    return found ? service : undefined;
  });
}

t.test('addresses are given once, kept, and given again when they are free', async (t) => {
  const started = await startCluster(t, { cluster });
  const { client } = started;
  const names = ['a', 'b', 'c'];
  await Promise.all(names.map((name) => create(client, name)));
  await eventually('all have one', async () => {
    return (await Promise.all(names.map((name) => addressesOf(client, name)))).every(
      ({ length }) => length === 1,
    );
  });
  const given = (await Promise.all(names.map((name) => addressesOf(client, name)))).flat();
  t.same(given.toSorted(), ['192.0.2.8', '192.0.2.9', '198.51.100.7']);
  const [first] = await client.listAll(services, { fieldSelector: 'metadata.name=a' });
  t.match(first?.status, {
    loadBalancer: { ingress: [{ ipMode: 'VIP' }] },
    conditions: [{ type: 'LoadBalancerReady', status: 'True', reason: 'AddressAllocated' }],
  });

  await create(client, 'late');
  const late = await lacks(client, 'late', 'PoolExhausted');
  t.same(late.status?.loadBalancer, {});
  const event = await eventually('an Event says so', async () => {
    const all = await client.listAll(events, { fieldSelector: 'involvedObject.name=late' });
    return all.find(({ reason }) => reason === 'PoolExhausted');
  });
  t.match(event, {
    type: 'Warning',
    message: 'no IPv4 address is free in the load balancer pools 192.0.2.8/31, 198.51.100.7-198.51.100.7',
  });

  await started.restartControllers();
  await client.patch(services, at('a'), { metadata: { labels: { seen: 'yes' } } }, 'merge');
  const [ofB = ''] = await addressesOf(client, 'b');
  await client.delete(services, at('b'));
  await hasAddresses(client, 'late', ofB);
  t.same(await addressesOf(client, 'a'), given.slice(0, 1), 'a restart takes nothing away');

  await create(client, 'later');
  await lacks(client, 'later', 'PoolExhausted');
  const [ofC = ''] = await addressesOf(client, 'c');
  const typed = await client.patch(services, at('c'), { spec: { type: 'ClusterIP' } }, 'merge');
  t.same(typed.status, { loadBalancer: {} }, 'the address goes with the type');
  await hasAddresses(client, 'later', ofC);
});

t.test('what a Service asks for', async (t) => {
  const { client } = await startCluster(t, { cluster });
  await create(client, 'wish', { loadBalancerIP: '192.0.2.9' });
  await hasAddresses(client, 'wish', '192.0.2.9');
  await create(client, 'outside', { loadBalancerIP: '203.0.113.1' });
  await lacks(client, 'outside', 'AddressOutsidePools');
  await create(client, 'same', { loadBalancerIP: '192.0.2.9' });
  const same = await lacks(client, 'same', 'AddressTaken');
  t.match(same.status?.conditions, [
    { message: 'spec.loadBalancerIP 192.0.2.9 belongs to Service default/wish' },
  ]);
  await client.patch(services, at('wish'), { spec: { loadBalancerIP: '192.0.2.8' } }, 'merge');
  await hasAddresses(client, 'wish', '192.0.2.8');
  await hasAddresses(client, 'same', '192.0.2.9');

  const dual = await create(client, 'dual', { ipFamilyPolicy: 'PreferDualStack' });
  t.same(dual.spec.ipFamilies, ['IPv4', 'IPv6']);
  await hasAddresses(client, 'dual', '198.51.100.7', '2001:db8::');
  await create(client, 'six', { ipFamilies: ['IPv6'] });
  await hasAddresses(client, 'six', '2001:db8::1');
  await create(client, 'partly', { ipFamilyPolicy: 'RequireDualStack' });
  await lacks(client, 'partly', 'PoolExhausted');
  await client.delete(services, at('six'));
  await hasAddresses(client, 'partly', '2001:db8::1');

  const bare = await create(client, 'bare', { allocateLoadBalancerNodePorts: false });
  t.same(
    bare.spec.ports?.map((port) => port.nodePort),
    [undefined],
  );
});

t.test('a foreign class is left alone', async (t) => {
  const { client } = await startCluster(t, { cluster });
  await create(client, 'foreign', { loadBalancerClass: 'example.com/other' });
  const ingress = [{ ip: '192.0.2.8', ipMode: 'VIP' }];
  await client.patchStatus(services, at('foreign'), { status: { loadBalancer: { ingress } } }, 'merge');
  await create(client, 'ours');
  await hasAddresses(client, 'ours', '192.0.2.9');
  t.same((await client.get(services, at('foreign'))).status, { loadBalancer: { ingress } });
});

t.test('one address at two Services stays with the elder', async (t) => {
  const started = await startCluster(t, { cluster });
  const { client } = started;
  await create(client, 'a');
  await hasAddresses(client, 'a', '192.0.2.8');
  await create(client, 'b');
  await hasAddresses(client, 'b', '192.0.2.9');
  const ingress = [{ ip: '192.0.2.8', ipMode: 'VIP' }];
  await client.patchStatus(services, at('b'), { status: { loadBalancer: { ingress } } }, 'merge');
  await hasAddresses(client, 'b', '192.0.2.9');
  t.same(await addressesOf(client, 'a'), ['192.0.2.8']);
  await started.restartControllers();
  await create(client, 'c');
  await hasAddresses(client, 'c', '198.51.100.7');
});

t.test('without pools nothing is written', async (t) => {
  const { client } = await startCluster(t);
  await create(client, 'pending');
  await create(client, 'internal', { type: 'ClusterIP' });
  // Long enough for a controller to be seen at work: the endpoints of a Service are written behind its creation.
  await client.patch(services, at('internal'), { spec: { selector: { app: 'x' } } }, 'merge');
  await eventually('controllers work', async () => {
    const labelSelector = 'kubernetes.io/service-name=internal';
    return (await client.listAll(endpointSlices, { namespace: 'default', labelSelector })).length > 0;
  });
  t.same((await client.get(services, at('pending'))).status, { loadBalancer: {} });
});
