import t from 'tap';
import { alikePods, awaitsScheduling, placePod } from '../../../../api/controllers/scheduling/scheduling.ts';
import type { Node } from '../../../../api/kinds/node.ts';
import type { Pod } from '../../../../api/kinds/pod.ts';
import { names, node, pod, service } from '../objects.ts';

const nothing = { promised: new Map<string, number>(), hostPorts: [] };
const waiting = pod('p', { phase: 'Pending' });

t.test('who waits for a node', (t) => {
  t.equal(awaitsScheduling(waiting), true);
  t.equal(awaitsScheduling(pod('p', { node: 'n1' })), false);
  t.equal(awaitsScheduling(pod('p', { deleting: true })), false);
  t.equal(awaitsScheduling(pod('p', { phase: 'Failed' })), false);
  t.equal(awaitsScheduling(pod('p', { spec: { schedulerName: 'mine' } })), false);
  t.equal(awaitsScheduling(pod('p', { spec: { schedulingGates: [{ name: 'g' }] } })), false);
  t.end();
});

t.test('fewest alike, then fewest pods, then the first by name', (t) => {
  const load = (name: string, alike: number, pods: number) => ({
    node: node(name),
    alike,
    pods,
    ...nothing,
  });
  t.same(placePod(waiting, [load('n1', 1, 1), load('n2', 0, 9)]), { nodeName: 'n2' });
  t.same(placePod(waiting, [load('n1', 0, 5), load('n2', 0, 4)]), { nodeName: 'n2' });
  t.same(placePod(waiting, [load('n2', 0, 0), load('n1', 0, 0)]), { nodeName: 'n1' });
  t.end();
});

t.test('nodes that will not do, in kube-scheduler’s words', (t) => {
  const loads = [
    node('n1', { ready: 'Unknown' }),
    node('n2', { unschedulable: true }),
    node('n3', { taints: [{ key: 'k', value: 'v', effect: 'NoSchedule' }] }),
    node('n4', { ready: 'False' }),
  ].map((one) => ({ node: one, alike: 0, pods: 0, ...nothing }));
  t.same(placePod(waiting, loads), {
    message:
      '0/4 nodes are available: 1 node(s) had untolerated taint {k: v}, 1 node(s) were unschedulable, 2 node(s) were not ready.',
  });
  t.same(placePod(waiting, []), { message: 'no nodes available to schedule pods' });
  t.end();
});

t.test('nodeSelector and tolerations', (t) => {
  const loads = [
    { node: node('plain'), alike: 0, pods: 0, ...nothing },
    { node: node('ssd', { labels: { disk: 'ssd' } }), alike: 5, pods: 5, ...nothing },
  ];
  t.same(placePod(pod('p', { spec: { nodeSelector: { disk: 'ssd' } } }), loads), { nodeName: 'ssd' });
  t.same(placePod(pod('p', { spec: { nodeSelector: { disk: 'tape' } } }), loads), {
    message: "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.",
  });
  const tainted = [
    {
      node: node('n1', { taints: [{ key: 'k', value: 'v', effect: 'NoSchedule' }] }),
      alike: 0,
      pods: 0,
      ...nothing,
    },
  ];
  for (const toleration of [
    { key: 'k', operator: 'Equal', value: 'v' },
    { key: 'k', operator: 'Exists', effect: 'NoSchedule' },
    { operator: 'Exists' },
  ]) {
    t.same(placePod(pod('p', { spec: { tolerations: [toleration] } }), tainted), { nodeName: 'n1' });
  }
  for (const toleration of [
    { key: 'k', operator: 'Equal', value: 'other' },
    { key: 'k', operator: 'Exists', effect: 'NoExecute' },
    { key: 'other', operator: 'Exists' },
  ]) {
    t.notOk('nodeName' in placePod(pod('p', { spec: { tolerations: [toleration] } }), tainted));
  }
  t.end();
});

