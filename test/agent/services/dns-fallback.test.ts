import t from 'tap';

import { compileDnsFallback } from '../../../agent/services/dns-fallback.ts';
import type { AgentContext } from '../../../agent/subsystem.ts';
import type { Node } from '../../../api/kinds/node.ts';
import { FakeCache } from '../fake-cache.ts';

interface NodeDraft {
  readonly podCIDRs?: readonly string[];
  readonly ready?: 'True' | 'False' | 'Unknown';
  readonly created?: string;
}

function node(
  name: string,
  { podCIDRs = [], ready = 'True', created = '2026-01-01T00:00:00Z' }: NodeDraft,
): Node {
  return {
    metadata: { name, creationTimestamp: created },
    spec: { podCIDRs: [...podCIDRs] },
    status: { conditions: [{ type: 'Ready', status: ready }] },
  };
}

function compile(dnsIPs: readonly string[], ...all: readonly Node[]) {
  const nodes = new FakeCache<Node>(({ metadata }) => metadata.name);
  for (const each of all) nodes.set(each);
  const context = { nodeName: 'node1', cluster: { dnsIPs }, caches: { nodes } };
  return compileDnsFallback(context as unknown as AgentContext);
}

/** `udp 10.96.0.10:53 → 10.244.2.1:53` */
function lines(...args: Parameters<typeof compile>): string[] {
  return (compile(...args)?.frontends ?? []).map(({ protocol, address = '', port, endpoints }) => {
    const to = endpoints.map((endpoint) => `${endpoint.address}:${String(endpoint.port)}`).sort();
    return `${protocol} ${address}:${String(port)} → ${to.join(' ')}`;
  });
}

const self = node('node1', { podCIDRs: ['10.244.1.0/24', 'fd00:10:244:1::/64'] });
const two = node('node2', { podCIDRs: ['10.244.2.0/24', 'fd00:10:244:2::/64'] });
const three = node('node3', { podCIDRs: ['10.244.3.0/24'] });

t.test('the first address of the pod range of every other node that is Ready', (t) => {
  t.strictSame(lines(['10.96.0.10'], self, two, three), [
    'udp 10.96.0.10:53 → 10.244.2.1:53 10.244.3.1:53',
    'tcp 10.96.0.10:53 → 10.244.2.1:53 10.244.3.1:53',
  ]);
  t.strictSame(
    lines(['10.96.0.10', 'fd00:10:96::a'], self, two, three),
    [
      'udp 10.96.0.10:53 → 10.244.2.1:53 10.244.3.1:53',
      'tcp 10.96.0.10:53 → 10.244.2.1:53 10.244.3.1:53',
      'udp fd00:10:96::a:53 → fd00:10:244:2::1:53',
      'tcp fd00:10:96::a:53 → fd00:10:244:2::1:53',
    ],
    'each family has its own',
  );
  t.end();
});

t.test('nobody else', (t) => {
  const rows: readonly (readonly [why: string, ...others: Node[]])[] = [
    ['no other node'],
    ['not Ready', node('node2', { podCIDRs: ['10.244.2.0/24'], ready: 'False' })],
    ['not heard of for long', node('node2', { podCIDRs: ['10.244.2.0/24'], ready: 'Unknown' })],
    ['without a range', node('node2', {})],
    ['of another family', node('node2', { podCIDRs: ['fd00:10:244:2::/64'] })],
    [
      "with a range that is an older node's, here this one's",
      node('node2', { podCIDRs: ['10.244.1.0/24'], created: '2026-02-02T00:00:00Z' }),
    ],
  ];
  for (const [why, ...others] of rows) t.equal(compile(['10.96.0.10'], self, ...others), undefined, why);
  t.end();
});

t.test('of many nodes a few, which are others for each node', (t) => {
  const many = Array.from({ length: 40 }, (_, index) =>
    node(`node${String(index + 1)}`, { podCIDRs: [`10.244.${String(index + 1)}.0/24`] }),
  );
  const nodes = new FakeCache<Node>(({ metadata }) => metadata.name);
  for (const each of many) nodes.set(each);
  const used = new Set<string>();
  for (const { metadata } of many) {
    const context = { nodeName: metadata.name, cluster: { dnsIPs: ['10.96.0.10'] }, caches: { nodes } };
    const [frontend] = compileDnsFallback(context as unknown as AgentContext)?.frontends ?? [];
    t.equal(frontend?.endpoints.length, 8);
    for (const { address } of frontend?.endpoints ?? []) used.add(address);
  }
  t.ok(used.size > 30, `${String(used.size)} of 40 are somebody's`);
  t.end();
});
