import t from 'tap';
import { renderDuration } from '../../../api/kinds/age.ts';
import { configMapKind } from '../../../api/kinds/config-map.ts';
import { endpointSliceKind } from '../../../api/kinds/endpoint-slice.ts';
import { endpointsKind } from '../../../api/kinds/endpoints.ts';
import { eventKind } from '../../../api/kinds/event.ts';
import { nodeKind } from '../../../api/kinds/node.ts';
import { podKind, type Pod } from '../../../api/kinds/pod.ts';
import { kinds } from '../../../api/kinds/registry.ts';
import { replicationControllerKind } from '../../../api/kinds/replication-controller.ts';
import { serviceKind, type Service } from '../../../api/kinds/service.ts';

const now = Date.parse('2026-01-01T01:00:00Z');
const metadata = { name: 'web', namespace: 'default', creationTimestamp: '2026-01-01T00:55:00Z' };

t.test('ages', (t) => {
  const ages: [number, string][] = [
    [-5, '<invalid>'],
    [0, '0s'],
    [119, '119s'],
    [120, '2m'],
    [200, '3m20s'],
    [600, '10m'],
    [179 * 60, '179m'],
    [180 * 60, '3h'],
    [200 * 60, '3h20m'],
    [47 * 3600, '47h'],
    [50 * 3600, '2d2h'],
    [8 * 86400, '8d'],
    [700 * 86400, '700d'],
    [731 * 86400, '2y1d'],
    [3000 * 86400, '8y'],
  ];
  for (const [seconds, text] of ages) t.equal(renderDuration(seconds * 1000), text);
  t.end();
});

type Status = NonNullable<Pod['status']>;
type ContainerStatus = NonNullable<Status['containerStatuses']>[number];

function status(fields: Partial<ContainerStatus>): ContainerStatus {
  return { name: 'main', ready: false, restartCount: 0, image: 'nginx', imageID: '', ...fields };
}

const running = status({ ready: true, state: { running: {} } });
const completed = status({ state: { terminated: { exitCode: 0, reason: 'Completed' } } });
const ready = { type: 'Ready', status: 'True' };

interface PodCase {
  readonly what: string;
  readonly status: Status;
  readonly metadata?: Partial<Pod['metadata']>;
  readonly spec?: Partial<Pod['spec']>;
  /** READY, STATUS, RESTARTS. */
  readonly expected: [string, string, string];
}

