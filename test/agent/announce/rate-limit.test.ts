import t from 'tap';
import { RateLimit } from '../../../agent/announce/rate-limit.ts';

t.test('once in a while for each key', (t) => {
  const limit = new RateLimit(1_000);
  const asked = [0, 999, 1_000, 1_500, 2_000].map((now) => limit.allows('192.0.2.16', now));
  t.strictSame(asked, [true, false, true, false, true], 'what is refused starts nothing anew');
  t.ok(limit.allows('192.0.2.17', 1_999), 'others have their own');
  t.end();
});
