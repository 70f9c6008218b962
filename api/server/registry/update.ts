import { isDeepStrictEqual } from 'node:util';
import { forbidden as forbiddenField } from '../../kinds/field-error.ts';
import type { KubeObject, ObjectMeta } from '../../kinds/meta.ts';
import { applyDefaults, validateObject } from '../../kinds/object.ts';
import type { Entry, Write } from '../../store/store.ts';
import { isSameRecord } from '../fields/track.ts';
import { badRequest, conflict, invalid, modified } from '../status-error.ts';
import { decodeEntry, encodeObject, withRevision } from './codec.ts';
import { maxAttempts, readEntry, recordFields, tryWrite } from './resource.ts';
import type { ObjectName, Resource, WriteOptions } from './resource.ts';

/**
 * Which rules a change keeps: those for users of the object, those for its status, or (`server`) none, for changes
 * that the server itself makes, such as binding a pod.
 */
export type UpdateScope = 'object' | 'status' | 'server';

/** Makes the next state from the current one, a copy that may be changed. Called again when others were faster. */
export type Change<T> = (current: T) => T | Promise<T>;

/**
 * Changes an object and returns it as stored. A resourceVersion in the next state must be the current one; a change
 * that changes nothing writes nothing; an object that is being deleted goes when the last thing that held it is gone.
 */
export async function updateObject<T extends KubeObject>(
  resource: Resource<T>,
  at: ObjectName,
  change: Change<T>,
  scope: UpdateScope,
  options: WriteOptions,
): Promise<T> {
  for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
    const entry = await readEntry(resource, at);
    const current = decodeEntry(resource.kind, entry);
    const next = await change(copyForChange(current));
    keepMetadata(resource, next, current);
    applyScope(resource, next, current, scope, options);
    if (isUnchanged(next, current)) return current;
    using _turn = await resource.strategy.turn?.(next, current);
    const writes = await writesFor(resource, next, current, entry);
    if (options.dryRun) return next;
    const revision = await tryWrite(resource.store, writes);
    if (revision !== undefined) return withRevision(next, revision);
  }
  throw conflict(resource.kind, at.name, modified);
}

/** A copy that may be changed, but for managedFields: those are shared and large. */
function copyForChange<T extends KubeObject>(current: T): T {
  const { managedFields, ...metadata } = current.metadata;
  const copy = structuredClone({ ...current, metadata });
  if (managedFields) copy.metadata = { ...copy.metadata, managedFields };
  return copy;
}

/** Whether a write would change nothing but the times in the record of who manages what. */
function isUnchanged(next: KubeObject, current: KubeObject): boolean {
  const content = (object: KubeObject) => {
    const { managedFields: _, ...metadata } = object.metadata;
    return { ...object, metadata };
  };
  return (
    isDeepStrictEqual(content(next), content(current)) &&
    isSameRecord(next.metadata.managedFields, current.metadata.managedFields)
  );
}

/** Whether nothing keeps an object that is being deleted any longer. */
export function isReleased<T extends KubeObject>(resource: Resource<T>, object: T): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds, finalizers } = object.metadata;
  return (
    deletionTimestamp !== undefined &&
    (finalizers ?? []).length === 0 &&
    (deletionGracePeriodSeconds ?? 0) === 0 &&
    !resource.strategy.isHeld?.(object)
  );
}

/** The transaction that takes an object out. */
export async function removal<T extends KubeObject>(
  resource: Resource<T>,
  object: T,
  entry: Entry,
): Promise<Write[]> {
  const release = (await resource.strategy.release?.(object)) ?? [];
  return [{ type: 'delete', key: entry.key, expectedRevision: entry.revision }, ...release];
}

async function writesFor<T extends KubeObject>(
  resource: Resource<T>,
  next: T,
  current: T,
  entry: Entry,
): Promise<Write[]> {
  if (isReleased(resource, next)) return removal(resource, current, entry);
  const claims = (await resource.strategy.claimForUpdate?.(next, current)) ?? [];
  const value = encodeObject(resource.kind, next);
  return [{ type: 'update', key: entry.key, value, expectedRevision: entry.revision }, ...claims];
}

/** Puts back what no request may change, and refuses what belongs to another object or version. */
function keepMetadata(resource: Resource, next: KubeObject, current: KubeObject): void {
  const { kind } = resource;
  const wanted = next.metadata;
  const { name, uid, resourceVersion } = current.metadata;
  if (wanted.uid && wanted.uid !== uid) {
    const why = `Precondition failed: UID in precondition: ${wanted.uid}, UID in object meta: ${uid ?? ''}`;
    throw conflict(kind, name, why);
  }
  if (wanted.resourceVersion && wanted.resourceVersion !== resourceVersion) {
    if (!/^\d+$/.test(wanted.resourceVersion)) throw badRequest('metadata.resourceVersion is not a number');
    throw conflict(kind, name, modified);
  }
  const { namespace, generation, creationTimestamp } = current.metadata;
  const { deletionTimestamp, deletionGracePeriodSeconds } = current.metadata;
  const kept = { name, namespace, uid, resourceVersion, generation, creationTimestamp };
  next.metadata = withoutUndefined({ ...wanted, ...kept, deletionTimestamp, deletionGracePeriodSeconds });
  delete next.metadata.selfLink;
}

function applyScope<T extends KubeObject>(
  resource: Resource<T>,
  next: T,
  current: T,
  scope: UpdateScope,
  options: WriteOptions,
): void {
  const { kind, strategy } = resource;
  if (scope === 'server') return;
  if (scope === 'object') {
    applyDefaults(kind, next);
    recordFields(options, next, current);
    kind.prepareForUpdate?.(next, current);
    strategy.prepare?.(next, current);
    if (kind.generation && contentChanged(next, current)) {
      next.metadata.generation = (current.metadata.generation ?? 0) + 1;
    }
  } else {
    recordFields(options, next, current);
    const { managedFields } = next.metadata;
    kind.prepareForStatusUpdate?.(next, current);
    // Whoever reports how an object is (a node, of its pods) does not say what it is: a label chooses Services.
    next.metadata = withoutUndefined({ ...current.metadata, managedFields });
  }
  const mistakes = [...newFinalizers(next, current), ...validateObject(kind, next, current)];
  if (mistakes.length > 0) throw invalid(kind, next.metadata.name, mistakes);
}

/** Absent fields are absent, not undefined, so that objects compare and store alike. */
function withoutUndefined(metadata: {
  [Field in keyof ObjectMeta]: ObjectMeta[Field] | undefined;
}): ObjectMeta {
  const defined = Object.entries(metadata).filter(([, value]) => value !== undefined);
  return Object.fromEntries(defined) as unknown as ObjectMeta;
}

/** An object that is being deleted may only lose finalizers. */
function newFinalizers(next: KubeObject, current: KubeObject) {
  if (current.metadata.deletionTimestamp === undefined) return [];
  const before = new Set(current.metadata.finalizers);
  const added = (next.metadata.finalizers ?? []).filter((finalizer) => !before.has(finalizer));
  if (added.length === 0) return [];
  const list = added.map((finalizer) => JSON.stringify(finalizer)).join(', ');
  const why = `no new finalizers can be added if the object is being deleted, found new finalizers []string{${list}}`;
  return [forbiddenField('metadata.finalizers', why)];
}

/** Whether anything but metadata and status differs. */
function contentChanged(next: KubeObject, current: KubeObject): boolean {
  const content = (object: KubeObject) => ({ ...object, metadata: undefined, status: undefined });
  return !isDeepStrictEqual(content(next), content(current));
}
