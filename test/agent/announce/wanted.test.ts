import t from 'tap';
import { parseAddressPools } from '../../../api/address-pool.ts';
import { announcedAddresses, listCandidates, listWanted } from '../../../agent/announce/wanted.ts';
import type { EndpointSlice } from '../../../api/kinds/endpoint-slice.ts';
import type { Node } from '../../../api/kinds/node.ts';
import type { Service } from '../../../api/kinds/service.ts';

const pools = parseAddressPools(['192.0.2.16/28', '2001:db8::10-2001:db8::1f']);

function service(part: Partial<Service['spec']> = {}, ips = ['192.0.2.16'], ipMode = 'VIP'): Service {
  return {
    metadata: { name: 'web', namespace: 'default' },
    spec: { type: 'LoadBalancer', clusterIP: '10.96.0.1', ...part },
    status: { loadBalancer: { ingress: ips.map((ip) => ({ ip, ipMode })) } },
  };
}

t.test('which addresses are announced', (t) => {
  const of = (each: Service): string[] => announcedAddresses(each, pools);
  t.strictSame(of(service({}, ['192.0.2.16', '2001:DB8::10'])), ['192.0.2.16', '2001:db8::10']);
  t.strictSame(of(service({}, ['192.0.2.1', '2001:db8::1'])), [], "what is in no pool is somebody else's");
  t.strictSame(of(service({}, ['192.0.2.16'], 'Proxy')), []);
  t.strictSame(of(service({ type: 'NodePort' })), []);
  t.strictSame(of(service({ loadBalancerClass: 'example.org/other' })), [], "another controller's");
  const proxied = service();
  const labels = { 'service.kubernetes.io/service-proxy-name': 'other' };
  t.strictSame(of({ ...proxied, metadata: { ...proxied.metadata, labels } }), [], "another proxy's");
  const { status: _, ...without } = service();
  t.strictSame(of(without), []);
  t.end();
});

t.test('nodes that may announce', (t) => {
  const node = (name: string, ready: string, labels: Record<string, string> = {}): Node => ({
    metadata: { name, labels },
    status: { conditions: [{ type: 'Ready', status: ready }] },
  });
  const excluded = { 'node.kubernetes.io/exclude-from-external-load-balancers': '' };
  t.strictSame(listCandidates([node('b', 'True'), node('a', 'Unknown'), node('c', 'True', excluded)]), [
    { node: 'a', ready: false },
    { node: 'b', ready: true },
  ]);
  t.end();
});

t.test('externalTrafficPolicy Local: those with endpoints of the family', (t) => {
  const nodes = ['node1', 'node2', 'node3'].map((node) => ({ node, ready: true }));
  type Endpoint = EndpointSlice['endpoints'][number];
  const endpoint = (nodeName: string, conditions?: Endpoint['conditions']): Endpoint => ({
    addresses: ['10.244.1.2'],
    nodeName,
    ...(conditions && { conditions }),
  });
  const ends = { ready: false, serving: true, terminating: true };
  const candidates = (
    endpoints: Endpoint[],
    part: Partial<Service['spec']> = {},
    addressType = 'IPv4',
  ): string[] | undefined => {
    const slice = { metadata: { name: 's' }, addressType, endpoints } as EndpointSlice;
    const local = service({ externalTrafficPolicy: 'Local', ...part });
    const [wanted] = listWanted([{ key: 'default/web', service: local, slices: [slice] }], nodes, pools);
    return wanted?.candidates.map(({ node }) => node);
  };
  t.strictSame(candidates([]), []);
  t.strictSame(candidates([endpoint('node2', { ready: true }), endpoint('node9')]), ['node2']);
  t.strictSame(candidates([endpoint('node2')]), ['node2'], 'an unknown state counts as ready');
  t.strictSame(candidates([endpoint('node2', { ready: false })]), []);
  t.strictSame(candidates([endpoint('node2', { ready: false })], { publishNotReadyAddresses: true }), [
    'node2',
  ]);
  t.strictSame(candidates([endpoint('node1', ends), endpoint('node2')]), ['node2']);
  t.strictSame(candidates([endpoint('node1', ends)]), ['node1'], 'the last that serves, until it ends');
  t.strictSame(candidates([endpoint('node2')], {}, 'IPv6'), [], 'of another family');
  t.strictSame(candidates([], { externalTrafficPolicy: 'Cluster' }), ['node1', 'node2', 'node3']);
  t.end();
});
