import pino from 'pino';
import t from 'tap';
import { ApiClient } from '../../../api/client/client.ts';
import { Reflector } from '../../../api/client/reflector.ts';
import { configMaps } from '../../../api/client/resources.ts';
import type { ConfigMap } from '../../../api/kinds/config-map.ts';
import { startApiServer } from '../../../api/server/server.ts';
import type { ApiServer } from '../../../api/server/server.ts';
import { eventually } from '../eventually.ts';
import { testCluster } from '../../cluster.ts';

const log = pino({ level: 'silent' });

function start(stateDir: string, port: number): Promise<ApiServer> {
  return startApiServer({
    stateDir,
    cluster: testCluster,
    listen: [{ host: '127.0.0.1', port }],
    listenFds: [],
    advertised: { address: '127.0.0.1' },
    log,
  });
}

const named = (name: string, v: string): ConfigMap => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace: 'default' },
  data: { v },
});

t.test('our server: pages, changes and a restart', async (t) => {
  const stateDir = t.testdir();
  let server = await start(stateDir, 0);
  const client = new ApiClient(server.loopback);
  const reflector = new Reflector<ConfigMap>({
    client,
    resource: configMaps,
    namespace: 'default',
    pageSize: 7,
    retryMs: 5,
    maxRetryMs: 50,
  });
  t.teardown(async () => {
    await reflector.stop();
    client.close();
    await server.close();
  });
  for (let count = 0; count < 30; count += 1) await client.create(configMaps, named(`c${count}`, '1'));
  reflector.start();
  await reflector.whenSynced();
  t.equal(reflector.size, 30);
  const told: string[] = [];
  reflector.subscribe((event) =>
    told.push(event.type === 'synced' ? 'synced' : `${event.type} ${event.key}`),
  );

  await client.patch(configMaps, { namespace: 'default', name: 'c3' }, { data: { v: '2' } }, 'merge');
  await client.delete(configMaps, { namespace: 'default', name: 'c4' });
  await eventually('both changes arrive', () => told.length === 2);
  t.same(told, ['updated default/c3', 'deleted default/c4']);

  await server.close();
  await eventually('it notices', () => reflector.lastError);
  t.equal(reflector.size, 29, 'the last state stands');
  server = await start(stateDir, server.address.port);
  await client.create(configMaps, named('after', '1'));
  await eventually('the change arrives', () => reflector.get('default/after'));
  t.equal(reflector.lastError, undefined);
  t.notOk(told.includes('synced'), 'the watch went on, without a new list');
  t.same(told.slice(2), ['added default/after']);
});
