import t from 'tap';
import { configMapKind } from '../../../api/kinds/config-map.ts';
import { endpointSliceKind } from '../../../api/kinds/endpoint-slice.ts';
import { endpointsKind } from '../../../api/kinds/endpoints.ts';
import { eventKind } from '../../../api/kinds/event.ts';
import { leaseKind } from '../../../api/kinds/lease.ts';
import { namespaceKind } from '../../../api/kinds/namespace.ts';
import { nodeKind } from '../../../api/kinds/node.ts';
import { podKind } from '../../../api/kinds/pod.ts';
import { replicationControllerKind } from '../../../api/kinds/replication-controller.ts';
import { secretKind } from '../../../api/kinds/secret.ts';
import { serviceKind } from '../../../api/kinds/service.ts';
import { container, create, mistakes, pod, service } from './objects.ts';

type Part = Record<string, unknown>;

/** Runs `cases`: what a new object of `kind` made from each part is told. */
function table(name: string, cases: [unknown, string[]][], check: (part: unknown) => string[]): void {
  t.test(name, (t) => {
    for (const [part, expected] of cases) {
      const found = check(part);
      t.equal(found.length, expected.length, `${JSON.stringify(part)} → ${found.join(' | ')}`);
      for (const [index, text] of expected.entries())
        t.ok(found[index]?.startsWith(text), `${text} ≠ ${found[index] ?? ''}`);
    }
    t.end();
  });
}

table(
  'metadata',
  [
    [{ name: 'web-1.example' }, []],
    [{ name: '' }, ['metadata.name: Required value: name or generateName is required']],
    [{ name: '', generateName: 'web-' }, []],
    [{ name: 'Web' }, ['metadata.name: Invalid value: "Web": a lowercase RFC 1123 subdomain']],
    [{ name: 'a'.repeat(254) }, ['metadata.name: Invalid value: "aaa']],
    [{ namespace: '' }, ['metadata.namespace: Required value']],
    [{ labels: { 'example.com/tier': 'front' } }, []],
    [{ labels: { 'a b': 'c' } }, ['metadata.labels: Invalid value: "a b": name part must consist']],
    [{ labels: { a: 'c d' } }, ['metadata.labels: Invalid value: "c d": a valid label must be']],
    [{ labels: { '/a': '' } }, ['metadata.labels: Invalid value: "/a": prefix part must be non-empty']],
    [{ annotations: { big: 'x'.repeat(262_145) } }, ['metadata.annotations: Too long']],
    [
      { ownerReferences: [{ apiVersion: 'v1', kind: 'A', name: 'a', uid: '' }] },
      ['metadata.ownerReferences[0].uid: Invalid value: ""'],
    ],
    [
      { ownerReferences: [{ kind: 'A' }] },
      [
        'metadata.ownerReferences[0].apiVersion: Required value',
        'metadata.ownerReferences[0].name: Required value',
        'metadata.ownerReferences[0].uid: Required value',
      ],
    ],
    [{ finalizers: ['no space'] }, ['metadata.finalizers[0]: Invalid value: "no space"']],
  ],
  (metadata) => mistakes(podKind, pod({}, metadata as Part)),
);

/** Of 200 characters. */
const longDomain = Array<string>(20).fill('a'.repeat(9)).join('.') + '.';

