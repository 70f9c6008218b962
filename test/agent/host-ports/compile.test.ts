import t from 'tap';

import { compileHostPorts, servingAddresses } from '../../../agent/host-ports/compile.ts';
import type { HostPort } from '../../../api/kinds/host-ports.ts';

// Who is who: 192.0.2.1, 198.51.100.1 and 2001:db8::1 the node, 10.244.1.2 and fd00:10:244:1::2 the pod.
const serving = ['192.0.2.1', '198.51.100.1', '2001:db8::1', '127.0.0.1'];
const pod = {
  id: 'uid-1',
  ips: ['10.244.1.2', 'fd00:10:244:1::2'],
  pod: { uid: 'uid-1', namespace: 'default', name: 'web' },
};
const web: HostPort = { hostPort: 8080, containerPort: 80, protocol: 'TCP' };

/** Where one port is reached and what it leads to; `!`: only from the node itself. */
function routes(port: Partial<HostPort>, ips = pod.ips): string[] {
  const compiled = compileHostPorts({ ...pod, ips, ports: [{ ...web, ...port }] }, serving);
  return (compiled?.frontends ?? []).map(({ address, port, protocol, endpoints, outside }) => {
    const [endpoint] = endpoints;
    const only = outside?.length === 0 ? '!' : '';
    return `${protocol} ${address ?? ''}${only} ${port} → ${endpoint?.address ?? ''} ${endpoint?.port ?? ''}`;
  });
}

t.test('the node’s own addresses serve, and nobody else’s', (t) => {
  const ranges = {
    clusterCIDRs: ['10.244.0.0/16', 'fd00:10:244::/56'],
    serviceCIDRs: ['10.96.0.0/16', '203.0.113.0/28'],
    dnsIPs: ['169.254.20.10'],
  };
  const local = [
    ...['10.244.1.1', '10.96.0.10', '127.0.0.1', '127.0.0.53', '169.254.20.10', '192.0.2.1', '203.0.113.1'],
    ...['192.0.2.1', '2001:db8::1', '::1', 'fd00:10:244:1::1', 'fe80::1'],
  ];
  t.strictSame(servingAddresses(local, ranges), ['192.0.2.1', '2001:db8::1', '127.0.0.1']);
  t.end();
});

t.test('a port without hostIP is on every address of each family that the pod has', (t) => {
  const ipv4 = ['192.0.2.1', '198.51.100.1', '127.0.0.1!'].map((at) => `tcp ${at} 8080 → 10.244.1.2 80`);
  const ipv6 = ['tcp 2001:db8::1 8080 → fd00:10:244:1::2 80'];
  t.strictSame(routes({}), [...ipv4, ...ipv6]);
  t.strictSame(routes({}, ['10.244.1.2']), ipv4);
  t.strictSame(routes({ hostIP: '0.0.0.0' }), ipv4, 'any IPv4 address');
  t.strictSame(routes({ hostIP: '::' }), ipv6, 'any IPv6 address');
  t.strictSame(routes({ hostIP: '198.51.100.1', protocol: 'UDP' }), [
    'udp 198.51.100.1 8080 → 10.244.1.2 80',
  ]);
  t.strictSame(routes({ hostIP: '2001:db8:0::1' }), ipv6, 'however it is written');
  t.strictSame(routes({ hostIP: '127.0.0.1' }), ['tcp 127.0.0.1! 8080 → 10.244.1.2 80']);
  t.end();
});

t.test('what cannot be served is told', (t) => {
  const problems = (port: Partial<HostPort>, ips = pod.ips) =>
    compileHostPorts({ ...pod, ips, ports: [web, { ...web, ...port }] }, serving)?.problems;
  t.strictSame(problems({ hostIP: '192.0.2.9' }), [
    'hostPort 8080/TCP: hostIP 192.0.2.9 is no address of this node that can lead to pods; it has ' +
      serving.join(', '),
  ]);
  t.match(problems({ hostIP: 'node1' }), [/hostIP node1 is no address/]);
  t.match(problems({ hostIP: '2001:db8::1' }, ['10.244.1.2']), [
    /the pod has no address of hostIP 2001:db8::1's/,
  ]);
  t.equal(compileHostPorts(pod, serving), undefined, 'who claims nothing gets no rules');
  t.end();
});

t.test('rules are named after the pod, whatever a runtime calls its containers', (t) => {
  const named = (attachment: Partial<typeof pod>): string[] => {
    const compiled = compileHostPorts({ ...pod, ports: [web], ...attachment }, serving);
    return [...new Set(compiled?.frontends.map(({ name }) => name))];
  };
  t.strictSame(named({}), ['default/web hostPort']);
  const { ips } = pod;
  const bare = compileHostPorts({ id: 'cni:abc:et"h0\n', ips, ports: [web] }, serving);
  t.equal(bare?.frontends[0]?.name, 'cni:abc:et_h0_ hostPort');
  t.end();
});
