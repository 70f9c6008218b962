import { isRecord } from '../../kinds/decode.ts';
import { apiVersionOf } from '../../kinds/kind.ts';
import type { Kind } from '../../kinds/kind.ts';
import type { ManagedFieldsEntry } from '../../kinds/meta.ts';
import { compareElements, parseElement } from './element.ts';
import { difference, nodeWith, sorted, union } from './field-set.ts';
import type { FieldSet } from './field-set.ts';

/** Who writes: the name a client gives itself, how it writes, and through which subresource (`''`: the object). */
export interface Author {
  readonly manager: string;
  readonly operation: 'Apply' | 'Update';
  readonly subresource: string;
}

/** One manager of an object and its fields, which are never none. */
export interface Manager extends Author {
  readonly apiVersion: string;
  readonly time: string | undefined;
  readonly fields: FieldSet;
  /** Where it came from, to be stored as it is if nothing of it changes. */
  readonly entry?: ManagedFieldsEntry;
}

/** The managers of an object by their identity. */
export type Managers = ReadonlyMap<string, Manager>;

/** Updates of one client are one manager per version, its applied configurations are one whatever the version. */
export function identityOf(author: Author, apiVersion: string): string {
  const { manager, operation, subresource } = author;
  return JSON.stringify([manager, operation, operation === 'Apply' ? '' : apiVersion, subresource]);
}

/** Reads what the server stored. */
export function readManagers(entries: readonly ManagedFieldsEntry[] = []): Managers {
  const managers = entries.map((entry) => toManager(entry, entry.fieldsV1 as FieldSet | undefined));
  return byIdentity(managers);
}

/** Reads what a client sent; undefined if it is no list of managers. */
export function parseManagers(entries: readonly ManagedFieldsEntry[]): Managers | undefined {
  const managers: (Manager | undefined)[] = [];
  for (const entry of entries) {
    const { operation, apiVersion, fieldsType, fieldsV1 = {} } = entry;
    if (operation !== 'Apply' && operation !== 'Update') return undefined;
    if (!apiVersion || fieldsType !== 'FieldsV1') return undefined;
    const fields = parseFields(fieldsV1);
    if (fields === null) return undefined;
    managers.push(toManager(entry, fields));
  }
  return byIdentity(managers);
}

function toManager(entry: ManagedFieldsEntry, fields: FieldSet | undefined): Manager | undefined {
  if (!fields) return undefined;
  const { manager = '', operation, apiVersion = '', subresource = '', time } = entry;
  const how = operation === 'Apply' ? 'Apply' : 'Update';
  return { manager, operation: how, apiVersion, subresource, time, fields, entry };
}

function byIdentity(managers: readonly (Manager | undefined)[]): Managers {
  const known = managers.filter((manager) => manager !== undefined);
  return new Map(known.map((manager) => [identityOf(manager, manager.apiVersion), manager]));
}

/** A set as a client wrote it, in our own words; null if it is none. */
function parseFields(value: unknown): FieldSet | undefined | null {
  const node = parseNode(value);
  return node && Object.keys(node).length === 0 ? undefined : node;
}

function parseNode(value: unknown): FieldSet | null {
  if (!isRecord(value)) return null;
  const below: Record<string, FieldSet> = {};
  for (const [text, each] of Object.entries(value)) {
    if (text === '.') continue;
    const element = parseElement(text);
    if (element === undefined) continue;
    const node = element === null ? null : parseNode(each);
    if (element === null || node === null) return null;
    below[element] = node;
  }
  const isAlone = Object.keys(below).length === 0;
  return nodeWith(isAlone ? undefined : below, '.' in value || isAlone) ?? null;
}

/** A manager with other fields; undefined without any. */
function withFields(manager: Manager, fields: FieldSet | undefined): Manager | undefined {
  if (fields === manager.fields) return manager;
  const { entry: _, ...rest } = manager;
  return fields && { ...rest, fields };
}

/** The managers without what is not theirs any more, and without those that have nothing left. */
export function withoutFields(
  kind: Kind,
  managers: Managers,
  lost: (manager: Manager) => readonly (FieldSet | undefined)[],
): Map<string, Manager> {
  const rest = new Map<string, Manager>();
  for (const [identity, manager] of managers) {
    // Fields of a version that is served no more mean nothing.
    if (manager.apiVersion !== apiVersionOf(kind)) continue;
    const fields = lost(manager).reduce<FieldSet | undefined>(difference, manager.fields);
    const next = withFields(manager, fields);
    if (next) rest.set(identity, next);
  }
  return rest;
}

/** The most managers by update that are kept apart. */
const maxUpdaters = 10;
const oldUpdates = 'ancient-changes';

/** Puts the oldest updates together when they become too many. */
export function capUpdaters(managers: Managers): Managers {
  const updaters = [...managers.values()].filter((manager) => manager.operation === 'Update');
  if (updaters.length <= maxUpdaters) return managers;
  const byAge = updaters.sort((a, b) => compareText(a.time ?? '', b.time ?? '') || compareNames(a, b));
  const old = byAge.slice(0, updaters.length - maxUpdaters + 1);
  const rest = new Map(managers);
  for (const manager of old) {
    rest.delete(identityOf(manager, manager.apiVersion));
    const bucket = { manager: oldUpdates, operation: 'Update', subresource: '' } as const;
    const identity = identityOf(bucket, manager.apiVersion);
    const fields = union(rest.get(identity)?.fields, manager.fields) ?? manager.fields;
    rest.set(identity, { ...bucket, apiVersion: manager.apiVersion, time: manager.time, fields });
  }
  return rest;
}

/** The managers as an object's metadata holds them: applied configurations first, then by age. */
export function renderManagers(managers: Managers): ManagedFieldsEntry[] | undefined {
  if (managers.size === 0) return undefined;
  return [...managers.values()]
    .sort(compareManagers)
    .map((manager) => manager.entry ?? renderManager(manager));
}

function renderManager(manager: Manager): ManagedFieldsEntry {
  const { apiVersion, time, fields, subresource } = manager;
  return {
    manager: manager.manager,
    operation: manager.operation,
    apiVersion,
    ...(time === undefined ? {} : { time }),
    fieldsType: 'FieldsV1',
    fieldsV1: sorted(fields, compareElements),
    ...(subresource === '' ? {} : { subresource }),
  };
}

function compareManagers(a: Manager, b: Manager): number {
  return (
    compareText(a.operation, b.operation) || compareText(a.time ?? '', b.time ?? '') || compareNames(a, b)
  );
}

function compareNames(a: Manager, b: Manager): number {
  return (
    compareText(a.manager, b.manager) ||
    compareText(a.apiVersion, b.apiVersion) ||
    compareText(a.subresource, b.subresource)
  );
}

function compareText(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1;
}
