import t from 'tap';
import { diffSlices, groupEndpoints } from '../../../../api/controllers/services/endpoint-slices.ts';
import { isManaged, renderSubsets, selectPods } from '../../../../api/controllers/services/endpoints.ts';
import type { EndpointSlice } from '../../../../api/kinds/endpoint-slice.ts';
import type { Pod } from '../../../../api/kinds/pod.ts';
import type { Service } from '../../../../api/kinds/service.ts';
import { names, pod, service } from '../objects.ts';

const a = pod('a', { node: 'n1', ready: true, ips: ['10.244.0.5', 'fd00::5'] });
const b = pod('b', { node: 'n2', ready: true, ips: ['10.244.1.6', 'fd00::6'] });
const slow = pod('slow', { node: 'n1', ips: ['10.244.0.7'] });
const leaving = pod('leaving', { node: 'n1', ready: true, deleting: true, ips: ['10.244.0.8'] });

const ips = (addresses: readonly { readonly ip: string }[] | undefined): string[] =>
  (addresses ?? []).map(({ ip }) => ip);
const groups = (of: Service, pods: readonly Pod[]) => groupEndpoints(of, pods, () => undefined);

/** Gives the slices a diff creates what the server would. */
function stored(slices: readonly EndpointSlice[]): EndpointSlice[] {
  return slices.map((slice, index) => ({
    ...slice,
    metadata: { ...slice.metadata, name: `web-${index}`, uid: `uid-${index}`, resourceVersion: '1' },
  }));
}

t.test('which Services are ours, and which of their pods can be endpoints', (t) => {
  t.equal(isManaged(service('web')), true);
  t.equal(isManaged(service('web', { selector: {} })), false);
  t.equal(isManaged(service('web', { type: 'ExternalName' })), false);
  const ended = pod('ended', { phase: 'Failed', ips: ['10.244.0.9'] });
  const addressless = pod('addressless');
  const other = pod('other', { labels: { app: 'db' }, ips: ['10.244.0.9'] });
  t.same(names(selectPods(service('web'), [a, ended, addressless, other, leaving])), ['a', 'leaving']);
  t.end();
});

t.test('subsets tell ready from not ready and leave out what is leaving', (t) => {
  t.same(renderSubsets(service('web'), [b, slow, a, leaving]), [
    {
      addresses: [
        {
          ip: '10.244.0.5',
          nodeName: 'n1',
          targetRef: { kind: 'Pod', name: 'a', namespace: 'default', uid: 'uid-a' },
        },
        {
          ip: '10.244.1.6',
          nodeName: 'n2',
          targetRef: { kind: 'Pod', name: 'b', namespace: 'default', uid: 'uid-b' },
        },
      ],
      notReadyAddresses: [
        {
          ip: '10.244.0.7',
          nodeName: 'n1',
          targetRef: { kind: 'Pod', name: 'slow', namespace: 'default', uid: 'uid-slow' },
        },
      ],
      ports: [{ port: 80, protocol: 'TCP' }],
    },
  ]);
  t.same(renderSubsets(service('web'), []), []);
  t.end();
});

t.test('publishNotReadyAddresses makes all of them ready', (t) => {
  const [subset] = renderSubsets(service('web', { publishNotReadyAddresses: true }), [a, slow, leaving]);
  t.same(ips(subset?.addresses), ['10.244.0.5', '10.244.0.7', '10.244.0.8']);
  t.equal(subset?.notReadyAddresses, undefined);
  t.end();
});

t.test('named target ports are each pod’s own; ports with equal addresses share a subset', (t) => {
  const withPort = (name: string, ip: string, containerPort: number): Pod =>
    pod(name, {
      ready: true,
      ips: [ip],
      spec: { containers: [{ name: 'main', image: 'web', ports: [{ name: 'http', containerPort }] }] },
    });
  const of = service('web', {
    ports: [
      { name: 'http', port: 80, targetPort: 'http', protocol: 'TCP' },
      { name: 'metrics', port: 9090, targetPort: 9, protocol: 'TCP' },
      { name: 'none', port: 1, targetPort: 'none', protocol: 'TCP' },
    ],
  });
  const one = withPort('one', '10.0.0.1', 8080);
  const two = withPort('two', '10.0.0.2', 8081);
  const subsets = renderSubsets(of, [one, two]).map((subset) => [
    ips(subset.addresses),
    subset.ports?.map(({ name, port }) => `${name ?? ''} ${port}`),
  ]);
  t.same(
    subsets,
    [
      [['10.0.0.1', '10.0.0.2'], ['metrics 9']],
      [['10.0.0.1'], ['http 8080']],
      [['10.0.0.2'], ['http 8081']],
    ].sort((x, y) => (JSON.stringify(x) < JSON.stringify(y) ? -1 : 1)),
  );
  t.same(
    groups(of, [one, two]).map((group) => group.ports.map(({ name, port }) => `${name ?? ''} ${port ?? 0}`)),
    [
      ['http 8080', 'metrics 9'],
      ['http 8081', 'metrics 9'],
    ],
  );
  t.end();
});

t.test('a Service that is being deleted keeps its slices in step and gets no new ones', (t) => {
  const of = service('web');
  const existing = stored(diffSlices(of, groups(of, [a]), []).create);
  const deleted = { ...of, metadata: { ...of.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } };
  const { create, update, remove } = diffSlices(deleted, groups(deleted, [a, b]), existing);
  t.same([create, remove], [[], []]);
  t.same(
    update[0]?.endpoints.map(({ addresses }) => addresses[0]),
    ['10.244.0.5', '10.244.1.6'],
  );
  t.same(
    diffSlices(deleted, groups(deleted, [a]), []).create,
    [],
    'what the garbage collector took stays away',
  );
  t.end();
});