table(
  'pod spec',
  [
    [{}, []],
    [{ containers: [] }, ['spec.containers: Required value']],
    [{ containers: [{ name: 'a' }] }, ['spec.containers[0].image: Required value']],
    [{ containers: [{ image: 'a' }] }, ['spec.containers[0].name: Required value']],
    [{ containers: [container(), container()] }, ['spec.containers[1].name: Duplicate value: "main"']],
    [{ initContainers: [container()] }, ['spec.initContainers[0].name: Duplicate value: "main"']],
    [
      { initContainers: [container({ name: 'init', readinessProbe: { tcpSocket: { port: 80 } } })] },
      ['spec.initContainers[0].readinessProbe: Forbidden: may not be set for init containers'],
    ],
    [
      { restartPolicy: 'Maybe' },
      ['spec.restartPolicy: Unsupported value: "Maybe": supported values: "Always", "Never", "OnFailure"'],
    ],
    [{ terminationGracePeriodSeconds: -1 }, ['spec.terminationGracePeriodSeconds: Invalid value: -1']],
    [{ activeDeadlineSeconds: 0 }, ['spec.activeDeadlineSeconds: Invalid value: 0']],
    [{ hostname: 'a.b' }, ['spec.hostname: Invalid value: "a.b"']],
    [{ nodeSelector: { a: 'b c' } }, ['spec.nodeSelector: Invalid value: "b c"']],
    [{ dnsPolicy: 'None' }, ['spec.dnsConfig: Required value: must provide at least one DNS nameserver']],
    [{ dnsPolicy: 'None', dnsConfig: { nameservers: ['10.0.0.10'] } }, []],
    [
      { dnsConfig: { nameservers: ['a', '1.1.1.1', '::1', '9.9.9.9'] } },
      [
        'spec.dnsConfig.nameservers: Too many: must have at most 3 items',
        'spec.dnsConfig.nameservers[0]: Invalid value: "a"',
      ],
    ],
    [{ dnsConfig: { searches: ['.', 'shop.svc.cluster.local.', '_tcp.example.org'] } }, []],
    [
      { dnsConfig: { searches: ['a..b', 'Upper', ...Array<string>(31).fill('example.org')] } },
      [
        'spec.dnsConfig.searches: Too many: must have at most 32 items',
        'spec.dnsConfig.searches[0]: Invalid value: "a..b"',
        'spec.dnsConfig.searches[1]: Invalid value: "Upper"',
      ],
    ],
    [{ dnsConfig: { searches: Array<string>(10).fill(longDomain) } }, []],
    [
      { dnsConfig: { searches: Array<string>(11).fill(longDomain) } },
      ['spec.dnsConfig.searches: Invalid value: '],
    ],
    [
      { hostAliases: [{ ip: 'x', hostnames: ['a_b'] }] },
      ['spec.hostAliases[0].ip: Invalid value: "x"', 'spec.hostAliases[0].hostnames: Invalid value: "a_b"'],
    ],
    [
      {
        containers: ['a', 'b'].map((name) => ({
          name,
          image: 'nginx',
          ports: [
            { containerPort: 80, hostPort: 8080 },
            { containerPort: 80, hostPort: 8080, protocol: 'UDP' },
            { containerPort: 80, hostPort: 8080, hostIP: name === 'a' ? '192.0.2.1' : '192.0.2.2' },
          ],
        })),
      },
      [
        'spec.containers[1].ports[0].hostPort: Duplicate value: "TCP//8080"',
        'spec.containers[1].ports[1].hostPort: Duplicate value: "UDP//8080"',
      ],
    ],
    [{ volumes: [{ name: 'v' }, { name: 'v' }] }, ['spec.volumes[1].name: Duplicate value: "v"']],
    [
      { volumes: [{ name: 'v', emptyDir: {}, hostPath: { path: '/x' } }] },
      ['spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type'],
    ],
    [{ volumes: [{ name: 'v', secret: {} }] }, ['spec.volumes[0].secret.secretName: Required value']],
    [
      { volumes: [{ name: 'v', hostPath: { path: '/a/../b' } }] },
      ['spec.volumes[0].hostPath.path: Invalid value'],
    ],
  ],
  (spec) => mistakes(podKind, pod(spec as Part)),
);

