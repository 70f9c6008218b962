import { apiVersionOf } from '../../kinds/kind.ts';
import type { Kind } from '../../kinds/kind.ts';
import type { KubeObject } from '../../kinds/meta.ts';
import type { Entry } from '../../store/store.ts';

const decoded = new WeakMap<Entry, KubeObject>();

/** The object of an entry, its resourceVersion the entry's revision. Decoded once per entry: never change it. */
export function decodeEntry<T extends KubeObject>(kind: Kind<T>, entry: Entry): T {
  const stored = decodeStored(entry);
  return kind.view ? kind.view.show(stored) : (stored as T);
}

function decodeStored(entry: Entry): KubeObject {
  const known = decoded.get(entry);
  if (known) return known;
  const object = JSON.parse(entry.value) as KubeObject;
  object.metadata.resourceVersion = String(entry.revision);
  decoded.set(entry, object);
  return object;
}

/**
 * The JSON text of an entry as clients get it: the stored text with the resourceVersion put in, not parsed. Lists and
 * watches of tens of thousands of objects are served from this.
 */
export function renderEntry(kind: Kind, entry: Entry, revision = entry.revision): string {
  const beginning = storedBeginning(kind);
  // What another version of weft wrote may begin differently.
  if (!entry.value.startsWith(beginning)) {
    return JSON.stringify(withRevision(decodeEntry(kind, entry), revision));
  }
  const metadata = beginning.length - 1;
  return `${beginning.slice(0, -1)}"resourceVersion":"${revision}",${entry.value.slice(metadata)}`;
}

const beginnings = new WeakMap<Kind, string>();

/** How {@link encodeObject} begins every object of a kind, up to the quote of its metadata's first field. */
function storedBeginning(kind: Kind): string {
  const known = beginnings.get(kind);
  if (known !== undefined) return known;
  const type = JSON.stringify({ kind: kind.kind, apiVersion: apiVersionOf(kind) });
  const beginning = `${type.slice(0, -1)},"metadata":{"`;
  beginnings.set(kind, beginning);
  return beginning;
}

/** The object as it is stored: with its type, without the resourceVersion, which is the entry's own. */
export function encodeObject(kind: Kind, object: KubeObject): string {
  if (kind.view) return encodeObject(kind.view.of, kind.view.store(object));
  const { kind: _kind, apiVersion: _apiVersion, metadata, ...rest } = object;
  const { resourceVersion: _resourceVersion, ...stored } = metadata;
  return JSON.stringify({ kind: kind.kind, apiVersion: apiVersionOf(kind), metadata: stored, ...rest });
}

/** The same object with another resourceVersion; shares everything else. */
export function withRevision<T extends KubeObject>(object: T, revision: number): T {
  return { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } };
}

/** Where a kind's objects live in the store. The layout is etcd's of kube-apiserver, with the group spelt out. */
function kindPrefix(shown: Kind): string {
  const kind = shown.view?.of ?? shown;
  return `/registry/${kind.group === '' ? 'core' : kind.group}/${kind.plural}/`;
}

export function collectionPrefix(kind: Kind, namespace: string | undefined): string {
  return namespace === undefined ? kindPrefix(kind) : `${kindPrefix(kind)}${namespace}/`;
}

export function objectKey(kind: Kind, namespace: string | undefined, name: string): string {
  return `${collectionPrefix(kind, kind.namespaced ? namespace : undefined)}${name}`;
}

/** The only key that a request for objects of one name can mean; undefined where several can bear the name. */
export function pinnedKey(
  kind: Kind,
  { namespace, name }: { readonly namespace: string | undefined; readonly name?: string | undefined },
): string | undefined {
  const isOne = name !== undefined && (!kind.namespaced || namespace !== undefined);
  return isOne ? objectKey(kind, namespace, name) : undefined;
}