t.test('a node is promised to pods up to what it has', (t) => {
  const has = (name: string): Node => ({
    ...node(name),
    status: { ...node(name).status, allocatable: { cpu: '2', memory: '1Gi' } },
  });
  const asking = (...requests: Record<string, string>[]) =>
    pod('p', {
      spec: {
        containers: requests.map((each, index) => ({ name: `c${index}`, resources: { requests: each } })),
      },
    });
  const place = (one: Pod, promised: [string, number][] = []) =>
    placePod(one, [{ ...nothing, node: has('n1'), alike: 0, pods: 0, promised: new Map(promised) }]);
  t.same(place(asking({ cpu: '500m' }, { cpu: '1500m', memory: '1Gi' })), { nodeName: 'n1' });
  const few = { message: '0/1 nodes are available: 1 Insufficient cpu.' };
  t.same(place(asking({ cpu: '500m' }, { cpu: '1501m' })), few);
  t.same(place(asking({ cpu: '1' }), [['cpu', 1.5]]), few);
  t.same(place(asking({ cpu: '500m' }), [['cpu', 1.5]]), { nodeName: 'n1' });
  t.same(place(asking({}), [['cpu', 2.5]]), { nodeName: 'n1' }, 'who asks for nothing always fits');
  const init = asking({ memory: '1Mi' });
  init.spec.initContainers = [{ name: 'init', resources: { requests: { memory: '2Gi' } } }];
  t.same(place(init), { message: '0/1 nodes are available: 1 Insufficient memory.' });
  t.end();
});

t.test('no two pods have one port of a node', (t) => {
  const claiming = (...ports: object[]) =>
    pod('p', {
      spec: { containers: [{ name: 'c', ports: ports.map((one) => ({ containerPort: 80, ...one })) }] },
    });
  const taken = [
    { hostPort: 80, protocol: 'TCP' },
    { hostPort: 53, protocol: 'UDP', hostIP: '192.0.2.1' },
    { hostPort: 443, protocol: 'TCP', hostIP: '0.0.0.0' },
    { hostPort: 22, protocol: 'TCP', hostIP: '2001:db8::1' },
  ] as const;
  const node1 = { ...nothing, node: node('n1'), alike: 0, pods: 0, hostPorts: taken };
  const refused = {
    message: "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.",
  };
  for (const [port, expected] of [
    [{ hostPort: 81 }, { nodeName: 'n1' }],
    [{ hostPort: 80 }, refused],
    [{ hostPort: 80, hostIP: '127.0.0.1' }, refused],
    [{ hostPort: 80, protocol: 'UDP' }, { nodeName: 'n1' }],
    [{ hostPort: 53, protocol: 'UDP' }, refused],
    [{ hostPort: 53, protocol: 'UDP', hostIP: '192.0.2.1' }, refused],
    [{ hostPort: 53, protocol: 'UDP', hostIP: '192.0.2.2' }, { nodeName: 'n1' }],
    [{ hostPort: 53, protocol: 'UDP', hostIP: '0.0.0.0' }, refused],
    [{ hostPort: 53, protocol: 'UDP', hostIP: '::' }, { nodeName: 'n1' }],
    [{ hostPort: 443, hostIP: '192.0.2.2' }, refused],
    [{ hostPort: 443, hostIP: '2001:db8::2' }, { nodeName: 'n1' }],
    [{ hostPort: 22, hostIP: '2001:db8:0::1' }, refused],
    [{}, { nodeName: 'n1' }],
  ] as const) {
    t.same(placePod(claiming(port), [node1]), expected, JSON.stringify(port));
  }
  t.same(placePod(claiming({ hostPort: 1 }, { hostPort: 80 }), [node1]), refused, 'every port counts');
  const sidecar = claiming();
  sidecar.spec.initContainers = [
    { name: 's', restartPolicy: 'Always', ports: [{ containerPort: 1, hostPort: 80 }] },
    { name: 'i', ports: [{ containerPort: 1, hostPort: 443 }] },
  ];
  t.same(placePod(sidecar, [node1]), refused, 'a container that runs beside the others claims ports');
  sidecar.spec.initContainers.shift();
  t.same(placePod(sidecar, [node1]), { nodeName: 'n1' }, 'one that only goes before them does not');
  t.end();
});

t.test('alike are pods of the same controller, or else of the same Services', (t) => {
  const others = [
    pod('same', { owner: 'uid-rc' }),
    pod('leaving', { owner: 'uid-rc', deleting: true }),
    pod('other', { owner: 'uid-other' }),
    pod('bare', {}),
    pod('db', { labels: { app: 'db' } }),
  ];
  t.same(names(alikePods(pod('new', { owner: 'uid-rc' }), others, [service('web')])), ['same']);
  t.same(names(alikePods(pod('new'), others, [service('web')])), ['same', 'other', 'bare']);
  t.same(names(alikePods(pod('new'), others, [])), []);
  t.end();
});
