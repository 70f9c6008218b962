import type { TSchema } from 'typebox';
import type { FieldError } from './field-error.ts';
import type { KubeObject } from './meta.ts';
import type { NameFormat } from './names.ts';
import type { TableColumn } from './table.ts';

/**
 * All that the server, kubectl and we know about one kind. The order of a write is:
 *
 *   create: decodeObject → prepareForCreate → applyDefaults → validateObject → store
 *   update: decodeObject → applyDefaults → prepareForUpdate → validateObject(object, old) → store
 *   update of /status: decodeObject → prepareForStatusUpdate → validateObject(object, old) → store
 *
 * with `decodeObject`, `applyDefaults` and `validateObject` from object.ts. The hooks change the object in place;
 * `object` is the request's and owned by the caller, `old` is never changed.
 */
export interface Kind<T extends KubeObject = KubeObject> {
  /** `''` for the core group. */
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly namespaced: boolean;
  /** What its names look like. */
  readonly nameFormat: NameFormat;
  /** TypeBox schema of the object, built with schema.ts. */
  readonly schema: TSchema;
  /** Subresources that are stored with the object: `status`, `scale`. Others belong to the server. */
  readonly subresources: readonly ('status' | 'scale')[];
  /** Whether a change of anything but metadata and status raises `metadata.generation`. */
  readonly generation: boolean;
  /** What happens to dependents when a delete request does not say. */
  readonly defaultPropagation: 'Background' | 'Orphan';

  /** The columns of `kubectl get`, without NAMESPACE. */
  readonly columns: readonly TableColumn[];
  /** One cell per column. `nowMs` is Unix time, for ages. */
  cells(object: T, nowMs: number): (string | number)[];

  /** Fields a field selector may name, besides metadata.name and metadata.namespace. */
  readonly selectable: readonly string[];
  /** Their values in one object. */
  selectableFields(object: T): Record<string, string>;

  /** Fills in what depends on other fields; the schema's own defaults are there already. */
  applyDefaults?(object: T): void;
  /** Clears what a creator may not set (status). */
  prepareForCreate?(object: T): void;
  /** Restores what an update may not touch (status). */
  prepareForUpdate?(object: T, old: T): void;
  /** Restores all but status and metadata. */
  prepareForStatusUpdate?(object: T, old: T): void;
  /** Semantic mistakes; structure, enums and metadata are checked before. `old` is there on update. */
  validate(object: T, old?: T): FieldError[];

  /** For a kind whose objects are stored as another's: two groups' names for the same objects. */
  readonly view?: KindView<T>;

  /** How /scale reads and writes this kind. */
  readonly scale?: ScaleAccess<T>;
}

interface KindView<T extends KubeObject> {
  /** The kind that is stored. */
  readonly of: Kind;
  /** A stored object, never changed, as this kind shows it. */
  show(stored: KubeObject): T;
  /** The object to store, of kind `of`. */
  store(object: T): KubeObject;
}

export interface ScaleAccess<T> {
  replicas(object: T): number;
  observedReplicas(object: T): number;
  /** A label selector in text form. */
  selector(object: T): string;
  /** Changes the object in place. */
  setReplicas(object: T, replicas: number): void;
}

/** `v1` or `discovery.k8s.io/v1`. */
export function apiVersionOf(kind: { readonly group: string; readonly version: string }): string {
  return kind.group === '' ? kind.version : `${kind.group}/${kind.version}`;
}
