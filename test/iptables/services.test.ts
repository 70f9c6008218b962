import t from 'tap';

import type { EndpointSlice } from '../../api/kinds/endpoint-slice.ts';
import type { Service } from '../../api/kinds/service.ts';
import type { CompiledService, Endpoint } from '../../iptables/model.ts';
import { compileService } from '../../iptables/services.ts';

const context = { nodeName: 'node1', zone: 'a', dnsIPs: ['10.96.0.10'] };

type Spec = Service['spec'];

function service(
  spec: Partial<Spec>,
  more: { labels?: Record<string, string>; status?: Service['status'] } = {},
): Service {
  const metadata = { name: 'web', namespace: 'default', creationTimestamp: '2026-01-01T00:00:00Z' };
  return {
    metadata: more.labels ? { ...metadata, labels: more.labels } : metadata,
    spec: {
      clusterIP: '10.96.0.20',
      clusterIPs: ['10.96.0.20'],
      ports: [{ port: 80, protocol: 'TCP' }],
      ...spec,
    },
    ...(more.status ? { status: more.status } : {}),
  };
}

interface Someone {
  address: string;
  node?: string;
  ready?: boolean;
  serving?: boolean;
  terminating?: boolean;
  forNodes?: string[];
  forZones?: string[];
}

function slice(someones: Someone[], part: Partial<EndpointSlice> = {}): EndpointSlice {
  return {
    metadata: { name: 'web-1', namespace: 'default' },
    addressType: 'IPv4',
    ports: [{ name: '', port: 8080, protocol: 'TCP' }],
    endpoints: someones.map(({ address, node, ready, serving, terminating, forNodes, forZones }) => ({
      addresses: [address],
      conditions: {
        ...(ready === undefined ? {} : { ready }),
        ...(serving === undefined ? {} : { serving }),
        ...(terminating === undefined ? {} : { terminating }),
      },
      ...(node === undefined ? {} : { nodeName: node }),
      hints: {
        ...(forNodes ? { forNodes: forNodes.map((name) => ({ name })) } : {}),
        ...(forZones ? { forZones: forZones.map((name) => ({ name })) } : {}),
      },
    })),
    ...part,
  };
}

const text = (endpoints: readonly Endpoint[]): string =>
  endpoints.map(({ address, port, local }) => `${address}:${String(port)}${local ? '*' : ''}`).join(' ');

/** One line per frontend: `clusterIP ipv4 tcp 10.96.0.20:80 → endpoints`, local ones with a star. */
function lines(compiled: CompiledService | undefined): string[] {
  return (compiled?.frontends ?? []).map(
    ({ kind, family, protocol, address, port, endpoints, whenEmpty, outside }) => {
      const to = endpoints.length > 0 ? text(endpoints) : whenEmpty;
      const others = outside ? ` | outside ${outside.length > 0 ? text(outside) : 'none'}` : '';
      return `${kind} ${family} ${protocol} ${address ?? 'node'}:${String(port)} → ${to}${others}`;
    },
  );
}

const compile = (one: Service, ...slices: EndpointSlice[]) => compileService(one, slices, context);

t.test('a plain Service', (t) => {
  const compiled = compile(
    service({}),
    slice([
      { address: '10.244.2.2', node: 'node2' },
      { address: '10.244.1.2', node: 'node1' },
    ]),
  );
  t.strictSame(lines(compiled), ['clusterIP ipv4 tcp 10.96.0.20:80 → 10.244.1.2:8080* 10.244.2.2:8080']);
  t.match(compiled, { key: 'default/web', created: '2026-01-01T00:00:00Z', problems: [] });
  t.equal(compiled?.frontends[0]?.name, 'default/web');
  t.end();
});

t.test('Services that are not ours', (t) => {
  t.equal(compile(service({ clusterIP: 'None', clusterIPs: ['None'] })), undefined, 'headless');
  t.equal(compile(service({ type: 'ExternalName' })), undefined);
  t.equal(
    compile(service({}, { labels: { 'service.kubernetes.io/service-proxy-name': 'other' } })),
    undefined,
  );
  t.equal(compile(service({}, { labels: { 'service.kubernetes.io/headless': '' } })), undefined);
  t.strictSame(lines(compile(service({ clusterIP: '', clusterIPs: [] }))), [], 'no address yet');
  t.strictSame(
    lines(compile(service({ clusterIP: '10.96.0.10', clusterIPs: ['10.96.0.10'] }))),
    [],
    'the DNS address',
  );
  t.end();
});

