import t from 'tap';
import { Backoff } from '../../../../api/controllers/backoff.ts';
import { planRevisions, renderRevision } from '../../../../api/controllers/daemons/daemon-revisions.ts';
import { planDaemons } from '../../../../api/controllers/daemons/daemon-rollout.ts';
import {
  daemonSpec,
  endedPods,
  fitOf,
  renderDaemonStatus,
  specFor,
  viewNodes,
} from '../../../../api/controllers/daemons/daemons.ts';
import type { DaemonView } from '../../../../api/controllers/daemons/daemons.ts';
import { matchesNode } from '../../../../api/controllers/scheduling/node-affinity.ts';
import type { DaemonSet } from '../../../../api/kinds/daemon-set.ts';
import type { Node } from '../../../../api/kinds/node.ts';
import type { Pod } from '../../../../api/kinds/pod.ts';
import { daemonSet, names, node, pod } from '../objects.ts';
import type { PodSketch } from '../objects.ts';

const now = new Date('2026-01-01T01:00:00Z');

/** A pod of a revision (`old` or `new`) on a node. */
function daemon(name: string, nodeName: string, revision: 'old' | 'new', sketch: PodSketch = {}): Pod {
  const labels = { app: 'web', 'controller-revision-hash': revision };
  return pod(name, { labels, owner: 'uid-web', node: nodeName, ready: true, ...sketch });
}

function view(wanted: DaemonSet, nodes: readonly Node[], pods: readonly Pod[]): DaemonView {
  return { daemonSet: wanted, nodes: viewNodes(daemonSpec(wanted), nodes, pods), hash: 'new', now };
}

const three = [node('n1'), node('n2'), node('n3')];

t.test('which nodes a pod belongs on', (t) => {
  const podSpec = (spec: Partial<Pod['spec']> = {}) => {
    return daemonSpec(daemonSet({ template: { spec: { containers: [], ...spec } } }));
  };
  const spec = podSpec();
  const taint = (effect: string) => node('n', { taints: [{ key: 'k', effect }] });
  t.equal(fitOf(spec, node('n')), 'run');
  t.equal(fitOf(spec, node('n', { unschedulable: true })), 'run', 'a cordoned node too');
  t.equal(fitOf(spec, node('n', { ready: 'Unknown' })), 'stay', 'a silent one gets no new pod');
  t.equal(fitOf(spec, taint('NoSchedule')), 'stay');
  t.equal(fitOf(spec, taint('NoExecute')), 'leave');
  t.equal(fitOf(spec, taint('PreferNoSchedule')), 'run');
  t.equal(fitOf(podSpec({ tolerations: [{ operator: 'Exists' }] }), taint('NoExecute')), 'run');
  t.equal(fitOf(podSpec({ nodeSelector: { disk: 'ssd' } }), node('n')), 'leave');
  t.equal(fitOf(podSpec({ nodeSelector: { disk: 'ssd' } }), node('n', { labels: { disk: 'ssd' } })), 'run');
  t.equal(fitOf(podSpec({ nodeName: 'other' }), node('n')), 'leave');
  t.end();
});

t.test('required node affinity', (t) => {
  const one = node('n1', { labels: { disk: 'ssd', cores: '8' } });
  const term = (key: string, operator: string, ...values: string[]) => ({
    matchExpressions: [{ key, operator, values }],
  });
  const cases: [object[], boolean][] = [
    [[], false],
    [[{}], false],
    [[term('disk', 'In', 'ssd', 'nvme')], true],
    [[term('disk', 'NotIn', 'ssd')], false],
    [[term('disk', 'Exists')], true],
    [[term('disk', 'DoesNotExist')], false],
    [[term('cores', 'Gt', '4')], true],
    [[term('cores', 'Lt', '4')], false],
    [[term('disk', 'Maybe')], false],
    [[term('disk', 'In', 'tape'), term('cores', 'Exists')], true],
    [[{ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['n1'] }] }], true],
    [
      [
        {
          ...term('disk', 'Exists'),
          matchFields: [{ key: 'metadata.name', operator: 'In', values: ['n2'] }],
        },
      ],
      false,
    ],
  ];
  for (const [nodeSelectorTerms, expected] of cases) {
    const nodeAffinity = {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: nodeSelectorTerms as { matchFields: [] }[],
      },
    };
    const spec = { containers: [], affinity: { nodeAffinity } };
    t.equal(matchesNode(spec, one), expected, JSON.stringify(nodeSelectorTerms));
  }
  const aimed = specFor('n2', daemonSpec(daemonSet()));
  t.equal(matchesNode(aimed, node('n2')), true, 'a daemon goes to its node');
  t.equal(matchesNode(aimed, one), false, 'and to no other');
  t.end();
});

t.test('one pod on every node that fits', (t) => {
  const pods = [
    daemon('a', 'n1', 'new'),
    daemon('b', 'n1', 'new', { created: '2026-01-02T00:00:00Z' }),
    daemon('c', 'n3', 'new', { deleting: true }),
    daemon('d', 'gone', 'new'),
    daemon('e', '', 'new', { spec: specFor('gone', { containers: [] }) }),
    daemon('f', 'cold', 'new'),
  ];
  const cold = node('cold', { taints: [{ key: 'k', effect: 'NoExecute' }] });
  const step = planDaemons(view(daemonSet(), [...three, cold], pods));
  t.same(step.create, ['n2'], 'not where the last one still ends');
  t.same(names(step.remove).sort(), ['b', 'e', 'f'], 'the younger twin, and those without a place');
  const leaving = daemonSet();
  leaving.metadata.deletionTimestamp = '2026-01-01T00:00:00Z';
  t.same(planDaemons(view(leaving, three, [])), { create: [], remove: [] });
  t.end();
});

