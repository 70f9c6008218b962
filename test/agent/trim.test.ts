import t from 'tap';

import { renderServiceEnvironment } from '../../agent/pods/service-environment.ts';
import { SharedValues } from '../../agent/shared-values.ts';
import { trimNode, trimService, trimSlice } from '../../agent/trim.ts';
import type { EndpointSlice } from '../../api/kinds/endpoint-slice.ts';
import type { Node } from '../../api/kinds/node.ts';
import type { Service } from '../../api/kinds/service.ts';
import { namedService } from '../../dns/named-service.ts';
import { compileService } from '../../iptables/services.ts';

const metadata = (name: string) => ({
  name,
  namespace: 'default',
  uid: `uid-${name}`,
  resourceVersion: '7',
  creationTimestamp: '2026-01-01T00:00:00Z',
  generation: 3,
  annotations: { 'example.test/notes': 'long' },
  ownerReferences: [{ apiVersion: 'v1', kind: 'Service', name: 'web', uid: 'u' }],
  managedFields: [{ manager: 'kubectl' }],
});

/** A Service with everything on it that the agent acts upon. */
const service: Service = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { ...metadata('web'), labels: { app: 'web' } },
  spec: {
    type: 'LoadBalancer',
    clusterIP: '10.96.0.20',
    clusterIPs: ['10.96.0.20', 'fd00:10:96::20'],
    ipFamilies: ['IPv4', 'IPv6'],
    ipFamilyPolicy: 'RequireDualStack',
    selector: { app: 'web' },
    ports: [{ name: 'http', port: 80, protocol: 'TCP', targetPort: 'http', nodePort: 30_080 }],
    externalIPs: ['203.0.113.1'],
    externalTrafficPolicy: 'Local',
    internalTrafficPolicy: 'Local',
    healthCheckNodePort: 30_500,
    loadBalancerClass: 'example.test/lb',
    loadBalancerSourceRanges: ['198.51.100.0/24'],
    publishNotReadyAddresses: true,
    sessionAffinity: 'ClientIP',
    sessionAffinityConfig: { clientIP: { timeoutSeconds: 5 } },
  },
  status: { loadBalancer: { ingress: [{ ip: '203.0.113.9', ipMode: 'VIP' }] } },
};

const slice: EndpointSlice = {
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { ...metadata('web-1'), labels: { app: 'web', 'kubernetes.io/service-name': 'web' } },
  addressType: 'IPv4',
  ports: [{ name: 'http', port: 8080, protocol: 'TCP', appProtocol: 'http' }],
  endpoints: [
    {
      addresses: ['10.244.1.2'],
      conditions: { ready: false, serving: true, terminating: true },
      nodeName: 'node1',
      hostname: 'web-0',
      zone: 'a',
      targetRef: { kind: 'Pod', name: 'web-0', uid: 'u' },
      hints: { forZones: [{ name: 'a' }], forNodes: [{ name: 'node1' }] },
    },
    { addresses: ['10.244.1.3'], conditions: { ready: true }, nodeName: 'node2' },
    { addresses: ['10.244.1.4'] },
  ],
};

const contexts = [
  { nodeName: 'node1', zone: 'a', dnsIPs: [] },
  { nodeName: 'node2', dnsIPs: [] },
];

t.test('what is kept says the same to every part that reads it', (t) => {
  const shared = new SharedValues();
  const variants: Partial<Service['spec']>[] = [
    {},
    { clusterIPs: ['10.96.0.20'], type: 'ClusterIP', internalTrafficPolicy: 'Cluster' },
    { clusterIP: 'None', clusterIPs: ['None'], type: 'ClusterIP' },
    { type: 'ExternalName', externalName: 'www.example.test' },
  ];
  for (const variant of variants) {
    const one = { ...service, spec: { ...service.spec, ...variant } };
    const [less, lessSlice] = [trimService(one, shared), trimSlice(slice, shared)];
    for (const context of contexts) {
      t.strictSame(
        compileService(less, [lessSlice], context),
        compileService(one, [slice], context),
        'rules',
      );
    }
    t.strictSame(namedService(less, [lessSlice]), namedService(one, [slice]), 'names');
    t.strictSame(
      renderServiceEnvironment([less], 'default', true),
      renderServiceEnvironment([one], 'default', true),
      'environment',
    );
  }
  t.end();
});

t.test('labels by which a Service is not ours stay', (t) => {
  const labels = { app: 'web', 'service.kubernetes.io/service-proxy-name': 'other' };
  const kept = trimService({ ...service, metadata: { ...service.metadata, labels } }, new SharedValues());
  t.strictSame(kept.metadata.labels, { 'service.kubernetes.io/service-proxy-name': 'other' });
  t.end();
});

t.test('the rest goes', (t) => {
  const shared = new SharedValues();
  const kept = JSON.stringify([trimService(service, shared), trimSlice(slice, shared)]);
  for (const word of [
    'managedFields',
    'annotations',
    'ownerReferences',
    'selector',
    'targetRef',
    'generation',
  ])
    t.notMatch(kept, word);
  for (const word of ['uid-web', 'uid-web-1', '"resourceVersion":"7"']) t.match(kept, word);
  t.end();
});

t.test('what many objects say is there once', (t) => {
  const shared = new SharedValues();
  const [a, b] = [trimSlice(structuredClone(slice), shared), trimSlice(structuredClone(slice), shared)];
  t.equal(a.ports, b.ports);
  t.equal(a.endpoints[0]?.conditions, b.endpoints[0]?.conditions);
  t.not(a.endpoints[0]?.conditions, a.endpoints[1]?.conditions);
  t.end();
});

t.test('a list without elements as Go writes it', (t) => {
  const empty = { ...slice, endpoints: null } as unknown as EndpointSlice;
  t.strictSame(trimSlice(empty, new SharedValues()).endpoints, []);
  t.end();
});

t.test('a node keeps what it says of itself, without its images', (t) => {
  const node: Node = {
    metadata: { ...metadata('node1'), labels: { 'topology.kubernetes.io/zone': 'a' } },
    spec: { podCIDR: '10.244.1.0/24', podCIDRs: ['10.244.1.0/24'] },
    status: {
      addresses: [{ type: 'InternalIP', address: '192.0.2.1' }],
      conditions: [{ type: 'Ready', status: 'True' }],
      images: [{ names: ['nginx'], sizeBytes: 1 }],
    },
  };
  t.strictSame(trimNode(node), {
    metadata: {
      name: 'node1',
      namespace: 'default',
      uid: 'uid-node1',
      resourceVersion: '7',
      creationTimestamp: '2026-01-01T00:00:00Z',
      labels: { 'topology.kubernetes.io/zone': 'a' },
    },
    spec: node.spec,
    status: { addresses: node.status?.addresses, conditions: node.status?.conditions },
  });
  t.end();
});