t.test('a Service that waits for its finalizers is served until it is gone', (t) => {
  const leaving = service({});
  leaving.metadata.deletionTimestamp = '2026-01-02T00:00:00Z';
  t.strictSame(lines(compile(leaving, slice([{ address: '10.244.1.2' }]))), [
    'clusterIP ipv4 tcp 10.96.0.20:80 → 10.244.1.2:8080',
  ]);
  t.end();
});

t.test('ports: by name, by protocol, resolved per slice', (t) => {
  const spec = {
    ports: [
      { name: 'http', port: 80, protocol: 'TCP' },
      { name: 'dns', port: 53, protocol: 'UDP' },
      { name: 'dns-tcp', port: 53, protocol: 'TCP' },
      { name: 'tunnel', port: 9, protocol: 'SCTP' },
    ],
  } as Partial<Spec>;
  const first = slice([{ address: '10.244.1.2' }], {
    ports: [
      { name: 'http', port: 8080, protocol: 'TCP' },
      { name: 'dns', port: 5353, protocol: 'UDP' },
    ],
  });
  const second = slice([{ address: '10.244.2.2' }], { ports: [{ name: 'http', port: 9090 }] });
  const compiled = compile(service(spec), first, second);
  t.strictSame(lines(compiled), [
    'clusterIP ipv4 tcp 10.96.0.20:80 → 10.244.1.2:8080 10.244.2.2:9090',
    'clusterIP ipv4 udp 10.96.0.20:53 → 10.244.1.2:5353',
    'clusterIP ipv4 tcp 10.96.0.20:53 → reject',
    'clusterIP ipv4 sctp 10.96.0.20:9 → reject',
  ]);
  t.equal(compiled?.frontends[0]?.name, 'default/web:http');
  t.end();
});

t.test('which endpoints: policy Cluster', (t) => {
  const expect = (someones: Someone[], endpoints: string, what: string, spec: Partial<Spec> = {}): void => {
    t.strictSame(
      lines(compile(service(spec), slice(someones))),
      [`clusterIP ipv4 tcp 10.96.0.20:80 → ${endpoints}`],
      what,
    );
  };
  const draining = { ready: false, serving: true, terminating: true };
  expect(
    [
      { address: '10.244.1.2', ready: true },
      { address: '10.244.1.3', ready: false },
    ],
    '10.244.1.2:8080',
    'ready ones',
  );
  expect([{ address: '10.244.1.2' }], '10.244.1.2:8080', 'unknown counts as ready');
  expect(
    [
      { address: '10.244.1.2', ready: true },
      { address: '10.244.1.3', ...draining },
    ],
    '10.244.1.2:8080',
    'not those that drain',
  );
  expect(
    [
      { address: '10.244.1.3', ...draining },
      { address: '10.244.1.4', ready: false },
    ],
    '10.244.1.3:8080',
    'unless nothing is ready',
  );
  expect([{ address: '10.244.1.4', ready: false, terminating: true }], 'reject', 'nobody serves');
  expect([{ address: '10.244.1.4', ready: false }], '10.244.1.4:8080', 'publishNotReadyAddresses', {
    publishNotReadyAddresses: true,
  });
  expect([{ address: '10.244.1.2' }, { address: '10.244.1.2' }], '10.244.1.2:8080', 'each once');
  expect(
    [{ address: 'nonsense' }, { address: 'fd00::1' }],
    'reject',
    'addresses that are none, or of the other family',
  );
  t.end();
});

t.test('hints', (t) => {
  const expect = (someones: Someone[], endpoints: string, what: string): void => {
    t.strictSame(
      lines(compile(service({}), slice(someones))),
      [`clusterIP ipv4 tcp 10.96.0.20:80 → ${endpoints}`],
      what,
    );
  };
  const [one, two] = [{ address: '10.0.0.1' }, { address: '10.0.0.2' }];
  expect(
    [
      { ...one, forZones: ['a'] },
      { ...two, forZones: ['b'] },
    ],
    '10.0.0.1:8080',
    'our zone',
  );
  expect([{ ...one, forZones: ['a'] }, two], '10.0.0.1:8080 10.0.0.2:8080', 'one without hints: all');
  expect(
    [
      { ...one, forZones: ['c'] },
      { ...two, forZones: ['b'] },
    ],
    '10.0.0.1:8080 10.0.0.2:8080',
    'none for us: all',
  );
  expect(
    [
      { ...one, forZones: ['a'], forNodes: ['node2'] },
      { ...two, forZones: ['b'], forNodes: ['node1'] },
    ],
    '10.0.0.2:8080',
    'node hints come first',
  );
  t.end();
});