t.test('old pods are replaced within the limit', (t) => {
  const update = (rollingUpdate: object) => ({ updateStrategy: { type: 'RollingUpdate', rollingUpdate } });
  const old = three.map(({ metadata }) => daemon(`${metadata.name}-old`, metadata.name, 'old'));
  const [a, b, c] = old as [Pod, Pod, Pod];
  const step = (wanted: DaemonSet, pods: readonly Pod[]) => {
    const { create, remove } = planDaemons(view(wanted, three, pods));
    return { create, remove: names(remove) };
  };
  t.same(step(daemonSet(), old), { create: [], remove: ['n1-old'] });
  t.same(step(daemonSet(), [b, c]), { create: ['n1'], remove: [] }, 'what is missing comes first');
  const waiting = daemon('n1-new', 'n1', 'new', { ready: false });
  t.same(
    step(daemonSet(), [waiting, b, c]),
    { create: [], remove: [] },
    'none while the new one does not serve',
  );
  t.same(step(daemonSet(), [daemon('n1-new', 'n1', 'new'), b, c]), { create: [], remove: ['n2-old'] });
  const broken = daemon('n3-old', 'n3', 'old', { ready: false });
  t.same(
    step(daemonSet(), [a, b, broken]),
    { create: [], remove: ['n3-old'] },
    'one that does not serve first',
  );
  t.same(step(daemonSet(update({ maxUnavailable: '50%' })), old).remove, ['n1-old', 'n2-old']);
  t.same(step(daemonSet({ updateStrategy: { type: 'OnDelete' } }), old), { create: [], remove: [] });
  const surge = daemonSet(update({ maxUnavailable: 0, maxSurge: 1 }));
  t.same(step(surge, old), { create: ['n1'], remove: [] }, 'beside the old one');
  t.same(step(surge, [...old, waiting]), { create: [], remove: [] });
  t.same(step(surge, [...old, daemon('n1-new', 'n1', 'new')]), { create: [], remove: ['n1-old'] });
  t.end();
});

t.test('pods that ended', (t) => {
  const pods = [
    daemon('a', 'n1', 'new', { phase: 'Failed' }),
    daemon('b', 'n2', 'new', { phase: 'Succeeded' }),
  ];
  t.same(names(endedPods(view(daemonSet(), three, pods))), ['a', 'b']);
  const backoff = new Backoff();
  t.equal(backoff.tryAt('a', 0), 0);
  t.equal(backoff.tryAt('a', 400), 600);
  t.equal(backoff.tryAt('a', 1000), 0);
  t.equal(backoff.tryAt('a', 1000), 2000, 'twice as long');
  t.equal(backoff.tryAt('b', 1000), 0, 'another one knows nothing of it');
  t.end();
});

t.test('status', (t) => {
  const pods = [
    daemon('a', 'n1', 'new'),
    daemon('b', 'n2', 'old', { readySince: '2026-01-01T00:59:30Z' }),
    daemon('c', 'odd', 'new'),
  ];
  const odd = node('odd', { taints: [{ key: 'k', effect: 'NoSchedule' }] });
  t.same(renderDaemonStatus(view(daemonSet({ minReadySeconds: 60 }), [...three, odd], pods)), {
    currentNumberScheduled: 2,
    numberMisscheduled: 1,
    desiredNumberScheduled: 3,
    numberReady: 2,
    observedGeneration: 1,
    updatedNumberScheduled: 1,
    numberAvailable: 1,
    numberUnavailable: 2,
  });
  t.end();
});

t.test('revisions', (t) => {
  const at = (image: string) =>
    daemonSet({
      revisionHistoryLimit: 1,
      template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'main', image }] } },
    });
  t.match(planRevisions(at('web:1'), [], []), { current: undefined, revision: 1, remove: [] });
  const [one, two, three] = ['web:1', 'web:2', 'web:3'].map((image, i) => renderRevision(at(image), i + 1));
  const all = [one, two, three].filter((each) => each !== undefined);
  t.match(one, {
    metadata: { labels: { app: 'web' }, ownerReferences: [{ kind: 'DaemonSet', name: 'web' }] },
    data: { spec: { template: { $patch: 'replace', spec: { containers: [{ image: 'web:1' }] } } } },
    revision: 1,
  });
  const back = planRevisions(at('web:1'), all, []);
  t.equal(back.current, one);
  t.equal(back.revision, 4, 'the newest number');
  t.same(back.remove, [two]);
  const hash = two?.metadata.labels?.['controller-revision-hash'] ?? '';
  const used = pod('p', { labels: { 'controller-revision-hash': hash } });
  t.same(planRevisions(at('web:1'), all, [used]).remove, [three], 'one that pods are of stays');
  t.same(planRevisions(at('web:3'), all, []).revision, 3);
  t.end();
});
