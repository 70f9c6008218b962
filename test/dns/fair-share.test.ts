import t from 'tap';
import { clientKey, FairShare } from '../../dns/fair-share.ts';

function takeAll(share: FairShare, client: string): number {
  let count = 0;
  while (share.enter(client)) count += 1;
  return count;
}

t.test('one client gets half, and whoever comes next half of the rest', (t) => {
  const share = new FairShare(1000);
  t.equal(takeAll(share, 'a'), 500);
  t.equal(takeAll(share, 'b'), 250);
  t.equal(takeAll(share, 'c'), 125);
  t.notOk(share.enter('a'));
  t.equal(share.taken, 875);
  t.end();
});

t.test('places come back, and nobody can give back what he does not hold', (t) => {
  const share = new FairShare(4);
  t.equal(takeAll(share, 'a'), 2);
  share.leave('b');
  share.leave('a');
  t.equal(share.taken, 1);
  t.ok(share.enter('a'));
  share.leave('a');
  share.leave('a');
  share.leave('a');
  t.equal(share.taken, 0);
  t.equal(takeAll(share, 'a'), 2);
  t.end();
});

t.test('a share of one place is enough for one client', (t) => {
  const share = new FairShare(1);
  t.ok(share.enter('a'));
  t.notOk(share.enter('b'));
  t.end();
});

t.test('each address is a client', (t) => {
  const keys = [[10, 0, 0, 1], [10, 0, 0, 2], Array.from({ length: 16 }, () => 0)];
  t.equal(new Set(keys.map((bytes) => clientKey(Uint8Array.from(bytes)))).size, 3);
  t.end();
});
