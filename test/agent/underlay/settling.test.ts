import t from 'tap';
import { settlingMs } from '../../../agent/underlay/settling.ts';
import type { Choice, HostView } from '../../../agent/underlay/view.ts';

function on(ifindex: number, ...addresses: string[]): Choice {
  return { addresses, ifindex, found: 'somehow' };
}

function host(...addresses: string[]): HostView {
  const more = { ifindex: 2, prefix: 24, passive: false, tentative: false, secondary: false };
  return {
    links: [],
    addresses: addresses.map((address) => ({ address, ...more })),
    toServer: [],
    ownServerIPs: [],
    toOthers: [],
  };
}

const none: Choice = { addresses: [], found: 'nowhere' };
const atOnce = 0;
/** A link that is set up anew gets its addresses back within this. */
const brief = 1_000;
const long = 5_000;

t.test('what is exchanged is followed at once, what may come back is waited for', (t) => {
  const [a, b] = ['192.0.2.1', '192.0.2.2'];
  t.equal(settlingMs(none, on(2, a), host(a)), atOnce, 'the first');
  t.equal(settlingMs(on(2, a), on(2, b), host(b)), atOnce, 'another one on the same link');
  t.equal(settlingMs(on(2, a), on(2, a, '2001:db8::1'), host(a)), atOnce, 'one more family');
  t.equal(settlingMs(on(2, a), none, host()), Infinity, 'none: the last one stands');
  t.equal(settlingMs(on(2, a), on(3, b), host(b)), brief, 'on another link: the first may come back');
  t.equal(settlingMs(on(2, a), on(3, b), host(a, b)), long, 'the first is still there');
  const dual = on(2, a, '2001:db8::1');
  t.equal(settlingMs(dual, on(2, a), host(a)), long, 'a link that goes down loses its IPv6 addresses');
  t.equal(settlingMs(dual, on(2, b, '2001:db8::1'), host(b)), atOnce);
  t.equal(settlingMs(dual, on(2, b), host(b)), atOnce, 'one exchanged and the other away');
  t.end();
});
