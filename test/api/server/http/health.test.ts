import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pino } from 'pino';
import t from 'tap';
import { sendHealth } from '../../../../api/server/http/health.ts';
import type { HealthCheck } from '../../../../api/server/http/health.ts';
import { toStatusError } from '../../../../api/server/http/failure.ts';

const ping: HealthCheck = { name: 'ping', run: () => Promise.resolve() };
const etcd: HealthCheck = { name: 'etcd', run: () => Promise.reject(new Error('disk is full')) };

t.test('a check that fails is named and not explained', async (t) => {
  const logged: string[] = [];
  const log = pino({ level: 'error' }, { write: (line: string) => void logged.push(line) });
  const user = { name: 'system:anonymous', groups: [] };
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://weft');
    sendHealth({ request, response, url, user }, [ping, etcd], log).catch((error: unknown) => {
      const failure = toStatusError(error);
      response.writeHead(failure.code).end(failure.message);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const get = async (path: string) => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`);
    return [answer.status, await answer.text()];
  };
  const failed = '[+]ping ok\n[-]etcd failed: reason withheld\nreadyz check failed\n';
  t.same(await get('/readyz'), [500, failed], 'also without verbose');
  t.match(logged.join(''), 'disk is full');
  t.same(await get('/readyz?exclude=etcd'), [200, 'ok']);
  t.same(await get('/livez/ping'), [200, 'ok']);
  t.same(await get('/livez/etcd'), [500, 'internal server error: etcd failed: reason withheld']);
  t.match(await get('/livez/nothing'), [404]);
});