const init = { name: 'init', image: 'x' };
const sidecar = { ...init, restartPolicy: 'Always' };
const podCases: PodCase[] = [
  { what: 'new', status: { phase: 'Pending' }, expected: ['0/1', 'Pending', '0'] },
  {
    what: 'running',
    status: { phase: 'Running', containerStatuses: [running] },
    expected: ['1/1', 'Running', '0'],
  },
  {
    what: 'creating',
    status: {
      phase: 'Pending',
      containerStatuses: [status({ state: { waiting: { reason: 'ContainerCreating' } } })],
    },
    expected: ['0/1', 'ContainerCreating', '0'],
  },
  {
    what: 'crashing',
    status: {
      phase: 'Running',
      containerStatuses: [
        status({
          restartCount: 3,
          state: { waiting: { reason: 'CrashLoopBackOff' } },
          lastState: { terminated: { exitCode: 1, finishedAt: '2026-01-01T00:59:00Z' } },
        }),
      ],
    },
    expected: ['0/1', 'CrashLoopBackOff', '3 (60s ago)'],
  },
  {
    what: 'completed',
    status: { phase: 'Succeeded', containerStatuses: [completed] },
    expected: ['0/1', 'Completed', '0'],
  },
  {
    what: 'one completed, one running, not ready',
    status: { phase: 'Running', containerStatuses: [completed, running] },
    expected: ['1/1', 'NotReady', '0'],
  },
  {
    what: 'one completed, one running, ready',
    status: { phase: 'Running', conditions: [ready], containerStatuses: [completed, running] },
    expected: ['1/1', 'Running', '0'],
  },
  {
    what: 'exit code',
    status: { phase: 'Failed', containerStatuses: [status({ state: { terminated: { exitCode: 3 } } })] },
    expected: ['0/1', 'ExitCode:3', '0'],
  },
  {
    what: 'signal',
    status: {
      phase: 'Failed',
      containerStatuses: [status({ state: { terminated: { exitCode: 137, signal: 9 } } })],
    },
    expected: ['0/1', 'Signal:9', '0'],
  },
  { what: 'evicted', status: { phase: 'Failed', reason: 'Evicted' }, expected: ['0/1', 'Evicted', '0'] },
  {
    what: 'gated',
    status: {
      phase: 'Pending',
      conditions: [{ type: 'PodScheduled', status: 'False', reason: 'SchedulingGated' }],
    },
    expected: ['0/1', 'SchedulingGated', '0'],
  },
  {
    what: 'terminating',
    status: { phase: 'Running', containerStatuses: [running] },
    metadata: { deletionTimestamp: '2026-01-01T00:59:00Z' },
    expected: ['1/1', 'Terminating', '0'],
  },
  {
    what: 'lost',
    status: { phase: 'Running', reason: 'NodeLost' },
    metadata: { deletionTimestamp: '2026-01-01T00:59:00Z' },
    expected: ['0/1', 'Unknown', '0'],
  },
  {
    what: 'deleted after its end',
    status: { phase: 'Succeeded', containerStatuses: [completed] },
    metadata: { deletionTimestamp: '2026-01-01T00:59:00Z' },
    expected: ['0/1', 'Completed', '0'],
  },
  {
    what: 'first of two init containers',
    spec: { initContainers: [init, { ...init, name: 'two' }] },
    status: { phase: 'Pending', initContainerStatuses: [status({ name: 'init', state: { running: {} } })] },
    expected: ['0/1', 'Init:0/2', '0'],
  },
  {
    what: 'failed init container',
    spec: { initContainers: [init] },
    status: {
      phase: 'Pending',
      initContainerStatuses: [
        status({ name: 'init', restartCount: 2, state: { terminated: { exitCode: 1, reason: 'Error' } } }),
      ],
    },
    expected: ['0/1', 'Init:Error', '2'],
  },
  {
    what: 'init container in back-off',
    spec: { initContainers: [init] },
    status: {
      phase: 'Pending',
      initContainerStatuses: [status({ name: 'init', state: { waiting: { reason: 'CrashLoopBackOff' } } })],
    },
    expected: ['0/1', 'Init:CrashLoopBackOff', '0'],
  },
  {
    what: 'after init',
    spec: { initContainers: [init] },
    status: {
      phase: 'Pending',
      initContainerStatuses: [
        status({ name: 'init', restartCount: 2, state: { terminated: { exitCode: 0 } } }),
      ],
      containerStatuses: [status({ state: { waiting: { reason: 'PodInitializing' } } })],
    },
    expected: ['0/1', 'PodInitializing', '0'],
  },
  {
    what: 'with a sidecar',
    spec: { initContainers: [sidecar] },
    status: {
      phase: 'Running',
      initContainerStatuses: [status({ name: 'init', ready: true, started: true, restartCount: 1 })],
      containerStatuses: [running],
    },
    expected: ['2/2', 'Running', '1'],
  },
];

for (const { what, status, metadata: meta, spec, expected } of podCases) {
  t.test(`pod: ${what}`, (t) => {
    const pod: Pod = {
      metadata: { ...metadata, ...meta },
      spec: { containers: [{ name: 'main' }], ...spec },
      status,
    };
    t.strictSame(podKind.cells(pod, now).slice(1, 4), expected);
    t.end();
  });
}

t.test('pod: wide', (t) => {
  const pod: Pod = {
    metadata,
    spec: {
      containers: [{ name: 'main' }],
      nodeName: 'node1',
      readinessGates: [{ conditionType: 'a' }, { conditionType: 'b' }],
    },
    status: { podIPs: [{ ip: '10.244.1.2' }], conditions: [{ type: 'a', status: 'True' }] },
  };
  t.strictSame(podKind.cells(pod, now), [
    'web',
    '0/1',
    'Pending',
    '0',
    '5m',
    '10.244.1.2',
    'node1',
    '<none>',
    '1/2',
  ]);
  t.end();
});

t.test('services', (t) => {
  const cells = (spec: Service['spec'], status?: Service['status']) =>
    serviceKind.cells({ metadata, spec, ...(status ? { status } : {}) }, now).slice(1, 5);
  const ports = [{ port: 80 }, { port: 53, protocol: 'UDP', nodePort: 30053 }];
  t.strictSame(cells({ type: 'ClusterIP', clusterIP: '10.0.0.1', ports }), [
    'ClusterIP',
    '10.0.0.1',
    '<none>',
    '80/TCP,53:30053/UDP',
  ]);
  t.strictSame(cells({ type: 'ExternalName', externalName: 'a.example' }), [
    'ExternalName',
    '<none>',
    'a.example',
    '<none>',
  ]);
  t.strictSame(cells({ type: 'LoadBalancer', clusterIP: '10.0.0.1', ports: [] })[2], '<pending>');
  t.strictSame(
    cells(
      { type: 'LoadBalancer', externalIPs: ['203.0.113.2'] },
      { loadBalancer: { ingress: [{ ip: '203.0.113.1' }] } },
    )[2],
    '203.0.113.1,203.0.113.2',
  );
  t.strictSame(cells({ type: 'NodePort', clusterIPs: ['None'], externalIPs: ['203.0.113.2'] }).slice(1, 3), [
    'None',
    '203.0.113.2',
  ]);
  t.end();
});

