import type { Kind } from '../../kinds/kind.ts';
import type { KubeObject, ManagedFieldsEntry } from '../../kinds/meta.ts';
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
  /** Keeps the record of who manages which field. Without it the record stays as it is: nobody is named. */
  readonly record?: FieldRecorder | undefined;
}

/**
 * Decides an object's managedFields: called with what the writer wants, defaults and all, before the server restores
 * and allocates anything. `current` is undefined for a new object.
 */
export type FieldRecorder = (
  next: KubeObject,
  current: KubeObject | undefined,
) => ManagedFieldsEntry[] | undefined;

export function recordFields(
  { record }: WriteOptions,
  next: KubeObject,
  current: KubeObject | undefined,
): void {
  const entries = record ? record(next, current) : current?.metadata.managedFields;
  if (entries) next.metadata.managedFields = entries;
  else delete next.metadata.managedFields;
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
