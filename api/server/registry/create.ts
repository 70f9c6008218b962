import { randomInt, randomUUID } from 'node:crypto';
import type { KubeObject } from '../../kinds/meta.ts';
import { applyDefaults, validateObject } from '../../kinds/object.ts';
import { alreadyExists, badRequest, conflict, invalid } from '../status-error.ts';
import { encodeObject, objectKey, withRevision } from './codec.ts';
import { checkNamespace } from './namespace-strategy.ts';
import { maxAttempts, recordFields, tryWrite } from './resource.ts';
import type { Resource, WriteOptions } from './resource.ts';

/** Stores a new object and returns it as stored. `object` is the caller's to give away. */
export async function createObject<T extends KubeObject>(
  resource: Resource<T>,
  object: T,
  options: WriteOptions,
): Promise<T> {
  const { kind, strategy, store } = resource;
  prepareMetadata(resource, object);
  const { generateName: base, namespace } = object.metadata;
  if (kind.namespaced) await checkNamespace(store, kind, namespace ?? '', object.metadata.name);
  const named = object.metadata.name !== '';
  for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
    const next = structuredClone(object);
    if (!named && base) next.metadata.name = generateName(base);
    kind.prepareForCreate?.(next);
    applyDefaults(kind, next);
    recordFields(options, next, undefined);
    strategy.prepare?.(next);
    const mistakes = validateObject(kind, next);
    const { name } = next.metadata;
    if (mistakes.length > 0) throw invalid(kind, name, mistakes);
    const key = objectKey(kind, namespace, name);
    const taken = (await store.get(key)) !== undefined;
    if (taken && named) throw alreadyExists(kind, name);
    if (taken) continue;
    using _turn = await strategy.turn?.(next);
    const claims = (await strategy.claimForCreate?.(next)) ?? [];
    if (options.dryRun) return next;
    const value = encodeObject(kind, next);
    const revision = await tryWrite(store, [{ type: 'create', key, value }, ...claims]);
    if (revision !== undefined) return withRevision(next, revision);
  }
  throw conflict(kind, object.metadata.name, 'others kept taking the same name or number; please try again');
}

/** What the server alone decides of a new object's metadata. */
function prepareMetadata(resource: Resource, object: KubeObject): void {
  const { metadata } = object;
  if (metadata.resourceVersion)
    throw badRequest('resourceVersion should not be set on objects to be created');
  metadata.uid = randomUUID();
  metadata.creationTimestamp = timestamp(Date.now());
  delete metadata.resourceVersion;
  delete metadata.deletionTimestamp;
  delete metadata.deletionGracePeriodSeconds;
  delete metadata.selfLink;
  delete metadata.generation;
  if (resource.kind.generation) metadata.generation = 1;
  if (!resource.kind.namespaced) delete metadata.namespace;
}

/** RFC 3339 in whole seconds, as metav1.Time writes it. */
export function timestamp(unixMs: number): string {
  return `${new Date(unixMs).toISOString().slice(0, 19)}Z`;
}

/** No vowels and no look-alikes, so that no name spells a word: k8s.io/apimachinery/pkg/util/rand. */
const alphabet = 'bcdfghjklmnpqrstvwxz2456789';
const suffixLength = 5;
const maxBaseLength = 63 - suffixLength;

function generateName(base: string): string {
  let name = base.slice(0, maxBaseLength);
  for (let i = 0; i < suffixLength; i += 1) name += alphabet.charAt(randomInt(alphabet.length));
  return name;
}
