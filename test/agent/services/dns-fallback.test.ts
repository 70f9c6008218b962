import t from 'tap';

import { DnsFallback } from '../../../agent/services/dns-fallback.ts';
import type { AgentContext } from '../../../agent/subsystem.ts';
import type { Node } from '../../../api/kinds/node.ts';
import { FakeCache } from '../../../rig/fake-cache.ts';

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

function cacheOf(all: readonly Node[]): FakeCache<Node> {
  const nodes = new FakeCache<Node>(({ metadata }) => metadata.name);
  for (const each of all) nodes.set(each);
  return nodes;
}

function fallbackOver(nodes: FakeCache<Node>, dnsIPs = ['10.96.0.10'], nodeName = 'node1'): DnsFallback {
  return new DnsFallback({ nodeName, cluster: { dnsIPs }, caches: { nodes } } as unknown as AgentContext);
}

function compile(dnsIPs: readonly string[], ...all: readonly Node[]) {
  return fallbackOver(cacheOf(all), [...dnsIPs]).compile();
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

function many(count: number): Node[] {
  return Array.from({ length: count }, (_, index) =>
    node(`node${String(index + 1)}`, { podCIDRs: [`10.${String(index >> 8)}.${String(index & 255)}.0/24`] }),
  );
}

t.test('of many nodes a few, which are others for each node', (t) => {
  const all = many(40);
  const nodes = cacheOf(all);
  const used = new Set<string>();
  for (const { metadata } of all) {
    const [frontend] = fallbackOver(nodes, ['10.96.0.10'], metadata.name).compile()?.frontends ?? [];
    t.equal(frontend?.endpoints.length, 8);
    for (const { address } of frontend?.endpoints ?? []) used.add(address);
  }
  t.ok(used.size > 30, `${String(used.size)} of 40 are somebody's`);
  t.end();
});

t.test('of 5,000 nodes that fall silent and come back only the eight in use matter', (t) => {
  const all = many(5_000);
  const nodes = cacheOf(all);
  const fallback = fallbackOver(nodes);
  const before = fallback.compile();
  const list = t.capture(nodes, 'list', nodes.list.bind(nodes));
  let changes = 0;
  nodes.subscribe((event) => {
    if (!fallback.note(event)) return;
    changes += 1;
    fallback.compile();
  });
  for (const each of all.slice(1)) {
    nodes.set({ ...each, status: { conditions: [{ type: 'Ready', status: 'Unknown' }] } });
    nodes.set(structuredClone(each));
  }
  t.equal(changes, 2 * 8, 'what is compiled anew');
  t.strictSame(list(), [], 'nobody goes over all nodes');
  t.strictSame(fallback.compile(), before);
  t.end();
});

t.test('change by change the same as all at once', (t) => {
  let state = 117;
  const random = (below: number): number => (state = (state * 48_271) % 0x7fff_ffff) % below;
  const nodes = cacheOf([]);
  const fallback = fallbackOver(nodes);
  fallback.compile();
  let due = 0;
  nodes.subscribe((event) => {
    due += Number(fallback.note(event));
  });
  let said = fallback.compile();
  for (let step = 0; step < 1_000; step += 1) {
    const name = `node${String(1 + random(16))}`;
    const podCIDRs = random(4) === 0 ? [] : [`10.244.${String(random(20))}.0/24`];
    const created = `2026-01-01T00:00:${String(10 + random(40))}Z`;
    if (random(5) === 0) nodes.delete(name);
    else nodes.set(node(name, { podCIDRs, created, ready: random(3) === 0 ? 'False' : 'True' }));
    if (due > 0) said = fallback.compile();
    due = 0;
    const afresh = fallbackOver(nodes).compile();
    if (JSON.stringify(said) !== JSON.stringify(afresh)) {
      t.strictSame(said, afresh, `step ${String(step)}`);
      break;
    }
  }
  t.ok(said, 'there was something to say');
  t.end();
});
