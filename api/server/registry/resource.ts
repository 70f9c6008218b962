import type { Kind } from '../../kinds/kind.ts';
import type { KubeObject } from '../../kinds/meta.ts';
import type { Entry, Store, Write } from '../../store/store.ts';
import { StoreError } from '../../store/store.ts';
import { notFound } from '../status-error.ts';
import { objectKey } from './codec.ts';
import type { Strategy } from './strategy.ts';

/** One kind in the store: what every verb works on. Knows nothing of HTTP. */
export interface Resource<T extends KubeObject = KubeObject> {
  readonly kind: Kind<T>;
  readonly strategy: Strategy<T>;
  readonly store: Store;
}

/** One object's place. `namespace` is undefined for kinds without namespaces. */
export interface ObjectName {
  readonly namespace: string | undefined;
  readonly name: string;
}

export interface WriteOptions {
  /** Everything is checked and nothing stored. */
  readonly dryRun: boolean;
}

/** How often a write starts over when others change what it read. */
export const maxAttempts = 8;

export async function readEntry(resource: Resource, at: ObjectName): Promise<Entry> {
  const entry = await resource.store.get(objectKey(resource.kind, at.namespace, at.name));
  if (!entry) throw notFound(resource.kind, at.name);
  return entry;
}

/** Resolves with the revision, or with undefined when another writer was faster at one of the keys. */
export async function tryWrite(store: Store, writes: readonly Write[]): Promise<number | undefined> {
  try {
    return await store.write(writes);
  } catch (error) {
    if (error instanceof StoreError && (error.code === 'conflict' || error.code === 'exists'))
      return undefined;
    throw error;
  }
}
