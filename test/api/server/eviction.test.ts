import t from 'tap';
import { pods } from '../../../api/client/resources.ts';
import { refusal, startServer } from './fixture.ts';
import { pod } from './objects.ts';

const at = (name: string) => ({ namespace: 'default', name });
const eviction = (name: string, deleteOptions?: object) => ({
  apiVersion: 'policy/v1',
  kind: 'Eviction',
  metadata: { name, namespace: 'default' },
  ...(deleteOptions ? { deleteOptions } : {}),
});

t.test('an eviction deletes its pod as its options say', async (t) => {
  const { client } = await startServer(t);
  for (const name of ['one', 'two', 'three']) await client.create(pods, pod(name, { nodeName: 'node1' }));
  const evict = (name: string, body: object) => client.createSubresource(pods, at(name), 'eviction', body);

  const dry = await evict('one', eviction('one', { dryRun: ['All'] }));
  t.match(dry, { kind: 'Status', status: 'Success', code: 201 });
  t.notOk((await client.get(pods, at('one'))).metadata.deletionTimestamp, 'a dry run leaves it');

  await evict('one', eviction('one'));
  const { deletionTimestamp, deletionGracePeriodSeconds } = (await client.get(pods, at('one'))).metadata;
  t.ok(deletionTimestamp, 'its node ends it');
  t.equal(deletionGracePeriodSeconds, 30);
  await evict('two', eviction('two', { gracePeriodSeconds: 0 }));
  t.match(await refusal(t, client.get(pods, at('two'))), { code: 404 });

  const stale = eviction('three', { preconditions: { uid: 'another' } });
  t.match(await refusal(t, evict('three', stale)), { code: 409, reason: 'Conflict' });
  t.match(await refusal(t, evict('three', eviction('one'))), { code: 400, message: /does not match name/ });
  t.match(await refusal(t, evict('nobody', eviction('nobody'))), {
    code: 404,
    message: 'pods "nobody" not found',
  });
});