t.test('a headless Service without ports still has addresses', (t) => {
  const headless = service('web', { clusterIP: 'None', ports: [] });
  const subsets = renderSubsets(headless, [a]);
  t.same(ips(subsets[0]?.addresses), ['10.244.0.5']);
  t.equal(subsets[0]?.ports, undefined);
  const [slice] = diffSlices(headless, groups(headless, [a]), []).create;
  t.equal(slice?.metadata.labels?.['service.kubernetes.io/headless'], '');
  t.end();
});

t.test('a pod’s hostname counts only below the Service it names', (t) => {
  const named = pod('named', {
    ready: true,
    ips: ['10.0.0.1'],
    spec: { hostname: 'db-0', subdomain: 'web' },
  });
  t.equal(renderSubsets(service('web'), [named])[0]?.addresses?.[0]?.hostname, 'db-0');
  t.equal(renderSubsets(service('other'), [named])[0]?.addresses?.[0]?.hostname, undefined);
  t.equal(groups(service('web'), [named])[0]?.endpoints[0]?.hostname, 'db-0');
  t.end();
});

t.test('slices carry conditions, names and labels as upstream', (t) => {
  const diff = diffSlices(service('web'), groups(service('web'), [a, slow, leaving]), []);
  t.match(diff, { update: [], remove: [] });
  t.equal(diff.create.length, 1);
  const [slice] = diff.create;
  t.same(slice?.metadata, {
    name: '',
    generateName: 'web-',
    namespace: 'default',
    labels: {
      team: 'blue',
      'kubernetes.io/service-name': 'web',
      'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
    },
    ownerReferences: [
      {
        apiVersion: 'v1',
        kind: 'Service',
        name: 'web',
        uid: 'uid-web',
        controller: true,
        blockOwnerDeletion: true,
      },
    ],
  });
  t.equal(slice?.addressType, 'IPv4');
  t.same(slice?.ports, [{ name: '', port: 80, protocol: 'TCP' }]);
  t.same(
    slice?.endpoints.map(({ addresses, conditions, nodeName }) => [addresses[0], conditions, nodeName]),
    [
      ['10.244.0.5', { ready: true, serving: true, terminating: false }, 'n1'],
      ['10.244.0.7', { ready: false, serving: false, terminating: false }, 'n1'],
      ['10.244.0.8', { ready: false, serving: true, terminating: true }, 'n1'],
    ],
  );
  t.end();
});

t.test('dual-stack has slices per family', (t) => {
  const dual = service('web', { ipFamilies: ['IPv6', 'IPv4'] });
  const slices = diffSlices(dual, groups(dual, [a, slow]), []).create;
  t.same(
    slices.map((slice) => [slice.addressType, slice.endpoints.map((endpoint) => endpoint.addresses[0])]),
    [
      ['IPv6', ['fd00::5']],
      ['IPv4', ['10.244.0.5', '10.244.0.7']],
    ],
  );
  t.equal(renderSubsets(dual, [a])[0]?.addresses?.[0]?.ip, 'fd00::5', 'Endpoints have the primary family');
  t.end();
});

t.test('a Service without pods has one empty slice', (t) => {
  const none = groups(service('web'), []);
  const created = diffSlices(service('web'), none, []).create;
  t.equal(created.length, 1);
  t.same(created[0]?.endpoints, []);
  t.same(diffSlices(service('web'), none, stored(created)), { create: [], update: [], remove: [] });
  t.end();
});

t.test('at most a hundred endpoints a slice; a second look changes nothing', (t) => {
  const many = Array.from({ length: 250 }, (_, index) =>
    pod(`p${index}`, { ready: true, ips: [`10.1.0.${index}`] }),
  );
  const wanted = groups(service('web'), many);
  const created = diffSlices(service('web'), wanted, []).create;
  t.same(
    created.map((slice) => slice.endpoints.length),
    [100, 100, 50],
  );
  const slices = stored(created);
  t.same(diffSlices(service('web'), wanted, slices), { create: [], update: [], remove: [] });

  // One pod goes, another comes: only the slices concerned are written.
  const fresh = pod('fresh', { ready: true, ips: ['10.1.1.1'] });
  const diff = diffSlices(service('web'), groups(service('web'), [...many.slice(1), fresh]), slices);
  t.match(diff, { create: [], remove: [] });
  t.same(
    diff.update.map((slice) => slice.metadata.name),
    ['web-0'],
  );
  t.ok(diff.update[0]?.endpoints.some((endpoint) => endpoint.targetRef?.name === 'fresh'));
  t.end();
});

t.test('slices that fit no more are removed, after others took their endpoints', (t) => {
  const slices = stored(diffSlices(service('web'), groups(service('web'), [a]), []).create);
  const moved = service('web', { ports: [{ port: 81, protocol: 'TCP' }] });
  const diff = diffSlices(moved, groups(moved, [a]), slices);
  t.equal(diff.create.length, 1);
  t.same(names(diff.remove), ['web-0']);
  t.end();
});

t.test('of several slices the emptied ones go', (t) => {
  const many = Array.from({ length: 150 }, (_, index) =>
    pod(`p${index}`, { ready: true, ips: [`10.1.0.${index}`] }),
  );
  const slices = stored(diffSlices(service('web'), groups(service('web'), many), []).create);
  const diff = diffSlices(service('web'), groups(service('web'), many.slice(0, 50)), slices);
  t.same(names(diff.remove), ['web-1']);
  t.same(names(diff.update), ['web-0']);
  const none = diffSlices(service('web'), groups(service('web'), many.slice(100, 150)), slices);
  t.same(names(none.remove), ['web-0']);
  t.end();
});
