import t from 'tap';
import { configMapKind } from '../../../../api/kinds/config-map.ts';
import { controllerRevisionKind } from '../../../../api/kinds/controller-revision.ts';
import { DecodeError } from '../../../../api/kinds/decode.ts';
import { deploymentKind } from '../../../../api/kinds/deployment.ts';
import { eventKind } from '../../../../api/kinds/event.ts';
import { leaseKind } from '../../../../api/kinds/lease.ts';
import { DeleteOptions } from '../../../../api/kinds/meta.ts';
import { namespaceKind } from '../../../../api/kinds/namespace.ts';
import { podKind } from '../../../../api/kinds/pod.ts';
import { nodeOf } from '../../../../api/kinds/schema.ts';
import { secretKind } from '../../../../api/kinds/secret.ts';
import { serviceKind } from '../../../../api/kinds/service.ts';
import { decodeBody } from '../../../../api/server/protobuf/envelope.ts';
import { captured } from './captured.ts';
import { envelope, message, varint } from './wire.ts';
import type { Field } from './wire.ts';

type Schema = Parameters<typeof nodeOf>[0];

const decode = ({ schema }: { readonly schema: Schema }, body: Buffer) => decodeBody(nodeOf(schema), body);

t.test('what kubectl sends', (t) => {
  const fixture = (line: keyof typeof captured) => Buffer.from(captured[line], 'base64');
  t.same(decode(namespaceKind, fixture('create namespace demo')), {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: 'demo' },
    spec: {},
    status: {},
  });
  t.same(decode(secretKind, fixture('create secret generic s --from-literal=user=admin --from-file=bin')), {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 's' },
    data: { bin: '/wAB', user: 'YWRtaW4=' },
  });
  t.same(decode(configMapKind, fixture('create configmap c --from-literal=k=v --from-file=bin')), {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'c' },
    data: { k: 'v' },
    binaryData: { bin: '/wAB' },
  });
  t.same(decode(serviceKind, fixture('create service clusterip web --tcp=80:8080')), {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web', labels: { app: 'web' } },
    spec: {
      ports: [{ name: '80-8080', protocol: 'TCP', port: 80, targetPort: 8080 }],
      selector: { app: 'web' },
      type: 'ClusterIP',
    },
    status: { loadBalancer: {} },
  });
  t.match(decode(serviceKind, fixture('create service nodeport web --tcp=80:http --node-port=30080')), {
    spec: { type: 'NodePort', ports: [{ name: '80-http', port: 80, targetPort: 'http', nodePort: 30080 }] },
  });
  t.same(decode(deploymentKind, fixture('create deployment web --image=nginx --replicas=0 --port=80')), {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web', labels: { app: 'web' } },
    spec: {
      replicas: 0,
      selector: { matchLabels: { app: 'web' } },
      template: {
        metadata: { labels: { app: 'web' } },
        spec: {
          containers: [{ name: 'nginx', image: 'nginx', ports: [{ containerPort: 80 }], resources: {} }],
        },
      },
      strategy: {},
    },
    status: {},
  });
  t.end();
});

const name: Field = [1, [[1, 'a']]];
const object = (kind: string, apiVersion = 'v1') => ({ apiVersion, kind, metadata: { name: 'a' } });

