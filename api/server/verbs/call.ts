import type { ResourcePath } from '../http/request-path.ts';
import type { Exchange } from '../http/exchange.ts';
import type { ObjectName, Resource } from '../registry/resource.ts';
import type { UpdateScope } from '../registry/update.ts';
import { badRequest } from '../status-error.ts';

/** One request for a resource: what every verb is handed. */
export interface ResourceCall {
  readonly exchange: Exchange;
  readonly resource: Resource;
  readonly path: ResourcePath;
  /** Refuses objects that the caller may not write; throws StatusError. */
  readonly admit: (object: unknown) => void;
  /** Refuses callers who may not do this other verb to the same object; rejects with StatusError. */
  readonly permit: (verb: string) => Promise<void>;
}

export type Verb = (call: ResourceCall) => Promise<void>;

/** The object a path names. Verbs that need one are routed only to paths that have it. */
export function objectName({ path }: ResourceCall): ObjectName {
  return { namespace: path.namespace, name: path.name ?? '' };
}

/** The subresource that a write of this scope goes through, as managedFields names it; `''` for the object itself. */
export function subresourceOf(scope: UpdateScope): string {
  return scope === 'status' ? 'status' : '';
}

/** `dryRun=All`, the only value there is. */
export function isDryRun(query: URLSearchParams): boolean {
  const values = query.getAll('dryRun').filter((value) => value !== '');
  const wrong = values.find((value) => value !== 'All');
  if (wrong !== undefined) throw badRequest(`dryRun: Unsupported value: "${wrong}": supported values: "All"`);
  return values.length > 0;
}

/** A number of a query; undefined if absent. 400 for anything but digits. */
export function queryNumber(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null || text === '') return undefined;
  const number = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(number)) {
    throw badRequest(`Invalid value for ${name}: "${text}" is not a non-negative number`);
  }
  return number;
}

/** As Go's strconv.ParseBool reads it, absent is false. */
export function queryFlag(query: URLSearchParams, name: string): boolean {
  return ['1', 't', 'T', 'TRUE', 'true', 'True'].includes(query.get(name) ?? '');
}
