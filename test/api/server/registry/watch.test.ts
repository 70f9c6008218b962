import t from 'tap';
import { configMapKind } from '../../../../api/kinds/config-map.ts';
import type { ConfigMap } from '../../../../api/kinds/config-map.ts';
import { watchObjects } from '../../../../api/server/registry/watch.ts';
import type { StatusError } from '../../../../api/server/status-error.ts';
import { SqliteStore } from '../../../../api/store/sqlite.ts';
import { configMap } from '../objects.ts';

t.test('an object that cannot be looked at ends its watch and nothing else', async (t) => {
  const store = SqliteStore.open(':memory:');
  t.teardown(() => store.close());
  const resource = { kind: configMapKind, strategy: {}, store };
  const { promise: ended, resolve } = Promise.withResolvers<StatusError | undefined>();
  const seen: string[] = [];
  const sink = {
    event: (type: string) => void seen.push(type),
    initial: () => Promise.resolve(),
    onInitialEnd: () => undefined,
    bookmark: () => undefined,
    end: resolve,
  };
  const matches = ({ metadata }: ConfigMap): boolean => {
    if (metadata.name === 'bad') throw new Error('what is this?');
    return true;
  };
  await watchObjects(resource, { namespace: undefined, matches, afterRevision: 0 }, sink);
  for (const name of ['good', 'bad', 'good2']) {
    const value = JSON.stringify(configMap(name));
    await store.write([{ type: 'create', key: `/registry/core/configmaps/default/${name}`, value }]);
  }
  t.match(await ended, { code: 500, reason: 'InternalError' });
  t.same(seen, ['ADDED']);
});