table(
  'containers',
  [
    [
      {
        ports: [
          { containerPort: 80, name: 'http' },
          { containerPort: 81, name: 'http' },
        ],
      },
      ['spec.containers[0].ports[1].name: Duplicate value: "http"'],
    ],
    [
      { ports: [{ containerPort: 0 }] },
      ['spec.containers[0].ports[0].containerPort: Invalid value: 0: must be between 1 and 65535, inclusive'],
    ],
    [
      { ports: [{ containerPort: 80, protocol: 'ICMP' }] },
      [
        'spec.containers[0].ports[0].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"',
      ],
    ],
    [{ ports: [{ name: 'x' }] }, ['spec.containers[0].ports[0].containerPort: Required value']],
    [
      { ports: [{ containerPort: 80, name: 'toolongportname1' }] },
      ['spec.containers[0].ports[0].name: Invalid value: "toolongportname1": must be no more than 15'],
    ],
    [{ env: [{ name: '' }] }, ['spec.containers[0].env[0].name: Required value']],
    [{ env: [{ name: 'A=B' }] }, ['spec.containers[0].env[0].name: Invalid value: "A=B"']],
    [
      { env: [{ name: 'A', value: 'x', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } }] },
      [
        'spec.containers[0].env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty',
      ],
    ],
    [
      { env: [{ name: 'A', valueFrom: {} }] },
      ['spec.containers[0].env[0].valueFrom: Invalid value: "": must specify one of'],
    ],
    [
      { env: [{ name: 'A', valueFrom: { secretKeyRef: { key: 'k' } } }] },
      ['spec.containers[0].env[0].valueFrom.secretKeyRef.name: Required value'],
    ],
    [{ envFrom: [{}] }, ['spec.containers[0].envFrom[0]: Invalid value: "": must specify one of']],
    [
      { envFrom: [{ configMapRef: {} }] },
      ['spec.containers[0].envFrom[0].configMapRef.name: Required value'],
    ],
    [
      { volumeMounts: [{ name: 'v', mountPath: '/x' }] },
      ['spec.containers[0].volumeMounts[0].name: Not found: "v"'],
    ],
    [
      { livenessProbe: {} },
      ['spec.containers[0].livenessProbe: Required value: must specify a handler type'],
    ],
    [
      { readinessProbe: { httpGet: { port: 80 }, exec: { command: ['x'] } } },
      ['spec.containers[0].readinessProbe.httpGet: Forbidden: may not specify more than 1 handler type'],
    ],
    [
      { livenessProbe: { tcpSocket: { port: 80 }, successThreshold: 2 } },
      ['spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1'],
    ],
    [{ readinessProbe: { tcpSocket: { port: 80 }, successThreshold: 2 } }, []],
    [
      { readinessProbe: { httpGet: { port: 70000 } } },
      ['spec.containers[0].readinessProbe.httpGet.port: Invalid value: 70000'],
    ],
    [
      { resources: { requests: { cpu: '2' }, limits: { cpu: '1500m' } } },
      [
        'spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1500m',
      ],
    ],
    [
      { resources: { limits: { memory: '-1' } } },
      [
        'spec.containers[0].resources.limits[memory]: Invalid value: "-1"',
        'spec.containers[0].resources.requests[memory]: Invalid value: "-1"',
      ],
    ],
    [
      { imagePullPolicy: 'Sometimes' },
      ['spec.containers[0].imagePullPolicy: Unsupported value: "Sometimes"'],
    ],
  ],
  (fields) => mistakes(podKind, pod({ containers: [container(fields as Part)] })),
);

t.test('a pod keeps its spec, but for its images', (t) => {
  const old = create(podKind, pod());
  t.strictSame(
    mistakes(podKind, pod({ containers: [container({ image: 'nginx:2', imagePullPolicy: 'Always' })] }), old),
    [],
  );
  const [refused] = mistakes(podKind, pod({ hostNetwork: true }), old);
  t.match(refused, /^spec: Forbidden: pod updates may not change fields other than/);
  t.end();
});

t.test('metadata keeps its identity', (t) => {
  const old = create(podKind, pod({}, { uid: 'u1' }));
  t.strictSame(mistakes(podKind, pod({}, { uid: 'u2' }), old), [
    'metadata.uid: Invalid value: "u2": field is immutable',
  ]);
  const dying = create(podKind, pod({}, { deletionTimestamp: '2026-01-01T00:00:00Z' }));
  t.match(mistakes(podKind, pod({}, { finalizers: ['a/b'] }), dying)[0], /no new finalizers can be added/);
  t.end();
});

