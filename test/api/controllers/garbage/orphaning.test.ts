import pino from 'pino';
import t from 'tap';
import { ApiError } from '../../../../api/client/api-error.ts';
import type { CacheEvent, ReadCache } from '../../../../api/client/cache.ts';
import { configMaps } from '../../../../api/client/resources.ts';
import type { ControllerContext } from '../../../../api/controllers/controller.ts';
import { GarbageCollector } from '../../../../api/controllers/garbage/garbage-collector.ts';
import type { KubeObject } from '../../../../api/kinds/meta.ts';
import { eventually } from '../../eventually.ts';

/** A cache that shows what it is told, when it is told. */
class LateCache implements ReadCache<KubeObject> {
  readonly synced = true;
  #listener: ((event: CacheEvent<KubeObject>) => void) | undefined;

  whenSynced(): Promise<void> {
    return Promise.resolve();
  }
  get(): undefined {
    return undefined;
  }
  list(): Iterable<KubeObject> {
    return [];
  }
  subscribe(listener: (event: CacheEvent<KubeObject>) => void): () => void {
    this.#listener = listener;
    return () => (this.#listener = undefined);
  }
  show(event: CacheEvent<KubeObject>): void {
    this.#listener?.(event);
  }
}

const ownerReferences = [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid: 'owner-uid' }];
const owner: KubeObject = {
  metadata: {
    name: 'owner',
    namespace: 'default',
    uid: 'owner-uid',
    resourceVersion: '10',
    deletionTimestamp: '2026-01-01T00:00:00Z',
    finalizers: ['orphan'],
  },
};
const dependent = (resourceVersion: string): KubeObject => ({
  metadata: {
    name: 'dependent',
    namespace: 'default',
    uid: 'dependent-uid',
    resourceVersion,
    ownerReferences,
  },
});

t.test('an owner stays until what it leaves behind no longer names it', async (t) => {
  const patched: string[] = [];
  // The API is at version 2 of the dependent; the cache shows 1.
  const client = {
    patch: (_: unknown, { name }: { name: string }, patch: { metadata: { resourceVersion: string } }) => {
      const { resourceVersion } = patch.metadata;
      patched.push(`${name} ${resourceVersion}`);
      if (name === 'dependent' && resourceVersion === '1')
        return Promise.reject(new ApiError('changed', { code: 409, reason: 'Conflict' }));
      return Promise.resolve({});
    },
  };
  const cache = new LateCache();
  const ctx = { client, log: pino({ level: 'silent' }) } as unknown as ControllerContext;
  const source = { apiVersion: 'v1', kind: 'ConfigMap', resource: configMaps, cache };
  const collector = new GarbageCollector(ctx, [source]);
  cache.show({ type: 'added', key: 'default/dependent', object: dependent('1') });
  cache.show({ type: 'added', key: 'default/owner', object: owner });
  collector.start();
  t.teardown(() => collector.stop());

  await eventually(
    'the dependent was tried again',
    () => patched.filter((one) => one === 'dependent 1').length > 1,
  );
  t.notOk(patched.includes('owner 10'), 'the owner still has its finalizer');
  const [object, previous] = [dependent('2'), dependent('1')];
  cache.show({ type: 'updated', key: 'default/dependent', object, previous });
  await eventually('the owner may go', () => patched.includes('owner 10'));
  t.ok(patched.indexOf('dependent 2') < patched.indexOf('owner 10'));
});
