import { objectKey } from '../../client/resource.ts';
import type { Resource } from '../../client/resource.ts';
import type { KubeObject, ObjectMeta, OwnerReference } from '../../kinds/meta.ts';

/** A kind whose objects own others. */
export interface OwnerKind<T extends KubeObject = KubeObject> {
  readonly apiVersion: string;
  readonly kind: string;
  readonly resource: Resource<T>;
}

export type Labels = Readonly<Record<string, string>> | undefined;

/** The owners of one kind, as they are found when something they own or might adopt has changed. */
export interface Owners<T extends KubeObject> {
  readonly kind: string;
  readonly byNamespace: { in(namespace: string): Iterable<T> };
  readonly selects: (owner: T, labels: Labels) => boolean;
}

/** Whose some objects are, seen from one owner. */
export interface Claims<T> {
  /** Without a controller, and the selector matches: take them over. */
  readonly adopt: readonly T[];
  /** Ours, but the selector does not match any more: let them go. */
  readonly release: readonly T[];
  /** Ours, adopted ones among them. */
  readonly owned: readonly T[];
}

/** The reference to the controller that manages an object, if one does. */
export function controllerOf(metadata: ObjectMeta): OwnerReference | undefined {
  return metadata.ownerReferences?.find((owner) => owner.controller === true);
}

/** The reference that makes `owner` the controller of what bears it. */
export function controllerReference(
  { apiVersion, kind }: Pick<OwnerKind, 'apiVersion' | 'kind'>,
  owner: KubeObject,
): OwnerReference {
  const { name, uid = '' } = owner.metadata;
  return { apiVersion, kind, name, uid, controller: true, blockOwnerDeletion: true };
}

/** The group an object is found in by a GroupIndex: its controller's uid, or the orphans of its namespace. */
export function ownerGroup({ metadata }: KubeObject): string {
  return controllerOf(metadata)?.uid ?? orphansOf(metadata.namespace);
}

/** Never a uid: those have no slash. */
function orphansOf(namespace = ''): string {
  return `orphans/${namespace}`;
}

/** Keys of the owners an object concerns: its controller's if that is of their kind, or of all that might adopt it. */
export function* ownerKeys<T extends KubeObject>(
  { kind, byNamespace, selects }: Owners<T>,
  { metadata }: KubeObject,
): Generator<string, void> {
  const { namespace = '', labels } = metadata;
  const controller = controllerOf(metadata);
  if (controller) {
    if (controller.kind === kind) yield `${namespace}/${controller.name}`;
    return;
  }
  for (const owner of byNamespace.in(namespace)) if (selects(owner, labels)) yield objectKey(owner);
}

/** All that `owner` has or might adopt. */
export function* candidatesFor<T>(
  owner: KubeObject,
  index: { in(group: string): Iterable<T> },
): Generator<T, void> {
  const { uid = '', namespace } = owner.metadata;
  yield* index.in(uid);
  yield* index.in(orphansOf(namespace));
}

/** Decides as upstream's ControllerRefManager. An owner on its way out adopts and releases nothing. */
export function decideClaims<T extends KubeObject>(
  { metadata }: KubeObject,
  matches: (labels: Labels) => boolean,
  candidates: Iterable<T>,
): Claims<T> {
  const { uid, deletionTimestamp } = metadata;
  const claims = { adopt: [] as T[], release: [] as T[], owned: [] as T[] };
  for (const object of candidates) {
    const owner = controllerOf(object.metadata);
    const isMatch = matches(object.metadata.labels);
    if (owner) {
      if (owner.uid !== uid) continue;
      if (isMatch) claims.owned.push(object);
      else if (deletionTimestamp === undefined) claims.release.push(object);
    } else if (isMatch && deletionTimestamp === undefined && !object.metadata.deletionTimestamp) {
      claims.adopt.push(object);
      claims.owned.push(object);
    }
  }
  return claims;
}
