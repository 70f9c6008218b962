import type { KubeObject } from '../../kinds/meta.ts';
import { StoreError } from '../../store/store.ts';
import type { Entry, Page } from '../../store/store.ts';
import { expired, tooLargeResourceVersion } from '../status-error.ts';
import { collectionPrefix, decodeEntry, pinnedKey } from './codec.ts';
import { decodeContinue, encodeContinue } from './continue-token.ts';
import type { Continuation } from './continue-token.ts';
import type { Resource } from './resource.ts';

export interface ListRequest<T> {
  /** undefined: all namespaces. */
  readonly namespace: string | undefined;
  /** Which objects are listed; absent: all, and none is decoded. */
  readonly matches?: ((object: T) => boolean) | undefined;
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

/** Where a list stands. */
interface Position {
  /** The last key that was read, without the collection's prefix. */
  after: string;
  /** How many more entries are wanted; undefined: all. */
  wanted: number | undefined;
  /** How many entries of the snapshot come after `after`, if that is known. */
  remaining: number | undefined;
  /** Whether any may come. */
  more: boolean;
}

/** Entries held at once, however long the list. */
const chunkSize = 500;

const tooOld =
  'The provided continue parameter is too old to display a consistent list result. You can start a new list without ' +
  'the continue parameter, or use the continue token in this response to retrieve the remainder of the results. ' +
  'Continuing with the provided token results in an inconsistent list - objects that were created, modified, or ' +
  'deleted between the time the first chunk was returned and now may show up in the list.';

/** Reads one page of a collection chunk by chunk, all from one snapshot. */
export class ListReader<T extends KubeObject> {
  readonly #resource: Resource<T>;
  readonly #request: ListRequest<T>;
  readonly #prefix: string;
  readonly #at: Position;
  /** The first chunk, which {@link open} has read. */
  #page: Page | undefined;
  readonly revision: number;

  /** Throws StatusError when the revision is gone, or not there yet. */
  static async open<T extends KubeObject>(
    resource: Resource<T>,
    request: ListRequest<T>,
  ): Promise<ListReader<T>> {
    await checkReached(resource, request.minimumRevision);
    const from = request.continue === undefined ? undefined : decodeContinue(request.continue);
    const pinned = from ? undefined : pinnedKey(resource.kind, request);
    // Of all keys that begin with a pinned one it is the first.
    const prefix = pinned ?? collectionPrefix(resource.kind, request.namespace);
    const at = { after: from?.after ?? '', wanted: request.limit, remaining: from?.remaining, more: true };
    const limit = pinned === undefined ? chunkFor(request, at) : 1;
    const revision = from?.revision ?? request.exactRevision;
    const page = await readPage(resource, prefix, { limit, at, revision, from });
    const reader = new ListReader(resource, request, prefix, at, page);
    if (pinned !== undefined) reader.#keepOnly(pinned);
    else if (page.more) await reader.#count();
    return reader;
  }

  private constructor(
    resource: Resource<T>,
    request: ListRequest<T>,
    prefix: string,
    at: Position,
    page: Page,
  ) {
    this.#resource = resource;
    this.#request = request;
    this.#prefix = prefix;
    this.#at = at;
    this.#page = page;
    this.revision = page.revision;
  }

  /** The next entries that match, perhaps none; undefined at the end of the page. */
  async next(): Promise<readonly Entry[] | undefined> {
    const at = this.#at;
    if (!at.more || at.wanted === 0) return undefined;
    const page = this.#page ?? (await this.#read());
    this.#page = undefined;
    const matching = this.#select(page.entries);
    const taken = at.wanted === undefined ? matching : matching.slice(0, at.wanted);
    const isCut = taken.length < matching.length;
    const last = isCut ? taken.at(-1) : page.entries.at(-1);
    if (last) at.after = last.key.slice(this.#prefix.length);
    if (at.wanted !== undefined) at.wanted -= taken.length;
    if (at.remaining !== undefined) at.remaining -= taken.length;
    at.more = isCut || page.more;
    return taken;
  }

  /** After {@link next} has come to its end: a token for the rest of the list, if there is a rest. */
  get continue(): string | undefined {
    const { more, after, remaining } = this.#at;
    return more ? encodeContinue({ revision: this.revision, after, remaining }) : undefined;
  }

  /** How many objects the rest has; undefined where only reading them would tell. */
  get remaining(): number | undefined {
    const { more, remaining = 0 } = this.#at;
    return more && remaining > 0 ? remaining : undefined;
  }

  #read(): Promise<Page> {
    const limit = chunkFor(this.#request, this.#at);
    return readPage(this.#resource, this.#prefix, { limit, at: this.#at, revision: this.revision });
  }

  #select(entries: readonly Entry[]): readonly Entry[] {
    const { matches } = this.#request;
    if (!matches) return entries;
    return entries.filter((entry) => matches(decodeEntry(this.#resource.kind, entry)));
  }

  #keepOnly(key: string): void {
    const page = this.#page;
    if (page) this.#page = { ...page, more: false, entries: page.entries.filter((one) => one.key === key) };
  }

  /** Counted once, by the first page: the token hands it on. As upstream only for lists of everything. */
  async #count(): Promise<void> {
    const { limit, matches, exactRevision } = this.#request;
    if (limit === undefined || matches || exactRevision !== undefined || this.#at.after !== '') return;
    this.#at.remaining = await this.#resource.store.count(this.#prefix);
  }
}

/** One page of a collection, decoded. */
export async function listObjects<T extends KubeObject>(
  resource: Resource<T>,
  request: ListRequest<T>,
): Promise<ListResult<T>> {
  const reader = await ListReader.open(resource, request);
  const items: T[] = [];
  for (let entries = await reader.next(); entries; entries = await reader.next()) {
    for (const entry of entries) items.push(decodeEntry(resource.kind, entry));
  }
  return { items, revision: reader.revision, continue: reader.continue };
}

/** Throws StatusError 504 unless the store has come as far as `revision`. */
export async function checkReached(resource: Resource, revision: number | undefined): Promise<void> {
  if (revision === undefined) return;
  const current = await resource.store.currentRevision();
  if (current < revision) throw tooLargeResourceVersion(revision, current);
}

/** What is selected cannot be foretold: then a chunk is read whatever the limit. */
function chunkFor({ matches }: Pick<ListRequest<never>, 'matches'>, { wanted }: Position): number {
  return matches ? chunkSize : Math.min(chunkSize, wanted ?? chunkSize);
}

async function readPage(
  resource: Resource,
  prefix: string,
  where: {
    readonly limit: number;
    readonly at: Position;
    readonly revision: number | undefined;
    readonly from?: Continuation | undefined;
  },
): Promise<Page> {
  const { limit, at, revision, from } = where;
  try {
    return await resource.store.list(prefix, {
      limit,
      ...(at.after === '' ? {} : { startAfter: prefix + at.after }),
      ...(revision === undefined ? {} : { revision }),
    });
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    if (error.code === 'future') throw tooLargeResourceVersion(revision ?? 0, error.revision ?? 0);
    if (error.code !== 'compacted') throw error;
    if (!from) throw expired(`The resourceVersion for the provided list is too old: ${revision ?? 0}`);
    throw expired(tooOld, encodeContinue({ ...from, revision: undefined, remaining: undefined }));
  }
}
