import t from 'tap';
import type { Container } from '../../../api/kinds/container.ts';
import type { Service } from '../../../api/kinds/service.ts';
import { renderEnvironment } from '../../../agent/pods/environment.ts';
import { expandVariables } from '../../../agent/pods/expansion.ts';
import { renderServiceEnvironment } from '../../../agent/pods/service-environment.ts';
import { makePod } from './fake-node.ts';

t.test('$(NAME) as the kubelet expands it', (test) => {
  const table: Record<string, string> = {
    plain: 'plain',
    '$(A)': 'a',
    'x$(A)y$(B)z': 'xaybz',
    '$(UNKNOWN)': '$(UNKNOWN)',
    '$$(A)': '$(A)',
    $$$$: '$$',
    '$$$(A)': '$a',
    $A: '$A',
    '$(A': '$(A',
    $: '$',
    '$()': '$()',
    '$(EMPTY)': '',
  };
  const values: Record<string, string> = { A: 'a', B: 'b', EMPTY: '' };
  for (const [text, expected] of Object.entries(table)) {
    test.equal(
      expandVariables(text, (name) => values[name]),
      expected,
      text,
    );
  }
  test.end();
});

function makeService(namespace: string, name: string, spec: Service['spec']): Service {
  return { metadata: { namespace, name }, spec };
}

const kubernetes = makeService('default', 'kubernetes', {
  clusterIP: '10.96.0.1',
  ports: [{ name: 'https', port: 443 }],
});

t.test("a Service's variables, with Docker's link variables", (test) => {
  const service = makeService('shop', 'my-db', {
    clusterIP: '10.96.3.4',
    ports: [
      { name: 'sql-main', port: 5432, protocol: 'TCP' },
      { name: 'stats', port: 9000, protocol: 'UDP' },
    ],
  });
  test.strictSame(renderServiceEnvironment([service], 'shop', true), {
    MY_DB_SERVICE_HOST: '10.96.3.4',
    MY_DB_SERVICE_PORT: '5432',
    MY_DB_SERVICE_PORT_SQL_MAIN: '5432',
    MY_DB_SERVICE_PORT_STATS: '9000',
    MY_DB_PORT: 'tcp://10.96.3.4:5432',
    MY_DB_PORT_5432_TCP: 'tcp://10.96.3.4:5432',
    MY_DB_PORT_5432_TCP_PROTO: 'tcp',
    MY_DB_PORT_5432_TCP_PORT: '5432',
    MY_DB_PORT_5432_TCP_ADDR: '10.96.3.4',
    MY_DB_PORT_9000_UDP: 'udp://10.96.3.4:9000',
    MY_DB_PORT_9000_UDP_PROTO: 'udp',
    MY_DB_PORT_9000_UDP_PORT: '9000',
    MY_DB_PORT_9000_UDP_ADDR: '10.96.3.4',
  });
  const v6 = makeService('shop', 'six', { clusterIP: 'fd00::1', ports: [{ port: 80 }] });
  test.equal(renderServiceEnvironment([v6], 'shop', true)['SIX_PORT'], 'tcp://[fd00::1]:80');
  test.end();
});

t.test('which Services: the own namespace and default/kubernetes, with a clusterIP', (test) => {
  const services = [
    kubernetes,
    makeService('shop', 'web', { clusterIP: '10.96.0.2', ports: [{ port: 80 }] }),
    makeService('shop', 'headless', { clusterIP: 'None', ports: [{ port: 80 }] }),
    makeService('shop', 'external', { type: 'ExternalName', externalName: 'example.org' }),
    makeService('default', 'elsewhere', { clusterIP: '10.96.0.3', ports: [{ port: 80 }] }),
  ];
  const hosts = (namespace: string, links: boolean): string[] =>
    Object.keys(renderServiceEnvironment(services, namespace, links)).filter((name) =>
      name.endsWith('_HOST'),
    );
  test.strictSame(hosts('shop', true), ['KUBERNETES_SERVICE_HOST', 'WEB_SERVICE_HOST']);
  test.strictSame(hosts('shop', false), ['KUBERNETES_SERVICE_HOST']);
  test.strictSame(hosts('default', true), ['ELSEWHERE_SERVICE_HOST', 'KUBERNETES_SERVICE_HOST']);
  const own = makeService('shop', 'kubernetes', { clusterIP: '10.96.0.9', ports: [{ port: 1 }] });
  const both = renderServiceEnvironment([own, kubernetes], 'shop', true);
  test.equal(both['KUBERNETES_SERVICE_HOST'], '10.96.0.9', 'the own namespace wins');
  test.end();
});

