import t from 'tap';
import { readBandwidth, toBucket } from '../../../agent/network/bandwidth.ts';

t.test('annotations', (t) => {
  t.equal(readBandwidth({}), undefined);
  t.same(readBandwidth({ 'kubernetes.io/ingress-bandwidth': '10M' }), { ingress: { rate: 10e6 } });
  t.same(
    readBandwidth({ 'kubernetes.io/ingress-bandwidth': '1k', 'kubernetes.io/egress-bandwidth': '1Gi' }),
    { ingress: { rate: 1000 }, egress: { rate: 2 ** 30 } },
  );
  for (const text of ['fast', '10', '2P', '-1M', '']) {
    t.throws(() => readBandwidth({ 'kubernetes.io/egress-bandwidth': text }), {
      name: 'RangeError',
      message: /kubernetes\.io\/egress-bandwidth/,
    });
  }
  t.end();
});

t.test('buckets', (t) => {
  t.same(toBucket({ rate: 8e6, burst: 800_000 }, 1450), { rate: 1e6, burst: 100_000, limit: 125_000 });
  t.same(toBucket({ rate: 8e6 }, 1450), { rate: 1e6, burst: 50_000, limit: 75_000 });
  t.same(toBucket({ rate: 8000 }, 1450), { rate: 1000, burst: 1468, limit: 1493 }, 'one packet at least');
  t.end();
});