t.test('several slices are one list: each address and port once, ready if any slice says so', (t) => {
  const merged = (...slices: EndpointSlice[]): string[] => lines(compile(service({}), ...slices));
  const [a, b] = [{ address: '10.244.1.2' }, { address: '10.244.1.3' }];
  t.strictSame(merged(slice([b]), slice([a]), slice([a, b])), [
    'clusterIP ipv4 tcp 10.96.0.20:80 → 10.244.1.2:8080 10.244.1.3:8080',
  ]);
  for (const slices of [
    [slice([{ ...a, ready: false }]), slice([{ ...a, ready: true }])],
    [slice([{ ...a, ready: true }]), slice([{ ...a, ready: false }])],
  ]) {
    t.strictSame(merged(...slices), ['clusterIP ipv4 tcp 10.96.0.20:80 → 10.244.1.2:8080']);
  }
  const otherPort = slice([a], { ports: [{ name: '', port: 9090, protocol: 'TCP' }] });
  t.strictSame(merged(slice([a]), otherPort), [
    'clusterIP ipv4 tcp 10.96.0.20:80 → 10.244.1.2:8080 10.244.1.2:9090',
  ]);
  const many = Array.from({ length: 40 }, (_, i) => slice([{ address: `10.244.2.${String(i)}` }]));
  t.equal(compile(service({}), ...many)?.frontends[0]?.endpoints.length, 40);
  t.strictSame(merged(slice([a], { addressType: 'FQDN' }), slice([a], { ports: [] })), [
    'clusterIP ipv4 tcp 10.96.0.20:80 → reject',
  ]);
  t.end();
});

t.test('hints that do not hold, and a traffic distribution without any', (t) => {
  const expect = (someones: Someone[], endpoints: string, what: string, spec: Partial<Spec> = {}): void => {
    const compiled = compile(service(spec), slice(someones));
    t.strictSame(lines(compiled), [`clusterIP ipv4 tcp 10.96.0.20:80 → ${endpoints}`], what);
  };
  const [one, two] = [{ address: '10.0.0.1' }, { address: '10.0.0.2' }];
  const all = '10.0.0.1:8080 10.0.0.2:8080';
  expect([one, two], all, 'trafficDistribution alone', { trafficDistribution: 'PreferClose' });
  expect(
    [
      { ...one, forNodes: ['node1'], forZones: ['b'] },
      { ...two, forZones: ['a'] },
    ],
    '10.0.0.2:8080',
    'one without a node hint: the zones',
  );
  expect(
    [
      { ...one, forNodes: ['node2'], forZones: ['a'] },
      { ...two, forNodes: ['node3'], forZones: ['b'] },
    ],
    '10.0.0.1:8080',
    'no node hint names this node: the zones',
  );
  expect(
    [
      { ...one, forZones: ['a'] },
      { ...two, ready: false },
    ],
    '10.0.0.1:8080',
    'of those that are not ready none is asked',
  );
  expect(
    [
      { ...one, ready: false, serving: true, terminating: true, forZones: ['b'] },
      { ...two, ready: false, serving: true, terminating: true, forZones: ['a'] },
    ],
    all,
    'hints choose among ready ones only',
  );
  t.end();
});

