import { isDeepStrictEqual } from 'node:util';
import { apiVersionOf } from '../../kinds/kind.ts';
import type { Kind } from '../../kinds/kind.ts';
import type { KubeObject, ManagedFieldsEntry } from '../../kinds/meta.ts';
import { compare } from './compare.ts';
import { union } from './field-set.ts';
import {
  capUpdaters,
  identityOf,
  parseManagers,
  readManagers,
  renderManagers,
  withoutFields,
} from './managers.ts';
import type { Author, Managers } from './managers.ts';
import { emptyObject, managedSchema } from './object-fields.ts';

/**
 * The managedFields of an object after an ordinary write (anything but an apply): the writer owns what it changed, and
 * nobody else does any more. `next` is what the writer wants, with defaults; `current` is undefined for a new object.
 */
export function trackUpdate(
  kind: Kind,
  { manager, subresource }: Pick<Author, 'manager' | 'subresource'>,
  next: KubeObject,
  current: KubeObject | undefined,
  now: string,
): ManagedFieldsEntry[] | undefined {
  const managers = startingManagers(next, current, subresource);
  // Whoever has thrown the record away does not get a new one by writing on: the first apply begins it again.
  if (managers.size === 0 && current) return undefined;
  const difference = compare(managedSchema(kind, subresource), current ?? emptyObject(kind), next);
  if (!difference) return renderManagers(managers);
  const taken = union(difference.added, difference.modified);
  const rest = withoutFields(kind, managers, () => [taken, difference.removed]);
  if (taken) {
    const author: Author = { manager, operation: 'Update', subresource };
    const apiVersion = apiVersionOf(kind);
    const identity = identityOf(author, apiVersion);
    const fields = union(rest.get(identity)?.fields, taken) ?? taken;
    rest.set(identity, { ...author, apiVersion, time: now, fields });
  }
  return renderManagers(capUpdaters(rest));
}

/**
 * The managers as the request leaves them. A client may write them itself, through the object: an empty list, or one
 * empty entry, throws the record away; none, or nonsense, leaves it as it is, for clients that know nothing of it.
 */
function startingManagers(
  { metadata: { managedFields: wanted } }: KubeObject,
  current: KubeObject | undefined,
  subresource: string,
): Managers {
  const live = current?.metadata.managedFields;
  if (wanted === undefined || wanted === live || subresource !== '') return readManagers(live);
  const isReset = wanted.length === 0 || (wanted.length === 1 && Object.keys(wanted[0] ?? {}).length === 0);
  if (isReset) return new Map();
  const managers = parseManagers(wanted);
  return managers && managers.size > 0 ? managers : readManagers(live);
}

/** Whether two records say the same, whenever it was written. */
export function isSameRecord(
  a: readonly ManagedFieldsEntry[] | undefined,
  b: readonly ManagedFieldsEntry[] | undefined,
): boolean {
  return a === b || isDeepStrictEqual(a?.map(withoutTime), b?.map(withoutTime));
}

function withoutTime({ time: _, ...entry }: ManagedFieldsEntry): ManagedFieldsEntry {
  return entry;
}
