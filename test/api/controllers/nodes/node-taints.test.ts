import t from 'tap';
import { renderTaints } from '../../../../api/controllers/nodes/node-taints.ts';
import type { Node } from '../../../../api/kinds/node.ts';

const now = '2026-01-01T00:00:00Z';

function node(conditions: Readonly<Record<string, string>>, spec: Node['spec'] = {}): Node {
  const list = Object.entries(conditions).map(([type, status]) => ({ type, status }));
  return { metadata: { name: 'node1' }, spec, status: { conditions: list } };
}

const text = (taints: ReturnType<typeof renderTaints>) =>
  taints?.map(({ key, effect }) => `${key.replace('node.kubernetes.io/', '')}:${effect}`);

t.test('taints follow from conditions and from cordon', (t) => {
  t.equal(renderTaints(node({ Ready: 'True', MemoryPressure: 'False' }), now), undefined);
  t.same(renderTaints(node({ Ready: 'True' }, { unschedulable: true }), now), [
    { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule', timeAdded: now },
  ]);
  t.same(text(renderTaints(node({ Ready: 'False' }), now)), ['not-ready:NoSchedule', 'not-ready:NoExecute']);
  t.same(text(renderTaints(node({ Ready: 'Unknown' }), now)), [
    'unreachable:NoSchedule',
    'unreachable:NoExecute',
  ]);
  t.same(text(renderTaints(node({ Ready: 'True', DiskPressure: 'True' }), now)), [
    'disk-pressure:NoSchedule',
  ]);
  t.end();
});

t.test('they go with their cause; those that people gave stay', (t) => {
  const own = { key: 'example.com/own', effect: 'NoExecute' };
  const old = { key: 'node.kubernetes.io/not-ready', effect: 'NoExecute', timeAdded: '2025-01-01T00:00:00Z' };
  t.same(renderTaints(node({ Ready: 'True' }, { taints: [own, old] }), now), [own]);
  const after = renderTaints(node({ Ready: 'False' }, { taints: [own, old] }), now);
  t.same(after?.[1], old, 'what stands keeps its time');
  t.same(text(after), ['example.com/own:NoExecute', 'not-ready:NoExecute', 'not-ready:NoSchedule']);
  t.equal(renderTaints(node({ Ready: 'False' }, { taints: after ?? [] }), now), undefined, 'a second pass');
  t.end();
});
