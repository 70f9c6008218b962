import t from 'tap';
import { describeLoss } from '../../agent/lost-server.ts';
import { ApiError } from '../../api/client/api-error.ts';

const unreachable = new ApiError('the API is unreachable', { code: 0, reason: 'Unreachable' });
const remedy = /unreachable; if the server has another address now, put it into the setting server/;

t.test('a server that is lost at an address may have another one', (t) => {
  for (const server of ['https://192.0.2.1:6443', 'https://[2001:db8::1]:6443']) {
    t.match(describeLoss(unreachable, server, 60_000), remedy, server);
  }
  t.equal(
    describeLoss(unreachable, 'https://192.0.2.1:6443', 5_000),
    unreachable.message,
    'or just restarts',
  );
  t.equal(
    describeLoss(unreachable, 'https://api.example.org:6443', 60_000),
    unreachable.message,
    'a name is followed',
  );
  const forbidden = new ApiError('forbidden', { code: 403, reason: 'Forbidden' });
  t.equal(describeLoss(forbidden, 'https://192.0.2.1:6443', 60_000), 'forbidden', 'this one is there');
  t.end();
});
