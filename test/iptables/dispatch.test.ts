import t from 'tap';

import { addressDispatch, DispatchTree, portDispatch } from '../../iptables/dispatch.ts';

type Tree = DispatchTree<readonly string[]>;

/** What a kernel would hold after the changes so far. */
function settle(tree: Tree, chains: Map<string, readonly string[]>): Map<string, readonly string[]> {
  for (const [chain, render] of tree.takeChanged()) {
    if (render) chains.set(chain, render());
    else chains.delete(chain);
  }
  return chains;
}

/** The chains of a fresh tree with these keys. */
function treeOf(keys: readonly string[], make: () => Tree): Map<string, readonly string[]> {
  const tree = make();
  for (const key of keys) tree.set(key, [`-d ${key} -j X`]);
  return settle(tree, new Map());
}

const asIs = (rules: readonly string[]): readonly string[] => rules;
const four = (): Tree => new DispatchTree(addressDispatch('V', 'ipv4'), asIs);
const six = (): Tree => new DispatchTree(addressDispatch('V', 'ipv6'), asIs);

t.test('up to eight addresses stand in the root', (t) => {
  const keys = Array.from({ length: 8 }, (_, n) => `10.96.0.${String(n + 1)}`);
  t.strictSame([...treeOf(keys, four)], [['V', keys.map((key) => `-d ${key} -j X`)]]);
  t.strictSame([...treeOf([], four)], [['V', []]], 'an empty tree is an empty chain');
  t.end();
});

t.test('more are told apart by their low bits', (t) => {
  const keys = [...Array.from({ length: 9 }, (_, n) => `10.96.${String(n)}.1`), '10.96.0.2'];
  const chains = treeOf(keys, four);
  t.strictSame(chains.get('V'), ['-d 0.0.0.1/0.0.0.15 -j V-1', '-d 0.0.0.2/0.0.0.15 -j V-2']);
  t.strictSame(chains.get('V-1'), ['-d 0.0.0.0/0.0.0.240 -j V-10'], 'same low bits: one more step');
  t.strictSame(chains.get('V-10')?.length, 9);
  t.strictSame(chains.get('V-2'), ['-d 10.96.0.2 -j X']);
  t.end();
});

t.test('IPv6 masks are written as iptables-save writes them', (t) => {
  const matches = (place: number, digit: number): string =>
    addressDispatch('V', 'ipv6').match('0'.repeat(place) + String(digit));
  t.equal(matches(0, 3), '-d ::3/::f');
  t.equal(matches(3, 3), '-d ::3000/::f000');
  t.equal(matches(4, 3), '-d ::0.3.0.0/::0.15.0.0', 'above the lowest word: like an IPv4 address');
  t.equal(matches(8, 3), '-d ::3:0:0/::f:0:0');
  t.equal(matches(12, 0), '-d ::/::f:0:0:0');
  t.equal(matches(15, 1), '-d ::1000:0:0:0/::f000:0:0:0');
  t.end();
});

t.test('the shape follows from the keys, whatever the order in which they came and went', (t) => {
  const all = Array.from({ length: 200 }, (_, n) => `10.96.${String(n % 7)}.${String((n * 37) % 251)}`);
  const kept = all.filter((_, n) => n % 3 === 0);
  for (const make of [four]) {
    const tree = make();
    const chains = new Map<string, readonly string[]>();
    for (const [n, key] of all.entries()) {
      tree.set(key, [`-d ${key} -j X`]);
      if (n % 11 === 0) settle(tree, chains);
    }
    for (const key of all) if (!kept.includes(key)) tree.set(key, undefined);
    settle(tree, chains);
    t.strictSame(new Map([...chains].sort()), new Map([...treeOf(kept, make)].sort()));
    for (const key of kept) tree.set(key, undefined);
    t.strictSame([...settle(tree, chains)], [['V', []]], 'nothing is left in the end');
  }
  t.end();
});

t.test('every address is reached by its digits, in a short way', (t) => {
  const keys = Array.from({ length: 4000 }, (_, n) => `10.96.${String(n >> 8)}.${String(n & 0xff)}`);
  const chains = treeOf(keys, four);
  const longest = Math.max(...[...chains.values()].map((rules) => rules.length));
  t.ok(longest <= 16, `no chain has more than 16 rules: ${String(longest)}`);
  t.equal([...chains.values()].flat().filter((rule) => rule.endsWith('-j X')).length, keys.length);
  t.end();
});

t.test('one change rewrites one leaf', (t) => {
  const tree = four();
  const keys = Array.from({ length: 300 }, (_, n) => `10.96.${String(n >> 8)}.${String(n & 0xff)}`);
  for (const key of keys) tree.set(key, [`-d ${key} -j X`]);
  settle(tree, new Map());
  tree.set('10.96.0.77', ['-d 10.96.0.77 -j Y']);
  t.equal([...tree.takeChanged()].length, 1);
  t.equal([...tree.takeChanged()].length, 0);
  t.end();
});

t.test('addresses that differ only in high bits end in one leaf', (t) => {
  const keys = Array.from({ length: 20 }, (_, n) => `fd00:${(n + 1).toString(16)}::1`);
  const chains = treeOf(keys, six);
  const names = [...chains.keys()];
  t.ok(
    names.every((name) => name.length <= 28 - 'WEFT-BLOCK'.length),
    'chain names fit',
  );
  t.equal([...chains.values()].flat().filter((rule) => rule.endsWith('-j X')).length, 20);
  t.end();
});

t.test('ports are told apart by ranges', (t) => {
  const tree = new DispatchTree(portDispatch('P', 'tcp'), asIs);
  for (let port = 30_000; port < 30_020; port++) tree.set(String(port), [`--dport ${String(port)} -j X`]);
  const chains = settle(tree, new Map());
  t.strictSame(chains.get('P'), ['-p tcp -m tcp --dport 28672:32767 -j P-7']);
  t.strictSame(chains.get('P-75'), [
    '-p tcp -m tcp --dport 30000:30015 -j P-753',
    '-p tcp -m tcp --dport 30016:30031 -j P-754',
  ]);
  t.equal(chains.get('P-753')?.length, 16);
  t.end();
});
