import type { KubeObject } from '../../kinds/meta.ts';
import { StoreError } from '../../store/store.ts';
import type { Page } from '../../store/store.ts';
import { expired, tooLargeResourceVersion } from '../status-error.ts';
import { collectionPrefix, decodeEntry, pinnedKey } from './codec.ts';
import { decodeContinue, encodeContinue } from './continue-token.ts';
import type { Resource } from './resource.ts';

export interface ListRequest<T> {
  /** undefined: all namespaces. */
  readonly namespace: string | undefined;
  readonly matches: (object: T) => boolean;
  /** The only name that matches; absent: any may. */
  readonly name?: string | undefined;
  readonly limit: number | undefined;
  readonly continue: string | undefined;
  /** Exactly this revision. */
  readonly exactRevision: number | undefined;
  /** This revision or a newer one. */
  readonly minimumRevision: number | undefined;
}

/** One page with everything, of the newest state. */
export const wholeList = {
  limit: undefined,
  continue: undefined,
  exactRevision: undefined,
  minimumRevision: undefined,
} as const;

export interface ListResult<T> {
  readonly items: readonly T[];
  readonly revision: number;
  /** A token for the rest of the list. */
  readonly continue: string | undefined;
}

const tooOld =
  'The provided continue parameter is too old to display a consistent list result. You can start a new list without ' +
  'the continue parameter, or use the continue token in this response to retrieve the remainder of the results. ' +
  'Continuing with the provided token results in an inconsistent list - objects that were created, modified, or ' +
  'deleted between the time the first chunk was returned and now may show up in the list.';

/** One page of a collection, all from one snapshot. */
export async function listObjects<T extends KubeObject>(
  resource: Resource<T>,
  request: ListRequest<T>,
): Promise<ListResult<T>> {
  if (request.minimumRevision !== undefined) {
    const current = await resource.store.currentRevision();
    if (current < request.minimumRevision) throw tooLargeResourceVersion(request.minimumRevision, current);
  }
  const key = request.continue === undefined ? pinnedKey(resource.kind, request) : undefined;
  return key === undefined ? listPage(resource, request) : listPinned(resource, request, key);
}

/** The one object that can match, if it is there. */
async function listPinned<T extends KubeObject>(
  resource: Resource<T>,
  request: ListRequest<T>,
  key: string,
): Promise<ListResult<T>> {
  // Of all keys that begin with this one it is the first.
  const at = { limit: 1, after: '', revision: request.exactRevision, token: undefined };
  const { entries, revision } = await readPage(resource, key, at);
  const items = entries
    .filter((entry) => entry.key === key)
    .map((entry) => decodeEntry(resource.kind, entry))
    .filter(request.matches);
  return { items, revision, continue: undefined };
}

async function listPage<T extends KubeObject>(
  resource: Resource<T>,
  request: ListRequest<T>,
): Promise<ListResult<T>> {
  const prefix = collectionPrefix(resource.kind, request.namespace);
  const from = request.continue === undefined ? undefined : decodeContinue(request.continue);
  let revision = from?.revision ?? request.exactRevision;
  let after = from?.after ?? '';
  const items: T[] = [];
  const { limit } = request;
  for (;;) {
    const page = await readPage(resource, prefix, { limit, after, revision, token: request.continue });
    revision = page.revision;
    for (const entry of page.entries) {
      after = entry.key.slice(prefix.length);
      const object = decodeEntry(resource.kind, entry);
      if (request.matches(object)) items.push(object);
      if (limit !== undefined && items.length === limit) break;
    }
    const last = page.entries.at(-1);
    const more = page.more || (last !== undefined && after < last.key.slice(prefix.length));
    if (!more) return { items, revision, continue: undefined };
    if (limit !== undefined && items.length === limit) {
      return { items, revision, continue: encodeContinue({ revision, after }) };
    }
  }
}

async function readPage(
  resource: Resource,
  prefix: string,
  at: {
    readonly limit: number | undefined;
    readonly after: string;
    readonly revision: number | undefined;
    readonly token: string | undefined;
  },
): Promise<Page> {
  try {
    return await resource.store.list(prefix, {
      ...(at.limit === undefined ? {} : { limit: at.limit }),
      ...(at.after === '' ? {} : { startAfter: prefix + at.after }),
      ...(at.revision === undefined ? {} : { revision: at.revision }),
    });
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    if (error.code === 'future') throw tooLargeResourceVersion(at.revision ?? 0, error.revision ?? 0);
    if (error.code !== 'compacted') throw error;
    if (at.token === undefined) {
      throw expired(`The resourceVersion for the provided list is too old: ${at.revision ?? 0}`);
    }
    throw expired(tooOld, encodeContinue({ revision: undefined, after: at.after }));
  }
}
