import type { Kind } from '../../kinds/kind.ts';
import { isStreamed } from '../pod-target.ts';
import { methodNotAllowed, noSuchPath } from '../status-error.ts';
import { bindVerb } from '../verbs/bind.ts';
import { queryFlag } from '../verbs/call.ts';
import type { Verb } from '../verbs/call.ts';
import { createVerb } from '../verbs/create.ts';
import { deleteCollectionVerb, deleteVerb } from '../verbs/delete.ts';
import { evictVerb } from '../verbs/evict.ts';
import { finalizeVerb } from '../verbs/finalize.ts';
import { getVerb } from '../verbs/get.ts';
import { listVerb } from '../verbs/list.ts';
import { patchVerb } from '../verbs/patch.ts';
import { getScaleVerb, patchScaleVerb, updateScaleVerb } from '../verbs/scale.ts';
import { updateVerb } from '../verbs/update.ts';
import { watchVerb } from '../verbs/watch.ts';
import type { ResourcePath } from './request-path.ts';

type Verbs = Readonly<Record<string, Verb>>;

const ofCollection: Verbs = {
  list: listVerb,
  watch: watchVerb,
  create: createVerb,
  deletecollection: deleteCollectionVerb,
};

const ofObject: Verbs = {
  get: getVerb,
  update: updateVerb('object'),
  patch: patchVerb('object'),
  delete: deleteVerb,
};

const ofSubresource: Readonly<Record<string, Verbs>> = {
  status: { get: getVerb, update: updateVerb('status'), patch: patchVerb('status') },
  scale: { get: getScaleVerb, update: updateScaleVerb, patch: patchScaleVerb },
};

const ofPods: Readonly<Record<string, Verbs>> = {
  binding: { create: bindVerb },
  eviction: { create: evictVerb },
};

/** `finalize` changes spec.finalizers, which an ordinary update may not. */
const ofNamespaces: Readonly<Record<string, Verbs>> = { finalize: { update: finalizeVerb } };

/** The name of what a request does, as authorization and metrics know it. */
export function requestVerb(method: string, path: ResourcePath, query: URLSearchParams): string {
  switch (method) {
    case 'POST':
      return 'create';
    case 'PUT':
      return 'update';
    case 'PATCH':
      return 'patch';
    case 'DELETE':
      return path.name === undefined ? 'deletecollection' : 'delete';
    case 'GET':
    case 'HEAD':
      if (path.name !== undefined) return 'get';
      return queryFlag(query, 'watch') ? 'watch' : 'list';
    default:
      return method.toLowerCase();
  }
}

/** What answers a request for a stored kind. Throws StatusError 404 or 405. */
export function verbFor(kind: Kind, path: ResourcePath, method: string, query: URLSearchParams): Verb {
  const verbs = verbsFor(kind, path);
  // Objects of a kind with namespaces are reached, and made, only through one.
  const needsNamespace = kind.namespaced && (path.name !== undefined || method === 'POST');
  if (!verbs || (!kind.namespaced && path.namespace !== undefined)) throw noSuchPath();
  if (needsNamespace && path.namespace === undefined)
    throw method === 'POST' ? methodNotAllowed() : noSuchPath();
  const verb = verbs[requestVerb(method, path, query)];
  if (!verb) throw methodNotAllowed();
  return verb;
}

/** Subresources that one kind alone has. */
function ownSubresources({ group, plural }: Kind): Readonly<Record<string, Verbs>> {
  if (group === '' && plural === 'pods') return ofPods;
  return group === '' && plural === 'namespaces' ? ofNamespaces : {};
}

/** Whether a kind has a subresource of this name, streams of pods among them. */
export function isSubresource(kind: Kind, name: string): boolean {
  const isStream = kind.plural === 'pods' && isStreamed(name);
  return (
    isStream || Object.hasOwn(ownSubresources(kind), name) || kind.subresources.some((each) => each === name)
  );
}

function verbsFor(kind: Kind, { name, subresource }: ResourcePath): Verbs | undefined {
  if (name === undefined) return ofCollection;
  if (subresource === undefined) return ofObject;
  const own = ownSubresources(kind);
  // A path may say `constructor`.
  if (Object.hasOwn(own, subresource)) return own[subresource];
  return kind.subresources.some((each) => each === subresource) ? ofSubresource[subresource] : undefined;
}
