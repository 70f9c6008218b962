import type { ListMeta, Status } from '../kinds/meta.ts';
import { HttpConnection } from './http.ts';
import type { ClientOptions } from './http.ts';
import { resourcePath } from './resource.ts';
import type { ApiObject, ObjectName, Resource } from './resource.ts';
import { readWatch } from './watch.ts';
import type { WatchEvent, WatchOptions } from './watch.ts';

export interface ListOptions {
  /** Only this namespace; without it all of them. */
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  /** Most items per page. */
  readonly limit?: number | undefined;
  /** The previous page's `metadata.continue`. */
  readonly continue?: string | undefined;
  readonly resourceVersion?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** One page of a collection. Items carry no apiVersion and kind of their own on a real kube-apiserver. */
export interface List<T> {
  readonly metadata: ListMeta;
  readonly items: readonly T[];
}

export interface DeleteOptions {
  readonly gracePeriodSeconds?: number | undefined;
  readonly propagationPolicy?: 'Background' | 'Foreground' | 'Orphan' | undefined;
  /** The object is deleted only if it still is this one. */
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string } | undefined;
}

/** Options under which only this very object is deleted, and not another that has its name by now. */
export function onlyThis({ metadata: { uid } }: ApiObject): Pick<DeleteOptions, 'preconditions'> {
  return uid === undefined ? {} : { preconditions: { uid } };
}

const patchTypes = {
  strategic: 'application/strategic-merge-patch+json',
  merge: 'application/merge-patch+json',
  json: 'application/json-patch+json',
} as const;

export type PatchType = keyof typeof patchTypes;

/** A Kubernetes API. Works against weft's server and kube-apiserver alike; every failure is an ApiError. */
export class ApiClient {
  readonly #http: HttpConnection;

  constructor(options: ClientOptions) {
    this.#http = new HttpConnection(options);
  }

  /** Ends idle connections. */
  close(): void {
    this.#http.close();
  }

  /** Shows another client certificate (PEM) from the next connection on. */
  useCertificate(cert: string, key: string): void {
    this.#http.useCertificate(cert, key);
  }

  /** Ends the connections from addresses that this machine has no more; requests on them fail. */
  dropConnectionsFrom(addresses: readonly string[]): void {
    this.#http.dropConnectionsFrom(addresses);
  }

  /** Any request, for paths that are no collection: `/version`, `/weft/v1/join`. */
  request(
    method: string,
    path: string,
    options: {
      query?: Record<string, string>;
      body?: unknown;
      contentType?: string;
      signal?: AbortSignal;
    } = {},
  ): Promise<unknown> {
    return this.#http.json({ method, path, ...options });
  }

  async get<T extends ApiObject>(resource: Resource<T>, name: ObjectName): Promise<T> {
    return (await this.#http.json({ method: 'GET', path: resourcePath(resource, name) })) as T;
  }

  /** One page; {@link listAll} reads them all. */
  async list<T extends ApiObject>(resource: Resource<T>, options: ListOptions = {}): Promise<List<T>> {
    const { labelSelector, fieldSelector, limit, resourceVersion, signal } = options;
    const list = await this.#http.json({
      method: 'GET',
      path: resourcePath(resource, { namespace: options.namespace }),
      query: {
        labelSelector,
        fieldSelector,
        resourceVersion,
        limit: limit?.toString(),
        continue: options.continue,
      },
      signal,
    });
    const { metadata, items } = list as { metadata: ListMeta; items: T[] | null };
    return { metadata, items: items ?? [] };
  }

  /** All items, page by page. */
  async listAll<T extends ApiObject>(
    resource: Resource<T>,
    options: Omit<ListOptions, 'continue'> = {},
  ): Promise<T[]> {
    const items: T[] = [];
    let page: List<T> | undefined;
    do {
      page = await this.list(resource, { limit: 500, ...options, continue: page?.metadata.continue });
      items.push(...page.items);
    } while (page.metadata.continue);
    return items;
  }

  /** The object's own metadata.namespace says where. */
  async create<T extends ApiObject>(resource: Resource<T>, object: T): Promise<T> {
    const path = resourcePath(resource, { namespace: object.metadata.namespace });
    return (await this.#http.json({ method: 'POST', path, body: object })) as T;
  }

  /** Replaces the object; with metadata.resourceVersion set it fails with Conflict if it changed meanwhile. */
  update<T extends ApiObject>(resource: Resource<T>, object: T): Promise<T> {
    return this.#put(resource, object, undefined);
  }

  /** Replaces the object's status only. */
  updateStatus<T extends ApiObject>(resource: Resource<T>, object: T): Promise<T> {
    return this.#put(resource, object, 'status');
  }

  patch<T extends ApiObject>(
    resource: Resource<T>,
    name: ObjectName,
    patch: unknown,
    type: PatchType,
  ): Promise<T> {
    return this.#patch(resource, name, patch, type, undefined);
  }

  patchStatus<T extends ApiObject>(
    resource: Resource<T>,
    name: ObjectName,
    patch: unknown,
    type: PatchType,
  ): Promise<T> {
    return this.#patch(resource, name, patch, type, 'status');
  }

  /** The object, when it stays for a while (grace, finalizers), or a Status. */
  async delete<T extends ApiObject>(
    resource: Resource<T>,
    name: ObjectName,
    options: DeleteOptions = {},
  ): Promise<T | Status> {
    const body = { apiVersion: 'v1', kind: 'DeleteOptions', ...options };
    return (await this.#http.json({ method: 'DELETE', path: resourcePath(resource, name), body })) as
      T | Status;
  }

  /** POST to a subresource, e.g. a Binding to `binding`. */
  createSubresource(
    resource: Resource<unknown>,
    name: ObjectName,
    subresource: string,
    body: unknown,
  ): Promise<unknown> {
    return this.#http.json({ method: 'POST', path: resourcePath(resource, { ...name, subresource }), body });
  }

  /** PUT to a subresource, e.g. a Namespace to `finalize`. */
  updateSubresource(
    resource: Resource<unknown>,
    name: ObjectName,
    subresource: string,
    body: unknown,
  ): Promise<unknown> {
    return this.#http.json({ method: 'PUT', path: resourcePath(resource, { ...name, subresource }), body });
  }

  /**
   * Changes after `resourceVersion`, until the server ends the watch. An ERROR event of the server is thrown as
   * an ApiError (410 Expired: list again), so is a lost or silent connection.
   */
  async *watch<T extends ApiObject>(
    resource: Resource<T>,
    options: WatchOptions = {},
  ): AsyncGenerator<WatchEvent<T>> {
    const path = resourcePath(resource, { namespace: options.namespace });
    yield* readWatch<T>(this.#http, path, options);
  }

  async #put<T extends ApiObject>(
    resource: Resource<T>,
    object: T,
    subresource: string | undefined,
  ): Promise<T> {
    const { namespace, name = '' } = object.metadata;
    const path = resourcePath(resource, { namespace, name, subresource });
    return (await this.#http.json({ method: 'PUT', path, body: object })) as T;
  }

  async #patch<T extends ApiObject>(
    resource: Resource<T>,
    name: ObjectName,
    body: unknown,
    type: PatchType,
    subresource: string | undefined,
  ): Promise<T> {
    const path = resourcePath(resource, { ...name, subresource });
    return (await this.#http.json({ method: 'PATCH', path, body, contentType: patchTypes[type] })) as T;
  }
}
