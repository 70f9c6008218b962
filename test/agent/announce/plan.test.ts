import t from 'tap';
import { planSteps } from '../../../agent/announce/plan.ts';
import type { AnnouncementView, Step } from '../../../agent/announce/plan.ts';

const address = '192.0.2.16';
const nodes = ['node1', 'node2', 'node3'];

function view(holder: string | undefined, part: Partial<AnnouncementView> = {}): AnnouncementView {
  const lease = { address, holder, version: '1', transitions: 0 };
  return {
    self: 'node1',
    wanted: [{ address, candidates: nodes.map((node) => ({ node, ready: true })), services: ['default/a'] }],
    leases: new Map(holder === 'no lease' ? [] : [[address, lease]]),
    gone: new Set(),
    held: new Set(),
    isReachable: () => true,
    ...part,
  };
}
const steps = (holder: string | undefined, part: Partial<AnnouncementView> = {}): string[] =>
  planSteps(view(holder, part)).map((step) =>
    'rank' in step && step.rank > 0 ? `${step.kind} later` : step.kind,
  );
const held = new Set([address]);
const others = [{ address, candidates: [{ node: 'node2', ready: true }], services: [] }];

for (const [what, actual, expected] of [
  ['held and ours: nothing', steps('node1', { held }), []],
  ['ours from an earlier life: taken anew', steps('node1'), ['acquire']],
  ["another's, who lives", steps('node2'), []],
  ["another's by now", steps('node2', { held }), ['lose']],
  ['no candidate any more', steps('node1', { held, wanted: others }), ['release']],
  ['no link any more', steps('node1', { held, isReachable: () => false }), ['release']],
  ['no candidate, and free', steps(undefined, { wanted: others }), []],
  ['no link, and free', steps(undefined, { isReachable: () => false }), []],
  ['no Service has it, ours', steps('node1', { held, wanted: [] }), ['remove']],
  ["no Service has it, another's", steps('node2', { wanted: [] }), []],
  ['the Lease was deleted under us', steps('no lease', { held, wanted: [] }), ['lose']],
] as const) {
  t.strictSame(actual, expected, what);
}

t.test('of those who may take a free address one is first', (t) => {
  for (const holder of ['no lease', undefined, 'node9']) {
    const gone = new Set(['node9']);
    const ranks = nodes.map((self) => {
      const [step] = planSteps(view(holder, { self, gone }));
      return step?.kind === 'acquire' ? step.rank : undefined;
    });
    t.strictSame(ranks.toSorted(), [0, 1, 2], String(holder));
  }
  t.end();
});

t.test('those who are not Ready come last, the gone not at all', (t) => {
  const candidates = nodes.map((node) => ({ node, ready: node === 'node3' }));
  const wanted = [{ address, candidates, services: [] }];
  const rankOf = (self: string, gone: string[] = []): number | undefined => {
    const step: Step | undefined = planSteps(view('no lease', { self, wanted, gone: new Set(gone) }))[0];
    return step?.kind === 'acquire' ? step.rank : undefined;
  };
  t.equal(rankOf('node3'), 0);
  t.equal(rankOf('node1', ['node3', 'node2']), 0);
  t.equal(rankOf('node2', ['node2']), 2, 'one that others think gone tries behind them');
  t.end();
});

t.test('free addresses are spread, and one more node changes nothing of what is held', (t) => {
  const many = Array.from({ length: 100 }, (_, index) => `192.0.2.${index}`);
  const wantedBy = (names: readonly string[]) =>
    many.map((each) => ({
      address: each,
      candidates: names.map((node) => ({ node, ready: true })),
      services: [],
    }));
  const firsts = (self: string): string[] =>
    planSteps(view('no lease', { self, wanted: wantedBy(nodes) })).flatMap((step) =>
      step.kind === 'acquire' && step.rank === 0 ? [step.address] : [],
    );
  const shares = nodes.map(firsts);
  t.strictSame(shares.flat().sort(), many.toSorted(), 'each address has one first');
  t.strictSame(shares.map(({ length }) => length).sort(), [33, 33, 34], 'and each node its share');
  const leases = new Map(
    shares.flatMap((share, index) =>
      share.map((each) => [each, { address: each, holder: nodes[index], version: '1', transitions: 0 }]),
    ),
  );
  for (const [index, self] of [...nodes, 'node4'].entries()) {
    const its = new Set(shares[index] ?? []);
    const after = planSteps(
      view('no lease', { self, wanted: wantedBy([...nodes, 'node4']), leases, held: its }),
    );
    t.strictSame(after, [], self);
  }
  t.end();
});