t.test('times, numbers, texts and what else is written differently', (t) => {
  const event = envelope(
    'v1',
    'Event',
    name,
    [
      2,
      [
        [1, 'Pod'],
        [3, 'web'],
      ],
    ],
    [5, []],
    [
      6,
      [
        [1, 1_700_000_000],
        [2, 5],
      ],
    ],
    [7, []],
    [8, 3],
    [
      10,
      [
        [1, 1_700_000_000],
        [2, 123_456_789],
      ],
    ],
    [
      11,
      [
        [1, 2],
        [
          2,
          [
            [1, 0],
            [2, 0],
          ],
        ],
      ],
    ],
  );
  t.same(decode(eventKind, event), {
    ...object('Event'),
    involvedObject: { kind: 'Pod', name: 'web' },
    source: {},
    firstTimestamp: '2023-11-14T22:13:20Z',
    count: 3,
    eventTime: '2023-11-14T22:13:20.123456Z',
    series: { count: 2, lastObservedTime: '1970-01-01T00:00:00.000000Z' },
  });
  const lease = envelope('coordination.k8s.io/v1', 'Lease', name, [
    2,
    [
      [1, ''],
      [2, 15],
      [5, 0],
    ],
  ]);
  t.same(
    decode(leaseKind, lease),
    {
      ...object('Lease', 'coordination.k8s.io/v1'),
      spec: { holderIdentity: '', leaseDurationSeconds: 15, leaseTransitions: 0 },
    },
    'a zero where Go has a pointer is meant',
  );
  const revision = envelope(
    'apps/v1',
    'ControllerRevision',
    name,
    [2, [[1, '{"spec":[1]}']]],
    [3, 2n ** 40n],
  );
  t.same(decode(controllerRevisionKind, revision), {
    ...object('ControllerRevision', 'apps/v1'),
    data: { spec: [1] },
    revision: 2 ** 40,
  });
  const options = envelope('v1', 'DeleteOptions', [1, 0], [2, [[1, 'some-uid']]], [4, 'Orphan'], [5, 'All']);
  t.same(decode({ schema: DeleteOptions }, options), {
    apiVersion: 'v1',
    kind: 'DeleteOptions',
    gracePeriodSeconds: 0,
    preconditions: { uid: 'some-uid' },
    propagationPolicy: 'Orphan',
    dryRun: ['All'],
  });
  t.end();
});

t.test('a pod with what JSON has one level higher', (t) => {
  const secretVolume: Field = [
    2,
    [
      [
        6,
        [
          [1, 'keys'],
          [3, 0o400],
          [4, false],
        ],
      ],
    ],
  ];
  const probe: Field = [
    10,
    [
      [
        1,
        [
          [
            2,
            [
              [1, '/'],
              [
                2,
                [
                  [1, 1],
                  [3, 'http'],
                ],
              ],
            ],
          ],
        ],
      ],
      [2, 5],
      [3, 0],
    ],
  ];
  const resources: Field = [
    8,
    [
      [
        1,
        [
          [1, 'cpu'],
          [2, [[1, '500m']]],
        ],
      ],
    ],
  ];
  const env: Field = [
    7,
    [
      [1, 'A'],
      [
        3,
        [
          [
            4,
            [
              [1, [[1, 'keys']]],
              [2, 'k'],
            ],
          ],
        ],
      ],
    ],
  ];
  const ids: Field = [4, Buffer.concat([varint(1), varint(2 ** 35), varint(-1n)])];
  const container: Field = [2, [[1, 'c'], [2, 'nginx'], env, resources, probe]];
  const spec: Field[] = [
    [1, [[1, 'v'], secretVolume]],
    container,
    [11, false],
    [14, [ids]],
    [14, [[4, 7]]],
    [25, -5],
    [30, false],
  ];
  t.same(decode(podKind, envelope('v1', 'Pod', name, [2, spec])), {
    ...object('Pod'),
    spec: {
      volumes: [{ name: 'v', secret: { secretName: 'keys', defaultMode: 0o400, optional: false } }],
      containers: [
        {
          name: 'c',
          image: 'nginx',
          env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 'keys', key: 'k' } } }],
          resources: { limits: { cpu: '500m' } },
          livenessProbe: { httpGet: { path: '/', port: 'http' }, initialDelaySeconds: 5 },
        },
      ],
      securityContext: { supplementalGroups: [1, 2 ** 35, -1, 7] },
      priority: -5,
      enableServiceLinks: false,
    },
  });
  t.end();
});

