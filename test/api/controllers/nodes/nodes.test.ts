import t from 'tap';
import {
  judgeNode,
  nodeHealthTiming,
  observeLease,
  podsToEvict,
  podsToMarkNotReady,
  renderSilentNode,
} from '../../../../api/controllers/nodes/node-health.ts';
import { clusterRanges, nextShare, shareIndices } from '../../../../api/controllers/nodes/node-ranges.ts';
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

t.test('ranges are cut into shares', (t) => {
  const [v4, v6] = clusterRanges(['10.244.0.0/16', 'fd00:10:244::/56'], { ipv4: 24, ipv6: 64 });
  if (!v4 || !v6) throw new Error('two ranges');
  t.same(nextShare(v4, new Set(), -1), { index: 0, cidr: '10.244.0.0/24' });
  t.same(nextShare(v4, new Set([0, 1, 3]), -1), { index: 2, cidr: '10.244.2.0/24' });
  t.same(nextShare(v6, new Set([0]), 0), { index: 1, cidr: 'fd00:10:244:1::/64' });
  t.same(nextShare(v6, new Set(), 254), { index: 255, cidr: 'fd00:10:244:ff::/64' });
  t.same(nextShare(v4, new Set([255]), 254), { index: 0, cidr: '10.244.0.0/24' }, 'goes round');
  t.equal(nextShare(v4, new Set(Array.from({ length: 256 }, (_, index) => index)), 7), undefined);
  const [odd] = clusterRanges(['10.1.128.0/17'], { ipv4: 25, ipv6: 64 });
  if (!odd) throw new Error('one range');
  t.same(nextShare(odd, new Set(), 2), { index: 3, cidr: '10.1.129.128/25' });
  t.end();
});

t.test('what a node has is found again', (t) => {
  const [range] = clusterRanges(['10.244.0.0/16'], { ipv4: 24, ipv6: 64 });
  if (!range) throw new Error('one range');
  const table: [string, { first: number; last: number } | undefined][] = [
    ['10.244.7.0/24', { first: 7, last: 7 }],
    ['10.244.7.128/25', { first: 7, last: 7 }],
    ['10.244.4.0/22', { first: 4, last: 7 }],
    ['10.0.0.0/8', { first: 0, last: 255 }],
    ['10.245.0.0/24', undefined],
    ['fd00::/64', undefined],
  ];
  for (const [cidr, expected] of table) t.same(shareIndices(range, cidr), expected, cidr);
  t.end();
});
