import { createServer } from 'node:net';
import { Counter, Registry } from 'prom-client';
import t from 'tap';
import { renderHealth, startHealthServer } from '../../agent/health.ts';
import type { Health } from '../../agent/subsystem.ts';
import { silent } from './api-fixture.ts';
import { freePort } from '../../rig/free-port.ts';

class Part {
  readonly name: string;
  #health: Health;

  constructor(name: string, health: Health) {
    this.name = name;
    this.#health = health;
  }

  health(): Health {
    return this.#health;
  }
}

const well = new Part('network', { ready: true });
const ill = new Part('names', { ready: false, reason: 'not synced' });

t.test('all parts must be ready, and those that are not say why', (t) => {
  t.same(renderHealth([well]), { ready: true, text: 'network: ok\n' });
  const trouble = new Part('announce', { ready: true, reason: 'cannot send a heartbeat' });
  const text = 'announce: ok (cannot send a heartbeat)\n';
  t.same(renderHealth([trouble]), { ready: true, text }, 'what keeps nobody from being ready is told, too');
  t.same(renderHealth([well, ill]), { ready: false, text: 'network: ok\nnames: not synced\n' });
  t.notOk(renderHealth([]).ready, 'nothing is not ready');
  t.end();
});

t.test('health, readiness and metrics are served', async (t) => {
  const metrics = new Registry();
  new Counter({ name: 'weft_test_total', help: 'for this test', registers: [metrics] }).inc();
  let parts = [well, ill];
  const port = await freePort();
  const server = await startHealthServer({
    addresses: ['127.0.0.1', '::1'],
    port,
    metrics,
    log: silent,
    sources: () => parts,
  });
  t.teardown(() => server.close());
  for (const host of ['127.0.0.1', '[::1]']) {
    const get = (path: string): Promise<Response> => fetch(`http://${host}:${port}${path}`);
    parts = [well, ill];
    t.equal((await get('/healthz')).status, 200);
    const before = await get('/readyz');
    t.equal(before.status, 503);
    t.match(await before.text(), 'names: not synced');
    parts = [well];
    t.equal((await get('/readyz')).status, 200);
    t.match(await (await get('/metrics')).text(), 'weft_test_total 1');
    t.equal((await get('/')).status, 404);
  }
});

t.test('a port in use is named, with what to do, and nothing stays open', async (t) => {
  const port = await freePort();
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(port, '::1', resolve));
  t.teardown(() => other.close());
  const options = {
    addresses: ['127.0.0.1', '::1'],
    port,
    metrics: new Registry(),
    log: silent,
    sources: () => [],
  };
  await t.rejects(startHealthServer(options), { code: 'port-in-use', remedy: /end the program/ });
  await t.rejects(fetch(`http://127.0.0.1:${port}/healthz`), 'the first address is closed again');
});

t.test('an address the machine does not have is named', async (t) => {
  const port = await freePort();
  const options = { addresses: ['192.0.2.1'], port, metrics: new Registry(), log: silent, sources: () => [] };
  await t.rejects(startHealthServer(options), { code: 'no-address', remedy: /nodeIPs/ });
});