t.test('what nobody knows is left out; pieces of a message are put together; any key is a key', (t) => {
  const pieces = envelope(
    'v1',
    'ConfigMap',
    name,
    [
      1,
      [
        [3, 'b'],
        [999, 'unknown'],
        [1000, 5],
      ],
    ],
    [
      2,
      [
        [1, '__proto__'],
        [2, 'x'],
      ],
    ],
    [2, [[1, 'empty']]],
    [200, [[1, 'unknown']]],
  );
  const decoded = decode(configMapKind, pieces);
  t.same(decoded['metadata'], { name: 'a', namespace: 'b' });
  t.equal(JSON.stringify(decoded['data']), '{"__proto__":"x","empty":null}');
  t.end();
});

const hostile: Record<string, Buffer> = {
  'nothing at all': Buffer.alloc(0),
  JSON: Buffer.from('{"kind":"Pod"}'),
  'another magic': Buffer.from('k9s\0'),
  'the end within the envelope': envelope('v1', 'Pod', name).subarray(0, 12),
  'a length beyond the end': Buffer.concat([
    Buffer.from('k8s\0'),
    Buffer.from([0x12, 0xff, 0xff, 0xff, 0xff, 0x0f, 1]),
  ]),
  'a number without end': envelope('v1', 'Pod', [2, Buffer.alloc(40, 0xff)]),
  'the field number 0': envelope('v1', 'Pod', [0, 1]),
  'a group': envelope('v1', 'Pod', [1, Buffer.from([0x0b, 0x0c])]),
  'a number where a message is': envelope('v1', 'Pod', [2, 5]),
  'a text where a number is': envelope('v1', 'Pod', [2, [[4, 'x']]]),
  'a year of five digits': envelope('v1', 'Pod', [1, [[8, [[1, 2n ** 50n]]]]]),
  'a time beyond all': envelope('v1', 'Pod', [1, [[8, [[1, 2n ** 62n]]]]]),
  'JSON inside that is none': envelope('v1', 'Pod', [1, [[17, [[7, [[1, '{']]]]]]]),
  'an encoding of the object': Buffer.concat([Buffer.from('k8s\0'), message([2, ''], [3, 'gzip'])]),
};

t.test('hostile bodies are refused', (t) => {
  for (const [what, body] of Object.entries(hostile)) {
    t.throws(() => decode(podKind, body), DecodeError, what);
  }
  t.throws(() => decode(podKind, envelope('v1', 'Node', [2, [[2, [[1, 5]]]]])), {
    message: 'Node in version "v1": spec.containers[0].name: the protobuf field is not text or a message',
  });
  t.end();
});

/** A small generator with a seed (Numerical Recipes' constants): a failure can be repeated. */
function* random(seed: number): Generator<number, never> {
  for (let state = seed; ;) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    yield state;
  }
}

t.test('bodies with wrong bytes are decoded or refused, nothing else', (t) => {
  const kinds = [namespaceKind, secretKind, configMapKind, serviceKind, deploymentKind, podKind, eventKind];
  const bodies = Object.values(captured).map((text) => Buffer.from(text, 'base64'));
  const numbers = random(20);
  const next = (below: number) => numbers.next().value % below;
  const counts = { decoded: 0, refused: 0 };
  for (let round = 0; round < 20_000; round++) {
    const body = Buffer.from(bodies[next(bodies.length)] ?? '');
    for (let change = next(4); change >= 0; change--) body[4 + next(body.length - 4)] = next(256);
    const cut = next(5) === 0 ? body.subarray(0, next(body.length)) : body;
    try {
      JSON.stringify(decode(kinds[next(kinds.length)] ?? podKind, cut));
      counts.decoded += 1;
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      counts.refused += 1;
    }
  }
  t.ok(
    counts.decoded > 1000 && counts.refused > 1000,
    `${counts.decoded} decoded, ${counts.refused} refused`,
  );
  t.end();
});