function render(container: Partial<Container>): Record<string, string> {
  const pod = makePod('web', { name: 'main', resources: { limits: { memory: '64Mi' } }, ...container });
  pod.metadata.labels = { app: 'nginx' };
  const [main] = pod.spec.containers;
  if (!main) throw new Error('no container');
  return renderEnvironment({
    pod,
    container: main,
    addresses: { podIPs: ['10.244.1.2', 'fd00::2'], hostIPs: ['192.0.2.11'] },
    references: {
      secrets: new Map([['keys', { token: Buffer.from('s3cret') }]]),
      configMaps: new Map([
        [
          'settings',
          {
            text: { color: Buffer.from('blue'), size: Buffer.from('4') },
            binary: { logo: Buffer.from([0]) },
          },
        ],
      ]),
    },
    imageEnvironment: { LANG: 'C', FROM: 'image' },
    serviceEnvironment: { WEB_SERVICE_HOST: '10.96.0.2', FROM: 'service' },
    hostname: 'web',
  });
}

t.test('where variables come from, and who wins', (test) => {
  const environment = render({
    envFrom: [{ configMapRef: { name: 'settings' } }, { prefix: 'K_', secretRef: { name: 'keys' } }],
    env: [
      { name: 'size', value: '5' },
      { name: 'TEXT', value: '$(size)-$(color)-$(WEB_SERVICE_HOST)-$(LATER)' },
      { name: 'LATER', value: 'x' },
      { name: 'FROM', value: 'pod' },
      { name: 'EMPTY' },
      { name: 'NS', valueFrom: { fieldRef: { fieldPath: 'metadata.namespace' } } },
      { name: 'APP', valueFrom: { fieldRef: { fieldPath: "metadata.labels['app']" } } },
      { name: 'IPS', valueFrom: { fieldRef: { fieldPath: 'status.podIPs' } } },
      { name: 'HOST', valueFrom: { fieldRef: { fieldPath: 'status.hostIP' } } },
      { name: 'MEMORY', valueFrom: { resourceFieldRef: { resource: 'limits.memory', divisor: '1Mi' } } },
      { name: 'NONE', valueFrom: { secretKeyRef: { name: 'absent', key: 'x', optional: true } } },
    ],
  });
  test.strictSame(environment, {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    HOSTNAME: 'web',
    LANG: 'C',
    FROM: 'pod',
    WEB_SERVICE_HOST: '10.96.0.2',
    color: 'blue',
    size: '5',
    K_token: 's3cret',
    TEXT: '5-blue-10.96.0.2-$(LATER)',
    LATER: 'x',
    EMPTY: '',
    NS: 'default',
    APP: 'nginx',
    IPS: '10.244.1.2,fd00::2',
    HOST: '192.0.2.11',
    MEMORY: '64',
  });
  test.end();
});

t.test('what is missing stops the container, in words', (test) => {
  const wanted: [Partial<Container>, string][] = [
    [{ envFrom: [{ secretRef: { name: 'absent' } }] }, 'secret "absent" not found'],
    [
      { env: [{ name: 'X', valueFrom: { configMapKeyRef: { name: 'settings', key: 'no' } } }] },
      "couldn't find key no in ConfigMap default/settings",
    ],
    [
      { env: [{ name: 'X', valueFrom: { fieldRef: { fieldPath: 'spec.secret' } } }] },
      'unsupported fieldPath: spec.secret',
    ],
  ];
  for (const [container, message] of wanted) {
    test.throws(() => render(container), { code: 'InvalidEnvironment', message });
  }
  test.end();
});