table(
  'services',
  [
    [{}, []],
    [{ ports: [] }, ['spec.ports: Required value']],
    [{ ports: [], clusterIP: 'None' }, []],
    [
      { ports: [{ port: 80 }, { port: 81 }] },
      ['spec.ports[0].name: Required value', 'spec.ports[1].name: Required value'],
    ],
    [
      {
        ports: [
          { port: 80, name: 'a' },
          { port: 80, name: 'a' },
        ],
      },
      [
        'spec.ports[1].name: Duplicate value: "a"',
        'spec.ports[1]: Duplicate value: {"port":80,"protocol":"TCP"}',
      ],
    ],
    [
      {
        ports: [
          { port: 53, name: 'a' },
          { port: 53, name: 'b', protocol: 'UDP' },
        ],
      },
      [],
    ],
    [
      { ports: [{ port: 70000 }] },
      ['spec.ports[0].port: Invalid value: 70000', 'spec.ports[0].targetPort: Invalid value: 70000'],
    ],
    [
      { ports: [{ port: 80, nodePort: 30000 }] },
      ["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"],
    ],
    [{ type: 'NodePort', ports: [{ port: 80, nodePort: 30000 }] }, []],
    [
      { type: 'NodePort', clusterIP: 'None' },
      ['spec.clusterIPs[0]: Invalid value: "None": may not be set to \'None\' for NodePort services'],
    ],
    [
      { type: 'Magic' },
      [
        'spec.type: Unsupported value: "Magic": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"',
      ],
    ],
    [{ type: 'ExternalName' }, ['spec.externalName: Required value']],
    [{ type: 'ExternalName', externalName: 'a.example.', ports: [] }, []],
    [
      { type: 'ExternalName', externalName: 'a', clusterIP: '10.0.0.1' },
      ['spec.clusterIPs: Forbidden: may not be set for ExternalName services'],
    ],
    [{ clusterIP: '10.0.0' }, ['spec.clusterIPs[0]: Invalid value: "10.0.0"']],
    [
      { clusterIP: '10.0.0.1', clusterIPs: ['10.0.0.2'] },
      ['spec.clusterIPs: Invalid value: ["10.0.0.2"]: first value must match `clusterIP`'],
    ],
    [
      { clusterIPs: ['10.0.0.1', '10.0.0.2'] },
      [
        'spec.clusterIPs: Invalid value: ["10.0.0.1","10.0.0.2"]: may only hold one address of each IP family',
      ],
    ],
    [
      { clusterIPs: ['fd00::1'], ipFamilies: ['IPv4'] },
      ['spec.clusterIPs[0]: Invalid value: "fd00::1": expected an IPv4 value'],
    ],
    [
      { ipFamilies: ['IPv4', 'IPv4'], ipFamilyPolicy: 'RequireDualStack' },
      ['spec.ipFamilies[1]: Duplicate value: "IPv4"'],
    ],
    [
      { externalIPs: ['127.0.0.1', '203.0.113.7'] },
      ['spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback range'],
    ],
    [{ externalTrafficPolicy: 'Local' }, ['spec.externalTrafficPolicy: Invalid value: "Local"']],
    [
      { loadBalancerSourceRanges: ['10.0.0.0/8'] },
      ["spec.loadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'"],
    ],
    [
      { type: 'LoadBalancer', loadBalancerSourceRanges: ['10.0.0.0/8', 'x'] },
      ['spec.loadBalancerSourceRanges[1]: Invalid value: "x"'],
    ],
    [
      { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 90000 } } },
      ['spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 90000'],
    ],
  ],
  (spec) => mistakes(serviceKind, service(spec as Part)),
);

t.test('a Service keeps its cluster address and its family', (t) => {
  const old = create(serviceKind, service({ clusterIP: '10.0.0.1', ipFamilies: ['IPv4'] }));
  t.strictSame(mistakes(serviceKind, service({ clusterIP: '10.0.0.1' }), old), []);
  t.strictSame(mistakes(serviceKind, service({ clusterIP: '10.0.0.2' }), old), [
    'spec.clusterIPs[0]: Invalid value: "10.0.0.2": field is immutable',
  ]);
  t.strictSame(
    mistakes(serviceKind, service({ clusterIP: '10.0.0.1', clusterIPs: ['10.0.0.1', 'fd00::1'] }), old),
    [],
  );
  t.end();
});

