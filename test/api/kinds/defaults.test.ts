import t from 'tap';
import { applyDefaults } from '../../../api/kinds/object.ts';
import { namespaceKind } from '../../../api/kinds/namespace.ts';
import { nodeKind } from '../../../api/kinds/node.ts';
import { podKind } from '../../../api/kinds/pod.ts';
import { replicationControllerKind } from '../../../api/kinds/replication-controller.ts';
import { secretKind } from '../../../api/kinds/secret.ts';
import { serviceKind } from '../../../api/kinds/service.ts';
import { container, create, pod, service, update } from './objects.ts';

t.test('a pod gets what kube-apiserver gives it', (t) => {
  const probe = { httpGet: { port: 80 } };
  const ports = [{ containerPort: 80 }];
  const created = create(
    podKind,
    pod({ containers: [container({ ports, livenessProbe: probe })], volumes: [{ name: 'v' }] }),
  );
  t.strictSame(created.spec, {
    containers: [
      {
        name: 'main',
        image: 'nginx',
        imagePullPolicy: 'Always',
        ports: [{ containerPort: 80, protocol: 'TCP' }],
        livenessProbe: {
          httpGet: { port: 80, path: '/', scheme: 'HTTP' },
          timeoutSeconds: 1,
          periodSeconds: 10,
          successThreshold: 1,
          failureThreshold: 3,
        },
        resources: {},
        terminationMessagePath: '/dev/termination-log',
        terminationMessagePolicy: 'File',
      },
    ],
    volumes: [{ name: 'v', emptyDir: {} }],
    restartPolicy: 'Always',
    terminationGracePeriodSeconds: 30,
    dnsPolicy: 'ClusterFirst',
    schedulerName: 'default-scheduler',
    securityContext: {},
    enableServiceLinks: true,
  });
  t.strictSame(created.status, { phase: 'Pending', qosClass: 'BestEffort' });
  const again = structuredClone(created);
  applyDefaults(podKind, again);
  t.strictSame(again, created, 'defaulting twice changes nothing');
  t.end();
});

t.test('the pull policy follows the tag', (t) => {
  const policies = {
    nginx: 'Always',
    'nginx:latest': 'Always',
    'nginx:1.27': 'IfNotPresent',
    'host:5000/nginx': 'Always',
    'host:5000/nginx:1': 'IfNotPresent',
    'nginx@sha256:0': 'IfNotPresent',
  };
  for (const [image, policy] of Object.entries(policies)) {
    const created = create(podKind, pod({ containers: [container({ image })] }));
    t.equal(created.spec.containers[0]?.imagePullPolicy, policy, image);
  }
  t.end();
});

t.test('in the host network container ports are host ports', (t) => {
  const created = create(
    podKind,
    pod({ hostNetwork: true, containers: [container({ ports: [{ containerPort: 80 }] })] }),
  );
  t.equal(created.spec.containers[0]?.ports?.[0]?.hostPort, 80);
  t.end();
});

t.test('limits are requests, and decide the QoS class', (t) => {
  const limits = { cpu: '1', memory: '1Gi' };
  const created = create(podKind, pod({ containers: [container({ resources: { limits } })] }));
  t.strictSame(created.spec.containers[0]?.resources, { limits, requests: limits });
  t.equal(created.status?.qosClass, 'Guaranteed');
  const burstable = create(
    podKind,
    pod({ containers: [container({ resources: { requests: { cpu: '1' } } })] }),
  );
  t.equal(burstable.status?.qosClass, 'Burstable');
  t.end();
});

t.test('a controller takes selector and labels from its template', (t) => {
  const template = { metadata: { labels: { app: 'nginx' } }, spec: { containers: [container()] } };
  const created = create(replicationControllerKind, {
    metadata: { name: 'my-nginx', namespace: 'default' },
    spec: { template },
    status: { replicas: 7 },
  });
  t.equal(created.spec.replicas, 1);
  t.strictSame(created.spec.selector, { app: 'nginx' });
  t.strictSame(created.metadata.labels, { app: 'nginx' });
  t.strictSame(created.status, { replicas: 0 }, 'a creator sets no status');
  t.strictSame(created.spec.template?.metadata, { labels: { app: 'nginx' } }, 'a template has no name');
  t.end();
});

t.test('Service defaults by type', (t) => {
  t.strictSame(create(serviceKind, service()).spec, {
    ports: [{ port: 80, protocol: 'TCP', targetPort: 80 }],
    selector: { app: 'web' },
    type: 'ClusterIP',
    sessionAffinity: 'None',
    internalTrafficPolicy: 'Cluster',
  });
  t.match(create(serviceKind, service({ type: 'LoadBalancer', sessionAffinity: 'ClientIP' })).spec, {
    externalTrafficPolicy: 'Cluster',
    allocateLoadBalancerNodePorts: true,
    sessionAffinityConfig: { clientIP: { timeoutSeconds: 10800 } },
  });
  t.strictSame(create(serviceKind, service({ clusterIP: 'None' })).spec.clusterIPs, ['None']);
  t.end();
});

t.test('a Service that changes its type loses what the new one may not have', (t) => {
  const spec = { type: 'NodePort', ports: [{ port: 80, nodePort: 30080 }], externalTrafficPolicy: 'Cluster' };
  const old = create(serviceKind, service(spec));
  const plain = update(serviceKind, service({ ...spec, type: 'ClusterIP' }), old);
  t.notOk('externalTrafficPolicy' in plain.spec);
  t.strictSame(plain.spec.ports, [{ port: 80, protocol: 'TCP', targetPort: 80 }]);
  t.end();
});

t.test('a Secret takes stringData into data', (t) => {
  const created = create(secretKind, {
    metadata: { name: 's' },
    data: { a: 'YQ==', b: 'Yg==' },
    stringData: { b: 'ü' },
  });
  t.strictSame(created.data, { a: 'YQ==', b: 'w7w=' });
  t.notOk('stringData' in created);
  t.equal(created.type, 'Opaque');
  t.end();
});

t.test('a namespace is Active and labelled with its name', (t) => {
  const created = create(namespaceKind, { metadata: { name: 'blue' } });
  t.strictSame(created.metadata.labels, { 'kubernetes.io/metadata.name': 'blue' });
  t.strictSame(created.spec, { finalizers: ['kubernetes'] });
  t.strictSame(created.status, { phase: 'Active' });
  t.end();
});

t.test("a node's podCIDR and podCIDRs agree", (t) => {
  t.equal(
    create(nodeKind, { metadata: { name: 'n' }, spec: { podCIDRs: ['10.244.0.0/24'] } }).spec?.podCIDR,
    '10.244.0.0/24',
  );
  t.strictSame(
    create(nodeKind, { metadata: { name: 'n' }, spec: { podCIDR: '10.244.0.0/24' } }).spec?.podCIDRs,
    ['10.244.0.0/24'],
  );
  t.end();
});