t.test('endpoints', (t) => {
  const addresses = (count: number) => Array.from({ length: count }, (_, i) => ({ ip: `10.1.1.${i + 1}` }));
  const cell = (subsets?: { addresses?: { ip: string }[]; ports?: { port: number }[] }[]) =>
    endpointsKind.cells({ metadata, ...(subsets ? { subsets } : {}) }, now)[1];
  t.equal(cell(), '<none>');
  t.equal(cell([{ addresses: addresses(2), ports: [{ port: 80 }] }]), '10.1.1.1:80,10.1.1.2:80');
  t.equal(
    cell([{ addresses: addresses(3), ports: [{ port: 80 }, { port: 443 }] }]),
    '10.1.1.1:80,10.1.1.2:80,10.1.1.3:80 + 3 more...',
  );
  t.equal(cell([{ addresses: addresses(1) }]), '10.1.1.1');
  t.equal(cell([{ addresses: [{ ip: 'fd00::1' }], ports: [{ port: 80 }] }]), '[fd00::1]:80');
  t.end();
});

t.test('endpoint slices', (t) => {
  const slice = {
    metadata,
    addressType: 'IPv4',
    endpoints: [{ addresses: ['10.1.1.1'] }, { addresses: ['10.1.1.2'] }],
    ports: [{ port: 80 }, { name: 'any' }],
  };
  t.strictSame(endpointSliceKind.cells(slice, now), ['web', 'IPv4', '80,any', '10.1.1.1,10.1.1.2', '5m']);
  t.strictSame(endpointSliceKind.cells({ metadata, addressType: 'IPv6', endpoints: [] }, now).slice(2, 4), [
    '<unset>',
    '<unset>',
  ]);
  t.end();
});

t.test('nodes', (t) => {
  const labels = { 'node-role.kubernetes.io/control-plane': '', 'kubernetes.io/role': 'edge' };
  const node = {
    metadata: { ...metadata, labels },
    spec: { unschedulable: true },
    status: {
      conditions: [{ type: 'Ready', status: 'True' }],
      addresses: [{ type: 'InternalIP', address: '172.30.0.11' }],
    },
  };
  t.strictSame(nodeKind.cells(node, now), [
    'web',
    'Ready,SchedulingDisabled',
    'control-plane,edge',
    '5m',
    '',
    '172.30.0.11',
    '<none>',
    '<unknown>',
    '<unknown>',
    '<unknown>',
  ]);
  t.equal(
    nodeKind.cells({ metadata, status: { conditions: [{ type: 'Ready', status: 'Unknown' }] } }, now)[1],
    'NotReady',
  );
  t.strictSame(nodeKind.cells({ metadata }, now).slice(1, 3), ['Unknown', '<none>']);
  t.end();
});

t.test('controllers, config maps, events', (t) => {
  const template = {
    spec: {
      containers: [
        { name: 'a', image: 'x' },
        { name: 'b', image: 'y' },
      ],
    },
  };
  const controller = {
    metadata,
    spec: { replicas: 2, selector: { app: 'x' }, template },
    status: { replicas: 2, readyReplicas: 1 },
  };
  t.strictSame(replicationControllerKind.cells(controller, now), [
    'web',
    2,
    2,
    1,
    '5m',
    'a,b',
    'x,y',
    'app=x',
  ]);
  t.strictSame(configMapKind.cells({ metadata, data: { a: '' }, binaryData: { b: '' } }, now), [
    'web',
    '2',
    '5m',
  ]);
  const event = {
    metadata,
    involvedObject: { kind: 'Pod', name: 'web-1' },
    type: 'Normal',
    reason: 'Started',
    message: 'Started container\n',
    source: { component: 'weft', host: 'node1' },
    firstTimestamp: '2026-01-01T00:00:00Z',
    lastTimestamp: '2026-01-01T00:59:30Z',
    count: 4,
  };
  t.strictSame(eventKind.cells(event, now), [
    '30s',
    'Normal',
    'Started',
    'pod/web-1',
    '',
    'weft, node1',
    'Started container',
    '60m',
    '4',
    'web',
  ]);
  t.end();
});

t.test('every kind has as many cells as columns', (t) => {
  for (const kind of kinds) {
    const object = {
      metadata: { name: 'x' },
      spec: { containers: [], selector: {}, podSelector: {}, template: { spec: { containers: [] } } },
      endpoints: [],
      revision: 1,
      addressType: 'IPv4',
      involvedObject: {},
    };
    t.equal(kind.cells(object, now).length, kind.columns.length, kind.kind);
    t.strictSame(Object.keys(kind.selectableFields(object)), [...kind.selectable], kind.kind);
  }
  t.end();
});
