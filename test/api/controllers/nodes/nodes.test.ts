import t from 'tap';
import {
  judgeNode,
  nodeHealthTiming,
  observeLease,
  podsToEvict,
  podsToMarkNotReady,
  renderSilentNode,
} from '../../../../api/controllers/nodes/node-health.ts';
import { names, node, pod } from '../objects.ts';

t.test('a lease counts by when we saw it move, whatever its time says', (t) => {
  const lease = (renewTime: string) => ({ metadata: { name: 'n1' }, spec: { renewTime } });
  const first = observeLease(undefined, lease('1999-01-01T00:00:00.000000Z'), 1000);
  t.equal(first.seenAtMs, 1000);
  t.equal(observeLease(first, lease('1999-01-01T00:00:00.000000Z'), 5000), first, 'stood still');
  t.equal(observeLease(first, lease('1999-01-01T00:00:10.000000Z'), 5000).seenAtMs, 5000, 'moved');
  t.end();
});

t.test('forty silent seconds make a node Unknown, once', (t) => {
  const seen = { renewTime: 'x', seenAtMs: 0 };
  const { graceMs } = nodeHealthTiming;
  t.equal(judgeNode(node('n1'), seen, { nowMs: 39_999, graceMs }), undefined);
  t.equal(judgeNode(node('n1'), seen, { nowMs: 40_000, graceMs }), 'Unknown');
  t.equal(judgeNode(node('n1', { ready: 'Unknown' }), seen, { nowMs: 40_000, graceMs }), undefined);
  t.match(renderSilentNode(node('n1'), 'now'), {
    status: { conditions: [{ type: 'Ready', status: 'Unknown', reason: 'NodeStatusUnknown' }] },
  });
  t.end();
});

t.test('its pods stop being ready, and are evicted after five minutes or as they tolerate', (t) => {
  const silent = node('n1', { ready: 'Unknown' });
  const since = Date.parse('2026-01-01T00:00:00Z');
  const tolerating = (tolerationSeconds?: number) => ({
    spec: {
      tolerations: [
        {
          key: 'node.kubernetes.io/unreachable',
          operator: 'Exists',
          effect: 'NoExecute',
          ...(tolerationSeconds !== undefined && { tolerationSeconds }),
        },
      ],
    },
  });
  const pods = [
    pod('plain', { ready: true }),
    pod('short', tolerating(10)),
    pod('for-ever', tolerating()),
    pod('leaving', { deleting: true }),
  ];
  t.same(names(podsToMarkNotReady(silent, pods)), ['plain']);
  t.same(names(podsToMarkNotReady(node('n1'), pods)), []);
  t.same(names(podsToEvict(silent, pods, since + 11_000)), ['short']);
  t.same(names(podsToEvict(silent, pods, since + 299_000)), ['short']);
  t.same(names(podsToEvict(silent, pods, since + 300_000)), ['plain', 'short']);
  t.same(names(podsToEvict(node('n1'), pods, since + 900_000)), []);
  t.end();
});
