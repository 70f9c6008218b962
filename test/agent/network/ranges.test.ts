import t from 'tap';
import { RangeTable } from '../../../agent/network/ranges.ts';
import type { ClusterNode } from '../../../agent/network/view.ts';
import { overlap, parseCidr } from '../../../netns/ip.ts';

function claim(name: string, created: number, ...podCIDRs: string[]): ClusterNode {
  return {
    name,
    created: `2026-01-01T00:00:${String(created).padStart(2, '0')}Z`,
    podCIDRs,
    internalIPs: [],
  };
}

function holdings(table: RangeTable, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    names.map((name) => [
      name,
      table.rivalOf(name) ??
        table
          .rangesOf(name)
          .map(({ cidr }) => cidr)
          .join(' '),
    ]),
  );
}

/** The rule itself, as slow as it is short: the older first, each that overlaps with none before. */
function judge(nodes: readonly ClusterNode[]): string[] {
  const order = (a: string, b: string): number => (a < b ? -1 : Number(a > b));
  const held: ClusterNode[] = [];
  for (const node of nodes.toSorted((a, b) => order(a.created, b.created) || order(a.name, b.name))) {
    const overlaps = (other: ClusterNode): boolean =>
      node.podCIDRs.some((one) => other.podCIDRs.some((two) => overlap(parseCidr(one), parseCidr(two))));
    if (node.podCIDRs.length > 0 && !held.some(overlaps)) held.push(node);
  }
  return held.map(({ name }) => name).sort();
}

t.test('a range belongs to the oldest that claims it', (t) => {
  const names = ['a', 'b', 'c'];
  const table = new RangeTable([
    claim('c', 3, '10.0.0.0/24', 'fd00:3::/64'),
    claim('a', 1, '10.0.0.0/25', 'fd00:1::/64'),
    claim('b', 2, '10.0.1.0/24', 'fd00:2::/64'),
  ]);
  t.same(holdings(table, names), {
    a: '10.0.0.0/25 fd00:1::/64',
    b: '10.0.1.0/24 fd00:2::/64',
    c: 'a',
  });
  t.same(table.set(claim('b', 2, '10.0.2.0/24')), ['b'], 'a change concerns who overlaps, before or after');
  t.same(new Set(table.delete('a')), new Set(['a', 'c']));
  t.same(holdings(table, names), { a: '', b: '10.0.2.0/24', c: '10.0.0.0/24 fd00:3::/64' });
  t.same(new Set(table.set(claim('b', 2, '10.0.0.0/8'))), new Set(['b', 'c']));
  t.same(holdings(table, names), { a: '', b: '10.0.0.0/8', c: 'b' });
  t.end();
});

t.test('who loses its range takes none from others', (t) => {
  const table = new RangeTable([
    claim('a', 1, '10.0.0.0/25'),
    claim('b', 2, '10.0.0.0/24'),
    claim('c', 3, '10.0.0.128/25'),
  ]);
  t.same(holdings(table, ['a', 'b', 'c']), { a: '10.0.0.0/25', b: 'a', c: '10.0.0.128/25' });
  table.delete('a');
  t.same(holdings(table, ['a', 'b', 'c']), { a: '', b: '10.0.0.0/24', c: 'b' });
  t.end();
});

t.test('of two that came at once the first by name', (t) => {
  const table = new RangeTable([claim('b', 1, '10.0.0.0/24'), claim('a', 1, '10.0.0.0/24')]);
  t.same(holdings(table, ['a', 'b']), { a: '10.0.0.0/24', b: 'a' });
  t.end();
});

t.test('change by change the same as all at once', (t) => {
  let seed = 117;
  const random = (below: number): number => {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    return Math.floor((seed / 2147483648) * below);
  };
  const nodes = new Map<string, ClusterNode>();
  const table = new RangeTable();
  for (let step = 0; step < 2000; step += 1) {
    const name = `n${random(12)}`;
    const before = new Map([...nodes.keys()].map((each) => [each, table.rangesOf(each)]));
    const gone = random(4) === 0;
    const prefix = 24 + random(5);
    const cidrs = [`10.0.${random(3)}.${random(256)}/${prefix}`, `fd00:0:0:${random(6)}::/${62 + random(3)}`];
    const node = claim(name, random(60), ...cidrs.slice(random(3)));
    if (gone) nodes.delete(name);
    else nodes.set(name, node);
    const concerned = new Set(gone ? table.delete(name) : table.set(node));
    const held = [...nodes.keys()].filter((each) => table.rangesOf(each).length > 0).sort();
    if (JSON.stringify(held) !== JSON.stringify(judge([...nodes.values()]))) {
      t.same(held, judge([...nodes.values()]), `step ${step}`);
      break;
    }
    const changed = [...nodes.keys()].filter(
      (each) => JSON.stringify(table.rangesOf(each)) !== JSON.stringify(before.get(each) ?? []),
    );
    if (!changed.every((each) => concerned.has(each)))
      t.fail(`step ${step} did not tell of all that changed`);
  }
  t.ok(nodes.size > 0);
  t.end();
});