t.test('a Service name is a DNS-1035 label', (t) => {
  const value = { ...service(), metadata: { name: '1web', namespace: 'default' } };
  t.match(mistakes(serviceKind, value)[0], /^metadata.name: Invalid value: "1web": a DNS-1035 label/);
  t.end();
});

const template = { metadata: { labels: { app: 'web' } }, spec: { containers: [container()] } };

table(
  'replication controllers',
  [
    [{ template }, []],
    [{}, ['spec.selector: Required value', 'spec.template: Required value']],
    [{ template, replicas: -1 }, ['spec.replicas: Invalid value: -1']],
    [
      { template, selector: { app: 'x' } },
      [
        'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`',
      ],
    ],
    [
      { template: { ...template, spec: { containers: [] } } },
      ['spec.template.spec.containers: Required value'],
    ],
    [
      { template: { ...template, spec: { ...template.spec, restartPolicy: 'Never' } } },
      ['spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"'],
    ],
  ],
  (spec) => mistakes(replicationControllerKind, { metadata: { name: 'web', namespace: 'default' }, spec }),
);

const named = { metadata: { name: 'web', namespace: 'default' } };

table(
  'endpoints',
  [
    [[{ addresses: [{ ip: '10.1.1.1' }], ports: [{ port: 80 }] }], []],
    [[{}], ['subsets[0]: Required value']],
    [
      [{ addresses: [{ ip: '::1' }], ports: [{ port: 80 }] }],
      ['subsets[0].addresses[0].ip: Invalid value: "::1": may not be in the loopback range'],
    ],
    [
      [{ addresses: [{ ip: 'x' }], ports: [{ port: 0 }, { port: 1, name: 'b' }] }],
      [
        'subsets[0].addresses[0].ip: Invalid value: "x": must be a valid IP address',
        'subsets[0].ports[0].name: Required value',
        'subsets[0].ports[0].port: Invalid value: 0',
      ],
    ],
  ],
  (subsets) => mistakes(endpointsKind, { ...named, subsets }),
);

table(
  'endpoint slices',
  [
    [{ addressType: 'IPv4', endpoints: [{ addresses: ['10.1.1.1'] }], ports: [{ port: 80 }] }, []],
    [{}, ['addressType: Required value']],
    [
      { addressType: 'IPv5' },
      ['addressType: Unsupported value: "IPv5": supported values: "FQDN", "IPv4", "IPv6"'],
    ],
    [
      { addressType: 'IPv6', endpoints: [{ addresses: ['10.1.1.1'] }] },
      ['endpoints[0].addresses[0]: Invalid value: "10.1.1.1": must be a valid IPv6 address'],
    ],
    [{ addressType: 'IPv4', endpoints: [{}] }, ['endpoints[0].addresses: Required value']],
    [{ addressType: 'IPv4', ports: [{ port: 1 }, { port: 2 }] }, ['ports[1].name: Duplicate value: ""']],
  ],
  (fields) => mistakes(endpointSliceKind, { ...named, ...(fields as Part) }),
);

table(
  'nodes',
  [
    [{ podCIDRs: ['10.244.0.0/24', 'fd00::/64'] }, []],
    [
      { podCIDR: '10.244.0.0' },
      [
        'spec.podCIDRs[0]: Invalid value: "10.244.0.0": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)',
      ],
    ],
    [
      { podCIDRs: ['10.244.0.0/33'] },
      ['spec.podCIDRs[0]: Invalid value: "10.244.0.0/33": must be a valid CIDR value'],
    ],
    [
      { podCIDR: '10.244.1.0/24', podCIDRs: ['10.244.0.0/24', 'fd00::/64'] },
      ['spec.podCIDRs[0]: Invalid value: "10.244.0.0/24": must be the same as spec.podCIDR'],
    ],
    [
      { podCIDRs: ['10.244.0.0/24', 'fd00::/64', 'x'] },
      [
        'spec.podCIDRs[2]: Invalid value: "x": must be a valid CIDR value',
        'spec.podCIDRs: Invalid value: ["10.244.0.0/24","fd00::/64","x"]: may specify no more than one CIDR for each IP family',
      ],
    ],
    [{ podCIDRs: ['10.244.0.0/24', '10.244.1.0/24'] }, ['spec.podCIDRs: Invalid value']],
    [
      {
        taints: [
          { key: 'a', effect: 'NoSchedule' },
          { key: 'a', effect: 'NoSchedule' },
        ],
      },
      ['spec.taints[1]: Duplicate value: "a:NoSchedule"'],
    ],
    [{ taints: [{ key: 'a', effect: 'x' }] }, ['spec.taints[0].effect: Unsupported value: "x"']],
  ],
  (spec) => mistakes(nodeKind, { metadata: { name: 'node1' }, spec }),
);

