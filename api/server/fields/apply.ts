import { apiVersionOf } from '../../kinds/kind.ts';
import type { Kind } from '../../kinds/kind.ts';
import type { KubeObject, ManagedFieldsEntry } from '../../kinds/meta.ts';
import type { SchemaNode } from '../../kinds/schema.ts';
import { applyConflict } from '../status-error.ts';
import { compare } from './compare.ts';
import type { Comparison } from './compare.ts';
import { fieldsOf } from './configuration.ts';
import { causesOf, describeConflicts } from './conflict.ts';
import type { Conflict } from './conflict.ts';
import { isSame } from './element.ts';
import { difference, intersection, member, union } from './field-set.ts';
import type { FieldSet } from './field-set.ts';
import { lastAppliedFields, withLastApplied } from './last-applied.ts';
import { identityOf, readManagers, renderManagers, withoutFields } from './managers.ts';
import type { Author, Manager, Managers } from './managers.ts';
import { merge } from './merge.ts';
import { emptyObject, managedSchema } from './object-fields.ts';
import { prune } from './prune.ts';
import { trackUpdate } from './track.ts';

export interface ApplyRequest {
  readonly kind: Kind;
  /** What the manager wants of the object; decoded, without anything filled in. */
  readonly configuration: KubeObject;
  readonly manager: string;
  /** `''` for the object itself. */
  readonly subresource: string;
  /** Take over fields that others manage with other values. */
  readonly force: boolean;
  /** RFC 3339. */
  readonly now: string;
}

export interface Applied {
  /** The merged object, neither decoded nor defaulted: fields that must be there may be gone. */
  readonly object: KubeObject;
  readonly managedFields: ManagedFieldsEntry[] | undefined;
}

/** What every configuration has, though nobody owns it: the object keeps its metadata whatever is applied no more. */
const named: FieldSet = { 'f:metadata': { 'f:name': member } };

/** The manager that stands for what was there before the first apply to an object without a record. */
const beforeFirstApply = 'before-first-apply';

/**
 * Server-side apply: `configuration` is put into the object, what the manager applied before and does not any more
 * goes unless others manage it, and the manager owns what it applied, alone or with others who want the same.
 * Throws StatusError 409 when others manage fields with other values, ConfigurationError.
 */
export function applyConfiguration(request: ApplyRequest, current: KubeObject | undefined): Applied {
  const { kind, configuration, subresource, now } = request;
  const schema = managedSchema(kind, subresource);
  const apiVersion = apiVersionOf(kind);
  const live = current ?? emptyObject(kind);
  const author: Author = { manager: request.manager, operation: 'Apply', subresource };
  const identity = identityOf(author, apiVersion);
  const { former, others } = splitManagers(recordOf(request, current), identity);
  const fields = fieldsOf(schema, configuration);

  const managed = [...others.values()].reduce((set, each) => union(set, each.fields), union(named, fields));
  const object = prune(schema, merge(schema, live, configuration), former?.fields, managed) as KubeObject;
  const changes = compare(schema, live, object);
  const conflicts = findConflicts(others, changes);
  if (!request.force) refuseConflicts(request, schema, live, conflicts);

  const taken = new Map(conflicts.map((conflict) => [conflict.manager, conflict.fields]));
  const managers = withoutFields(kind, others, (each) => [taken.get(each), changes?.removed]);
  if (former && fields && !changes && isSame(former.fields, fields)) managers.set(identity, former);
  else if (fields) managers.set(identity, { ...author, apiVersion, time: now, fields });
  return { object: placeObject(request, object), managedFields: renderManagers(managers) };
}

function recordOf({ kind, subresource, now }: ApplyRequest, current: KubeObject | undefined): Managers {
  const record = current?.metadata.managedFields ?? [];
  if (!current || record.length > 0) return readManagers(record);
  return readManagers(trackUpdate(kind, { manager: beforeFirstApply, subresource }, current, undefined, now));
}

function splitManagers(
  managers: Managers,
  identity: string,
): { former: Manager | undefined; others: Managers } {
  const others = new Map(managers);
  others.delete(identity);
  return { former: managers.get(identity), others };
}

/** What others manage of that which the apply sets to another value. */
function findConflicts(others: Managers, changes: Comparison | undefined): Conflict[] {
  const set = union(changes?.added, changes?.modified);
  return [...others.values()].flatMap((manager) => {
    const fields = intersection(manager.fields, set);
    return fields ? [{ manager, fields }] : [];
  });
}

function refuseConflicts(
  { kind, manager }: ApplyRequest,
  schema: SchemaNode,
  live: KubeObject,
  conflicts: readonly Conflict[],
): void {
  if (conflicts.length === 0) return;
  // Who has applied from the client so far goes on applying from the server without fighting the former self.
  const own = manager === 'kubectl' ? lastAppliedFields(kind, schema, live) : undefined;
  const left = conflicts.flatMap((conflict) => {
    const fields = difference(conflict.fields, own);
    return fields ? [{ ...conflict, fields }] : [];
  });
  if (left.length > 0) throw applyConflict(describeConflicts(left), causesOf(left));
}

/** Gives the merged object the configuration's name and preconditions, and takes the record off. */
function placeObject({ configuration, manager }: ApplyRequest, object: KubeObject): KubeObject {
  const { name, namespace, uid, resourceVersion } = configuration.metadata;
  const { managedFields: _, ...metadata } = object.metadata;
  if (name) metadata.name = name;
  if (namespace) metadata.namespace = namespace;
  if (uid) metadata.uid = uid;
  if (resourceVersion) metadata.resourceVersion = resourceVersion;
  const placed = { ...object, metadata };
  return manager === 'kubectl' ? withLastApplied(placed, configuration) : placed;
}