t.test('policy Local when its own endpoints drain, or nobody serves', (t) => {
  const draining = { ready: false, serving: true, terminating: true };
  const both = {
    internalTrafficPolicy: 'Local',
    externalTrafficPolicy: 'Local',
    ports: [{ port: 80, protocol: 'TCP', nodePort: 30_080 }],
  };
  const expect = (someones: Someone[], inside: string, outside: string, what: string): void => {
    const compiled = lines(compile(service(both), slice(someones)));
    const expected = [
      `clusterIP ipv4 tcp 10.96.0.20:80 → ${inside}`,
      `nodePort ipv4 tcp node:30080 → ${outside}`,
    ];
    t.strictSame(compiled, expected, what);
  };
  const here = { address: '10.244.1.2', node: 'node1' };
  const there = { address: '10.244.2.2', node: 'node2' };
  expect(
    [{ ...here, ...draining }, there],
    '10.244.1.2:8080*',
    '10.244.2.2:8080 | outside 10.244.1.2:8080*',
    'the local one drains',
  );
  expect(
    [
      { ...here, ...draining },
      { ...there, ...draining },
    ],
    '10.244.1.2:8080*',
    '10.244.1.2:8080* 10.244.2.2:8080 | outside 10.244.1.2:8080*',
    'all drain',
  );
  expect(
    [{ ...here, ready: false, terminating: true }, there],
    'drop',
    '10.244.2.2:8080 | outside none',
    'the local one serves no more',
  );
  expect([{ ...there, ready: false }], 'reject', 'reject | outside none', 'nobody anywhere');
  t.end();
});

t.test('publishNotReadyAddresses: also those that drain, and those that serve no more', (t) => {
  const compiled = compile(
    service({ publishNotReadyAddresses: true }),
    slice([
      { address: '10.244.1.2', ready: false, serving: true, terminating: true },
      { address: '10.244.1.3', ready: false, serving: false, terminating: true },
    ]),
  );
  t.strictSame(lines(compiled), ['clusterIP ipv4 tcp 10.96.0.20:80 → 10.244.1.2:8080 10.244.1.3:8080']);
  t.end();
});

t.test('policy Local', (t) => {
  const everywhere = slice([
    { address: '10.244.1.2', node: 'node1' },
    { address: '10.244.2.2', node: 'node2' },
  ]);
  const elsewhere = slice([{ address: '10.244.2.2', node: 'node2' }]);
  const drainingHere = slice([
    { address: '10.244.1.2', node: 'node1', ready: false, serving: true, terminating: true },
    { address: '10.244.2.2', node: 'node2' },
  ]);
  const inside = service({ internalTrafficPolicy: 'Local' });
  t.strictSame(lines(compile(inside, everywhere)), ['clusterIP ipv4 tcp 10.96.0.20:80 → 10.244.1.2:8080*']);
  t.strictSame(lines(compile(inside, elsewhere)), ['clusterIP ipv4 tcp 10.96.0.20:80 → drop']);
  t.strictSame(lines(compile(inside)), ['clusterIP ipv4 tcp 10.96.0.20:80 → reject']);
  t.strictSame(lines(compile(inside, drainingHere)), ['clusterIP ipv4 tcp 10.96.0.20:80 → 10.244.1.2:8080*']);
  const outside = service({
    externalTrafficPolicy: 'Local',
    ports: [{ port: 80, protocol: 'TCP', nodePort: 30_080 }],
  });
  t.strictSame(lines(compile(outside, everywhere)), [
    'clusterIP ipv4 tcp 10.96.0.20:80 → 10.244.1.2:8080* 10.244.2.2:8080',
    'nodePort ipv4 tcp node:30080 → 10.244.1.2:8080* 10.244.2.2:8080 | outside 10.244.1.2:8080*',
  ]);
  t.strictSame(
    lines(compile(outside, elsewhere))[1],
    'nodePort ipv4 tcp node:30080 → 10.244.2.2:8080 | outside none',
  );
  t.end();
});

