import t from 'tap';
import { services } from '../../../api/client/resources.ts';
import { AddressRange } from '../../../api/server/registry/address-range.ts';
import { testCluster } from '../../cluster.ts';
import { refusal, startServer } from './fixture.ts';
import { service } from './objects.ts';

const at = (name: string) => ({ namespace: 'default', name });

t.test('ranges count addresses of both families alike', (t) => {
  const v4 = new AddressRange('10.96.0.0/16');
  t.same(
    [v4.family, v4.at(1), v4.at(v4.greatest), v4.dynamicFrom],
    ['IPv4', '10.96.0.1', '10.96.255.254', 256],
  );
  const v6 = new AddressRange('fd00:10:96::/112');
  t.same([v6.family, v6.at(10), v6.at(v6.greatest)], ['IPv6', 'fd00:10:96::a', 'fd00:10:96::ffff']);
  const small = new AddressRange('192.0.2.0/29');
  t.same([small.at(small.greatest), small.dynamicFrom], ['192.0.2.6', 6]);
  for (const [address, inside] of [
    ['10.96.0.0', false],
    ['10.96.0.1', true],
    ['10.96.255.255', false],
    ['10.97.0.1', false],
    ['fd00:10:96::1', false],
  ] as const) {
    t.equal(v4.contains(address), inside, address);
  }
  t.equal(v6.contains('fd00:10:96:0::5'), true);
  t.throws(() => new AddressRange('10.96.0.0'));
  t.end();
});

t.test('families follow policy and request', async (t) => {
  const { client } = await startServer(t);
  const single = await client.create(services, service('single'));
  t.match(single.spec, { clusterIP: /^10\.96\./, ipFamilies: ['IPv4'], ipFamilyPolicy: 'SingleStack' });
  t.same(single.spec.clusterIPs, [single.spec.clusterIP]);
  const v6 = await client.create(services, service('v6', { ipFamilies: ['IPv6'] }));
  t.match(v6.spec, { clusterIP: /^fd00:10:96::/, ipFamilyPolicy: 'SingleStack' });
  const dual = await client.create(services, service('dual', { ipFamilyPolicy: 'PreferDualStack' }));
  t.match(dual.spec, { clusterIPs: [/^10\.96\./, /^fd00:10:96::/], ipFamilies: ['IPv4', 'IPv6'] });
  const turned = { ipFamilyPolicy: 'RequireDualStack', ipFamilies: ['IPv6', 'IPv4'] };
  t.match((await client.create(services, service('turned', turned))).spec.clusterIPs, [/^fd00/, /^10/]);
  const headless = await client.create(services, service('headless', { clusterIP: 'None' }));
  t.match(headless.spec, { clusterIP: 'None', clusterIPs: ['None'], ipFamilies: ['IPv4'] });
  const name = { type: 'ExternalName', externalName: 'example.com', ports: [] };
  const external = await client.create(services, service('external', name));
  t.equal(external.spec.clusterIP, undefined);

  const wrong = service('wrong', { ipFamilies: ['IPv4', 'IPv6'] });
  t.match(await refusal(t, client.create(services, wrong)), {
    code: 422,
    message: /must be 'RequireDualStack' or 'PreferDualStack' when multiple IP families are specified/,
  });
});

t.test('one family gives what it can', async (t) => {
  const { client } = await startServer(t, {
    cluster: { ...testCluster, serviceCIDRs: ['10.96.0.0/16'], dnsIPs: ['10.96.0.10'] },
  });
  const preferred = await client.create(services, service('dual', { ipFamilyPolicy: 'PreferDualStack' }));
  t.match(preferred.spec, { ipFamilies: ['IPv4'], clusterIPs: [/^10\.96\./] });
  const strict = service('strict', { ipFamilyPolicy: 'RequireDualStack' });
  t.match(await refusal(t, client.create(services, strict)), {
    code: 422,
    message: /this cluster is not configured for dual-stack services/,
  });
  t.match(await refusal(t, client.create(services, service('v6', { ipFamilies: ['IPv6'] }))), {
    message: /spec.ipFamilies\[0\]: Invalid value: "IPv6": not configured on this cluster/,
  });
});

t.test('a dual-stack Service goes back to one family and forth', async (t) => {
  const { client } = await startServer(t);
  const dual = await client.create(services, service('s', { ipFamilyPolicy: 'PreferDualStack' }));
  const one = await client.patch(services, at('s'), { spec: { ipFamilyPolicy: 'SingleStack' } }, 'merge');
  t.same(one.spec.clusterIPs, [dual.spec.clusterIP]);
  t.same(one.spec.ipFamilies, ['IPv4']);
  const secondIP = dual.spec.clusterIPs?.[1] ?? '';
  const other = service('other', { ipFamilies: ['IPv6'], clusterIP: secondIP });
  t.equal((await client.create(services, other)).spec.clusterIP, secondIP, 'the second address was released');
  const two = await client.patch(
    services,
    at('s'),
    { spec: { ipFamilyPolicy: 'RequireDualStack' } },
    'merge',
  );
  t.equal(two.spec.clusterIPs?.[0], dual.spec.clusterIP);
  t.match(two.spec.clusterIPs?.[1], /^fd00/);
  t.not(two.spec.clusterIPs?.[1], secondIP);
});

