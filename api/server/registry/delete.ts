import type { KubeObject } from '../../kinds/meta.ts';
import { conflict, modified, notFound } from '../status-error.ts';
import { decodeEntry, encodeObject, withRevision } from './codec.ts';
import { timestamp } from './create.ts';
import { maxAttempts, readEntry, tryWrite } from './resource.ts';
import type { ObjectName, Resource, WriteOptions } from './resource.ts';
import { isReleased, removal } from './update.ts';

export type Propagation = 'Background' | 'Foreground' | 'Orphan';

export interface DeleteRequest extends WriteOptions {
  /** Whether an object is the one that is meant; any other counts as not found. Absent: whatever has the name. */
  readonly isMeant?: ((object: KubeObject) => boolean) | undefined;
  readonly gracePeriodSeconds?: number | undefined;
  readonly propagation?: Propagation | undefined;
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string } | undefined;
}

export interface Deletion<T> {
  /** The object as it is now (being deleted) or as it was last (gone). */
  readonly object: T;
  readonly gone: boolean;
}

/** Deletes an object, or marks it and leaves it to those who hold it (its node's agent, finalizers) to let go. */
export async function deleteObject<T extends KubeObject>(
  resource: Resource<T>,
  at: ObjectName,
  request: DeleteRequest,
): Promise<Deletion<T>> {
  for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
    const entry = await readEntry(resource, at);
    const current = decodeEntry(resource.kind, entry);
    if (request.isMeant?.(current) === false) throw notFound(resource.kind, at.name);
    checkPreconditions(resource, current, request);
    resource.strategy.checkDelete?.(current);
    const next = markDeleted(resource, current, request);
    const gone = isReleased(resource, next);
    if (request.dryRun || next === current) return { object: next, gone };
    const write = { type: 'update', key: entry.key, expectedRevision: entry.revision } as const;
    const revision = await tryWrite(
      resource.store,
      gone
        ? await removal(resource, current, entry)
        : [{ ...write, value: encodeObject(resource.kind, next) }],
    );
    if (revision !== undefined) return { object: withRevision(gone ? current : next, revision), gone };
  }
  throw conflict(resource.kind, at.name, modified);
}

function checkPreconditions(resource: Resource, current: KubeObject, { preconditions }: DeleteRequest): void {
  const { name, uid, resourceVersion } = current.metadata;
  if (preconditions?.uid !== undefined && preconditions.uid !== uid) {
    const why = `Precondition failed: UID in precondition: ${preconditions.uid}, UID in object meta: ${uid ?? ''}`;
    throw conflict(resource.kind, name, why);
  }
  const wanted = preconditions?.resourceVersion;
  if (wanted !== undefined && wanted !== resourceVersion) {
    const meta = `ResourceVersion in object meta: ${resourceVersion ?? ''}`;
    throw conflict(
      resource.kind,
      name,
      `Precondition failed: ResourceVersion in precondition: ${wanted}, ${meta}. The object might have been modified`,
    );
  }
}

/** The object with its deletion decided; the very same object if that was decided before and stands. */
function markDeleted<T extends KubeObject>(resource: Resource<T>, current: T, request: DeleteRequest): T {
  const grace = resource.strategy.gracePeriodSeconds?.(current, request.gracePeriodSeconds) ?? 0;
  const { deletionTimestamp, deletionGracePeriodSeconds: before } = current.metadata;
  const decided = deletionTimestamp !== undefined && grace >= (before ?? 0);
  const finalizers = propagationFinalizers(
    current,
    request.propagation ?? defaultPropagation(resource, current),
  );
  if (decided && finalizers === undefined && !isReleased(resource, current)) return current;
  const next = structuredClone(current);
  if (finalizers) next.metadata.finalizers = finalizers;
  if (decided) return next;
  next.metadata.deletionTimestamp = timestamp(Date.now() + grace * 1000);
  next.metadata.deletionGracePeriodSeconds = grace;
  if (next.metadata.generation !== undefined) next.metadata.generation += 1;
  resource.strategy.markDeleted?.(next);
  return next;
}

/** What a request that does not say means; a deletion under way keeps what it was told. */
function defaultPropagation({ kind }: Resource, { metadata }: KubeObject): Propagation | undefined {
  return kind.defaultPropagation === 'Orphan' && metadata.deletionTimestamp === undefined
    ? 'Orphan'
    : undefined;
}

const orphan = 'orphan';
const foreground = 'foregroundDeletion';

/**
 * The finalizers that tell the garbage collector how to treat dependents; undefined if they stay as they are.
 * Background needs none: the collector sees that an owner is gone.
 */
function propagationFinalizers(
  object: KubeObject,
  propagation: Propagation | undefined,
): string[] | undefined {
  if (propagation === undefined) return undefined;
  const before = object.metadata.finalizers ?? [];
  const after = before.filter((finalizer) => finalizer !== orphan && finalizer !== foreground);
  if (propagation === 'Orphan') after.push(orphan);
  if (propagation === 'Foreground') after.push(foreground);
  return after.length === before.length && after.every((finalizer) => before.includes(finalizer))
    ? undefined
    : after;
}