t.test('a node keeps its pod ranges', (t) => {
  const node = (spec: Part) => ({ metadata: { name: 'node1' }, spec });
  const bare = create(nodeKind, node({}));
  t.strictSame(mistakes(nodeKind, node({ podCIDRs: ['10.244.0.0/24'] }), bare), []);
  const given = create(nodeKind, node({ podCIDRs: ['10.244.0.0/24'] }));
  const why = 'spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid';
  const changes: Part[] = [
    { podCIDRs: ['10.244.1.0/24'] },
    { podCIDR: '10.244.1.0/24' },
    { podCIDR: '10.244.1.0/24', podCIDRs: ['10.244.0.0/24'] },
    { podCIDRs: ['10.244.0.0/24', 'fd00::/64'] },
    {},
  ];
  for (const spec of changes)
    t.equal(mistakes(nodeKind, node(spec), given).at(-1), why, JSON.stringify(spec));
  t.end();
});

t.test('config maps and secrets', (t) => {
  const map = (fields: Part) => ({ ...named, ...fields });
  t.strictSame(mistakes(configMapKind, map({ data: { 'a.conf': '' } })), []);
  t.match(mistakes(configMapKind, map({ data: { 'a/b': '' } })), ['data[a/b]: Invalid value: "a/b"']);
  t.match(mistakes(configMapKind, map({ data: { a: '' }, binaryData: { a: '' } })), [
    'data[a]: Invalid value: "a": duplicate',
  ]);
  t.strictSame(mistakes(configMapKind, map({ data: { a: 'x'.repeat(1048577) } })), [
    'data: Too long: may not be more than 1048576 bytes',
  ]);
  const fixed = create(configMapKind, map({ data: { a: '1' }, immutable: true }));
  t.strictSame(mistakes(configMapKind, map({ data: { a: '2' }, immutable: true }), fixed), [
    'data: Forbidden: field is immutable when `immutable` is set',
  ]);
  t.strictSame(mistakes(configMapKind, map({ data: { a: '1' } }), fixed), [
    'immutable: Forbidden: field is immutable when `immutable` is set',
  ]);
  t.strictSame(mistakes(secretKind, map({ type: 'kubernetes.io/tls', stringData: { 'tls.crt': 'x' } })), [
    'data[tls.key]: Required value',
  ]);
  const opaque = create(secretKind, map({}));
  t.strictSame(mistakes(secretKind, map({ type: 'other' }), opaque), [
    'type: Invalid value: "other": field is immutable',
  ]);
  t.end();
});

t.test('namespaces, events, leases', (t) => {
  t.match(mistakes(namespaceKind, { metadata: { name: 'a.b' } }), [
    'metadata.name: Invalid value: "a.b": a lowercase RFC 1123 label',
  ]);
  t.match(mistakes(namespaceKind, { metadata: { name: 'a', namespace: 'b' } }), [
    'metadata.namespace: Forbidden',
  ]);
  t.match(mistakes(eventKind, { ...named, involvedObject: { namespace: 'other' } }), [
    'involvedObject.namespace: Invalid value: "other": does not match',
  ]);
  t.strictSame(mistakes(eventKind, { ...named, involvedObject: { kind: 'Node', name: 'node1' } }), []);
  t.strictSame(mistakes(eventKind, named), ['involvedObject: Required value']);
  t.strictSame(mistakes(leaseKind, { ...named, spec: { leaseDurationSeconds: 0 } }), [
    'spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0',
  ]);
  t.end();
});