t.test('requested addresses are honoured or refused, and come back when released', async (t) => {
  const { client } = await startServer(t);
  const fixed = await client.create(services, service('fixed', { clusterIP: '10.96.0.50' }));
  t.equal(fixed.spec.clusterIP, '10.96.0.50');
  const second = service('second', { clusterIP: '10.96.0.50' });
  t.match(await refusal(t, client.create(services, second)), {
    code: 422,
    message: /failed to allocate IP 10.96.0.50: provided IP is already allocated/,
  });
  t.match(await refusal(t, client.create(services, service('far', { clusterIP: '10.1.2.3' }))), {
    message:
      /the provided IP \(10.1.2.3\) is not in the valid range. The range of valid IPs is 10.96.0.0\/16/,
  });
  const moved = { spec: { clusterIP: '10.96.0.51', clusterIPs: ['10.96.0.51'] } };
  t.match(await refusal(t, client.patch(services, at('fixed'), moved, 'merge')), { code: 422 });
  const replaced = await client.update(services, service('fixed', { ports: [{ port: 81 }] }));
  t.equal(replaced.spec.clusterIP, '10.96.0.50', 'a replacement that does not name the address keeps it');
  await client.delete(services, at('fixed'));
  t.equal((await client.create(services, second)).spec.clusterIP, '10.96.0.50');

  await client.patch(
    services,
    at('second'),
    { spec: { type: 'ExternalName', externalName: 'a.b' } },
    'merge',
  );
  t.equal((await client.get(services, at('second'))).spec.clusterIP, undefined);
  await client.create(services, service('third', { clusterIP: '10.96.0.50' }));
});

t.test('node ports are given once each', async (t) => {
  const { client } = await startServer(t, {
    cluster: { ...testCluster, nodePortRange: { first: 30000, last: 30003 } },
  });
  const nodePort = (name: string, port?: number) =>
    service(name, {
      type: 'NodePort',
      ports: [{ port: 80, ...(port === undefined ? {} : { nodePort: port }) }],
    });
  const fixed = await client.create(services, nodePort('fixed', 30002));
  t.equal(fixed.spec.ports?.[0]?.nodePort, 30002);
  t.match(await refusal(t, client.create(services, nodePort('taken', 30002))), {
    code: 422,
    message: /spec.ports\[0\].nodePort: Invalid value: 30002: provided port is already allocated/,
  });
  t.match(await refusal(t, client.create(services, nodePort('outside', 80))), {
    message: /provided port is not in the valid range. The range of valid ports is 30000-30003/,
  });
  const taken = new Set([30002]);
  for (const name of ['a', 'b', 'c']) {
    const made = await client.create(services, nodePort(name));
    taken.add(made.spec.ports?.[0]?.nodePort ?? 0);
  }
  t.same([...taken].sort(), [30000, 30001, 30002, 30003]);
  t.match(await refusal(t, client.create(services, nodePort('full'))), {
    code: 500,
    message: /range is full/,
  });
  await client.patch(services, at('a'), { spec: { type: 'ClusterIP' } }, 'merge');
  const again = await client.create(services, nodePort('again'));
  t.ok(taken.has(again.spec.ports?.[0]?.nodePort ?? 0), 'a Service that gives up its port makes room');
});

t.test('one port number over two protocols shares its node port; a health check has its own', async (t) => {
  const { client } = await startServer(t);
  const dns = [
    { name: 'udp', port: 53, protocol: 'UDP' },
    { name: 'tcp', port: 53, protocol: 'TCP' },
    { name: 'web', port: 80 },
  ];
  const made = await client.create(services, service('dns', { type: 'NodePort', ports: dns }));
  const [udp, tcp, web] = (made.spec.ports ?? []).map((port) => port.nodePort);
  t.equal(udp, tcp);
  t.not(udp, web);
  const local = { type: 'LoadBalancer', externalTrafficPolicy: 'Local' };
  const balanced = await client.create(services, service('lb', local));
  t.ok(balanced.spec.healthCheckNodePort);
  t.not(balanced.spec.healthCheckNodePort, balanced.spec.ports?.[0]?.nodePort);
});

t.test('many at once never get the same address', async (t) => {
  const { client } = await startServer(t, {
    cluster: { ...testCluster, serviceCIDRs: ['10.96.0.0/26'], dnsIPs: ['10.96.0.10'] },
  });
  const made = await Promise.all(
    Array.from({ length: 50 }, (_, i) => client.create(services, service(`s${i}`, { type: 'NodePort' }))),
  );
  t.equal(new Set(made.map((each) => each.spec.clusterIP)).size, 50);
  t.equal(new Set(made.map((each) => each.spec.ports?.[0]?.nodePort)).size, 50);
});
