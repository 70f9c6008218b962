import t from 'tap';

import { SliceIndex } from '../../agent/slice-index.ts';
import type { EndpointSlice } from '../../api/kinds/endpoint-slice.ts';

function slice(name: string, owner: string | undefined, addressType = 'IPv4'): EndpointSlice {
  const labels = owner === undefined ? {} : { 'kubernetes.io/service-name': owner };
  return { metadata: { name, namespace: 'default', labels }, addressType, endpoints: [] };
}

t.test('slices by their Service, in the order of their names', (t) => {
  const index = new SliceIndex();
  const names = (): string[] => index.of('default/web').map(({ metadata }) => metadata.name);
  t.strictSame(names(), []);
  t.equal(index.add(slice('b', 'web')), 'default/web');
  t.strictSame(names(), ['b']);
  index.add(slice('a', 'web'));
  index.add(slice('c', 'web'));
  t.strictSame(names(), ['a', 'b', 'c']);
  index.add(slice('b', 'web', 'IPv6'));
  t.strictSame(names(), ['a', 'b', 'c']);
  t.equal(index.of('default/web')[1]?.addressType, 'IPv6', 'the newer one of a name');
  t.equal(index.remove(slice('b', 'web')), 'default/web');
  index.remove(slice('c', 'web'));
  index.remove(slice('c', 'web'));
  t.strictSame(names(), ['a']);
  index.remove(slice('a', 'web'));
  t.strictSame(names(), []);
  t.end();
});

t.test('a slice of nobody', (t) => {
  const index = new SliceIndex();
  t.equal(index.add(slice('a', undefined)), undefined);
  t.equal(index.remove(slice('a', undefined)), undefined);
  t.end();
});
