import t from 'tap';
import { isQuantity, parseQuantity } from '../../../api/kinds/quantity.ts';

t.test('quantities', (t) => {
  const quantities = {
    '1': 1,
    '500m': 0.5,
    '1.5': 1.5,
    '64Mi': 67_108_864,
    '2k': 2000,
    '1e3': 1000,
    '1n': 1e-9,
    '-1': -1,
  };
  for (const [text, number] of Object.entries(quantities)) t.equal(parseQuantity(text), number, text);
  for (const text of ['', 'x', '1 Gi', '1Zi', '.', '1.2.3']) {
    t.equal(parseQuantity(text), undefined, text);
    t.notOk(isQuantity(text), text);
  }
  t.end();
});