t.test('every kind of address, both families', (t) => {
  const one = service(
    {
      clusterIPs: ['10.96.0.20', 'fd00:10:96::0020'],
      externalIPs: ['203.0.113.1', '2001:DB8::1', '203.0.113.1'],
      loadBalancerSourceRanges: [' 198.51.100.7/24 ', '198.51.100.0/28', '2001:db8::/32'],
      ports: [{ port: 80, protocol: 'TCP', nodePort: 30_080 }],
    },
    {
      status: {
        loadBalancer: {
          ingress: [{ ip: '203.0.113.9' }, { ip: '203.0.113.10', ipMode: 'Proxy' }, { hostname: 'x' }],
        },
      },
    },
  );
  const compiled = compile(
    one,
    slice([{ address: '10.244.1.2' }]),
    slice([{ address: 'fd00:10:244::2' }], { addressType: 'IPv6' }),
  );
  t.strictSame(lines(compiled), [
    'clusterIP ipv4 tcp 10.96.0.20:80 → 10.244.1.2:8080',
    'externalIP ipv4 tcp 203.0.113.1:80 → 10.244.1.2:8080',
    'loadBalancer ipv4 tcp 203.0.113.9:80 → 10.244.1.2:8080',
    'nodePort ipv4 tcp node:30080 → 10.244.1.2:8080',
    'clusterIP ipv6 tcp fd00:10:96::20:80 → fd00:10:244::2:8080',
    'externalIP ipv6 tcp 2001:db8::1:80 → fd00:10:244::2:8080',
    'nodePort ipv6 tcp node:30080 → fd00:10:244::2:8080',
  ]);
  t.strictSame(
    compiled?.frontends.map(({ sourceRanges }) => sourceRanges),
    [undefined, undefined, ['198.51.100.0/24'], undefined, undefined, undefined, undefined],
    'source ranges are for the load balancer address, normalized, without those inside others',
  );
  t.end();
});

t.test('what a load balancer is told about this node', (t) => {
  const asked = { type: 'LoadBalancer', externalTrafficPolicy: 'Local', healthCheckNodePort: 30_500 };
  const ports = [
    { name: 'a', port: 80, protocol: 'TCP' },
    { name: 'b', port: 81, protocol: 'TCP' },
  ];
  const clusterIPs = ['10.96.0.20', 'fd00:10:96::20'];
  const named = { ports: ports.map(({ name, protocol }) => ({ name, port: 8080, protocol })) };
  const check = (spec: Partial<Spec>, ...slices: EndpointSlice[]): unknown =>
    compile(service({ ports, clusterIPs, ...asked, ...spec }), ...slices)?.healthCheck;
  const four = slice(
    [
      { address: '10.244.1.2', node: 'node1' },
      { address: '10.244.1.3', node: 'node1', ready: false, serving: true, terminating: true },
      { address: '10.244.2.2', node: 'node2' },
    ],
    named,
  );
  const six = slice([{ address: 'fd00:10:244:2::2', node: 'node2' }], { addressType: 'IPv6', ...named });
  t.strictSame(
    check({}, four, six),
    { port: 30_500, localEndpoints: { ipv4: 1, ipv6: 0 } },
    'the ready ones here, once for all ports, by family',
  );
  t.equal(check({ externalTrafficPolicy: 'Cluster' }, four), undefined, 'every node will do');
  t.equal(check({ type: 'NodePort' }, four), undefined, 'nobody asks');
  t.equal(check({ healthCheckNodePort: 70_000 }, four), undefined);
  t.end();
});

t.test('session affinity', (t) => {
  const seconds = (spec: Partial<Spec>): unknown => compile(service(spec))?.frontends[0]?.affinitySeconds;
  t.equal(seconds({ sessionAffinity: 'None' }), undefined);
  t.equal(seconds({ sessionAffinity: 'ClientIP' }), 10_800);
  t.equal(
    seconds({ sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 5 } } }),
    5,
  );
  t.end();
});

t.test('nonsense is named and left out', (t) => {
  const compiled = compile(
    service({
      externalIPs: ['300.1.1.1', '203.0.113.1'],
      loadBalancerSourceRanges: ['10.0.0.0/99'],
      ports: [
        { port: 80, protocol: 'TCP' },
        { name: 'Bad "name"', port: 81, protocol: 'TCP' },
        { name: 'high', port: 70_000, protocol: 'TCP' },
        { name: 'odd', port: 82, protocol: 'ICMP' },
      ],
    }),
  );
  t.strictSame(lines(compiled), [
    'clusterIP ipv4 tcp 10.96.0.20:80 → reject',
    'externalIP ipv4 tcp 203.0.113.1:80 → reject',
  ]);
  t.strictSame(compiled?.problems, [
    'externalIPs: "300.1.1.1" is not an address',
    'loadBalancerSourceRanges: "10.0.0.0/99" is not a CIDR',
    'port Bad "name": protocol, number or name is not valid',
    'port high: protocol, number or name is not valid',
    'port odd: protocol, number or name is not valid',
  ]);
  t.end();
});
