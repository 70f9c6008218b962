import type { Logger } from 'pino';
import type { ApiClient } from '../client/client.ts';
import { Reflector } from '../client/reflector.ts';
import { resourcePath } from '../client/resource.ts';
import type { Resource } from '../client/resource.ts';
import type { KubeObject } from '../kinds/meta.ts';

/**
 * One reflector per collection of the API, however many controllers read it. The first to ask decides how much of
 * each object it keeps: ask for whole objects before asking for metadata.
 */
export class Reflectors {
  readonly #client: ApiClient;
  readonly #log: Logger;
  readonly #byPath = new Map<string, Reflector<KubeObject>>();

  constructor(client: ApiClient, log: Logger) {
    this.#client = client;
    this.#log = log;
  }

  /** Whole objects, but for their managedFields. */
  of<T extends KubeObject>(resource: Resource<T>): Reflector<T> {
    return this.#get(resource, withoutManagedFields);
  }

  /** Only metadata, unless whole objects are kept already. */
  metadataOf(resource: Resource<KubeObject>): Reflector<KubeObject> {
    return this.#get(resource, onlyMetadata);
  }

  start(): void {
    for (const reflector of this.#byPath.values()) reflector.start();
  }

  async whenSynced(): Promise<void> {
    await Promise.all([...this.#byPath.values()].map((reflector) => reflector.whenSynced()));
  }

  /** Ends the watches; resolves when nothing of them runs any more. */
  async stop(): Promise<void> {
    await Promise.all([...this.#byPath.values()].map((reflector) => reflector.stop()));
  }

  #get<T extends KubeObject>(resource: Resource<T>, trim: (object: T) => T): Reflector<T> {
    const path = resourcePath(resource, {});
    const known = this.#byPath.get(path);
    // One path is one collection: its objects are of the type that the resource says.
    if (known) return known as unknown as Reflector<T>;
    const reflector = new Reflector<T>({ client: this.#client, resource, log: this.#log, trim });
    this.#byPath.set(path, reflector as unknown as Reflector<KubeObject>);
    return reflector;
  }
}

function withoutManagedFields<T extends KubeObject>(object: T): T {
  if (object.metadata.managedFields === undefined) return object;
  const { managedFields: _, ...metadata } = object.metadata;
  return { ...object, metadata };
}

function onlyMetadata<T extends KubeObject>(object: T): T {
  return { metadata: withoutManagedFields(object).metadata } as T;
}
