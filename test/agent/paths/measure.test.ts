import t from 'tap';
import { judgeOffload, ladder, measureMtu } from '../../../agent/paths/measure.ts';

/** A way that takes packets up to so many bytes; `lost` of the first packets do not arrive whatever their length. */
function way(mtu: number, lost = 0) {
  const sent: number[] = [];
  const echo = (bytes: number): Promise<number | undefined> => {
    sent.push(bytes);
    return Promise.resolve(sent.length > lost && bytes <= mtu ? 1 : undefined);
  };
  return { sent, echo };
}

t.test('how long packets may be', async (t) => {
  for (const mtu of [1450, 1449, 1400, 1350, 1280, 576, 101, 100]) {
    t.equal(await measureMtu(way(mtu), 1450), mtu, `${mtu} of 1450`);
  }
  t.equal(await measureMtu(way(1472), 8950), 1472, 'jumbo frames that a part of the way does not know');
  t.equal(await measureMtu(way(0), 1450), undefined, 'nobody there');
});

t.test('a wide way costs one packet, a lost one does not make it narrow', async (t) => {
  const wide = way(1450);
  await measureMtu(wide, 1450);
  t.same(wide.sent, [1450]);
  t.equal(await measureMtu(way(1450, 1), 1450), 1450);
  t.equal(await measureMtu(way(1450, 3), 1450), 1450);
  const narrow = way(1350);
  await measureMtu(narrow, 1450);
  t.ok(narrow.sent.length < 80, `${narrow.sent.length} packets for a narrow one`);
});

t.test('the lengths of one round', (t) => {
  t.same(ladder(100, 101), []);
  t.same(ladder(100, 104), [101, 102, 103]);
  t.same(ladder(0, 81), [10, 20, 30, 40, 50, 60, 70, 80]);
  t.end();
});

t.test('whether checksums arrive right', async (t) => {
  const cases: [string, (offloaded: boolean, n: number) => boolean, string][] = [
    ['both arrive', () => true, 'right'],
    ['those made in software only', (offloaded) => !offloaded, 'wrong'],
    ['a firewall answers none', () => false, 'unknown'],
    ['one was lost', (offloaded, n) => !offloaded || n > 1, 'right'],
    ['the peer goes away meanwhile', (offloaded, n) => !offloaded && n < 5, 'unknown'],
  ];
  for (const [title, arrives, verdict] of cases) {
    let count = 0;
    const datagram = (offloaded: boolean): Promise<boolean> => {
      count += 1;
      return Promise.resolve(arrives(offloaded, count));
    };
    t.equal(await judgeOffload({ datagram }), verdict, title);
  }
});
