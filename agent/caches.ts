import { join } from 'node:path';
import type { Logger } from 'pino';
import type { ApiClient } from '../api/client/client.ts';
import { Reflector } from '../api/client/reflector.ts';
import type { ApiObject, Resource } from '../api/client/resource.ts';
import * as resources from '../api/client/resources.ts';
import { CacheFile } from './cache-file.ts';
import { describeLoss } from './lost-server.ts';
import { SharedValues } from './shared-values.ts';
import type { AgentContext, Health } from './subsystem.ts';
import { trimNode, trimPodAddresses, trimService, trimSlice, withoutManagedFields } from './trim.ts';

/** The API is quiet for so long at most: watches carry a bookmark a minute. */
const staleAfterMs = 120_000;
/** Who starts does not wait longer for a word of the API where an earlier agent's knowledge is at hand. */
const patienceMs = 1_000;
/** Longest pause between two attempts: a server that is back is wanted soon. */
const maxRetryMs = 3_000;

/** Pods whose address is theirs: it goes to others when they have ended. */
const withAddress = 'status.phase!=Succeeded,status.phase!=Failed';

type Caches = AgentContext['caches'];

interface CachesOptions {
  readonly client: ApiClient;
  /** The URL that the client was given. */
  readonly server: string;
  readonly nodeName: string;
  /** Where copies of what the API said are kept. */
  readonly stateDir: string;
  /** Whether the addresses of all nodes' pods are wanted. */
  readonly allPods?: boolean;
  readonly log: Logger;
}

/** The agent's copies of what it needs to know of the cluster. */
export class AgentCaches {
  readonly name = 'api';
  readonly caches: Caches;
  readonly #server: string;
  readonly #reflectors: readonly Reflector<ApiObject>[];
  readonly #files: readonly { readonly file: CacheFile<unknown>; readonly follow: () => void }[];

  constructor({ client, server, nodeName, stateDir, allPods = false, log }: CachesOptions) {
    this.#server = server;
    const all: Reflector<ApiObject>[] = [];
    const files: { file: CacheFile<unknown>; follow: () => void }[] = [];
    const reflect = <T extends ApiObject>(
      options: Omit<ConstructorParameters<typeof Reflector<T>>[0], 'client' | 'log'>,
    ) => {
      const reflector = new Reflector<T>({ client, log, trim: withoutManagedFields, maxRetryMs, ...options });
      all.push(reflector as unknown as Reflector<ApiObject>);
      return reflector;
    };
    /** Names are asked for all the time, and an agent that starts while the API is away has no other source. */
    const remember = <T extends ApiObject>(
      resource: Resource<T>,
      trim: (object: T) => T = withoutManagedFields,
      fieldSelector?: string,
    ) => {
      const file = new CacheFile<T>(join(stateDir, 'caches', `${resource.plural}.json`), log);
      const selection = fieldSelector === undefined ? {} : { fieldSelector };
      const reflector = reflect({ resource, trim, lastKnown: () => file.read(), patienceMs, ...selection });
      files.push({ file, follow: () => file.follow(reflector) });
      return reflector;
    };
    const shared = new SharedValues();
    this.caches = {
      nodes: reflect({ resource: resources.nodes, trim: trimNode }),
      pods: reflect({ resource: resources.pods, fieldSelector: `spec.nodeName=${nodeName}` }),
      services: remember(resources.services, (service) => trimService(service, shared)),
      endpointSlices: remember(resources.endpointSlices, (slice) => trimSlice(slice, shared)),
      namespaces: remember(resources.namespaces),
      ...(allPods ? { allPods: remember(resources.pods, trimPodAddresses, withAddress) } : {}),
    };
    this.#reflectors = all;
    this.#files = files;
  }

  start(): void {
    for (const { follow } of this.#files) follow();
    for (const reflector of this.#reflectors) reflector.start();
  }

  async stop(): Promise<void> {
    await Promise.all(this.#reflectors.map((reflector) => reflector.stop()));
    await Promise.all(this.#files.map(({ file }) => file.stop()));
  }

  /**
   * Ready while every copy is complete and fresh: a watch that hangs is as bad as one that broke. Not so that of all
   * pods: an API may refuse it to a node, which does its work all the same. ClusterNames says what is missing then.
   */
  health(): Health {
    for (const reflector of this.#reflectors) {
      if ((reflector as unknown) === this.caches.allPods) continue;
      const { synced, lastError, lastContact } = reflector;
      const silentMs = Date.now() - (lastContact ?? 0);
      if (lastError) return { ready: false, reason: describeLoss(lastError, this.#server, silentMs) };
      if (!synced) return { ready: false, reason: 'not synced with the API yet' };
      if (silentMs > staleAfterMs) {
        return { ready: false, reason: `nothing heard from the API for ${Math.round(silentMs / 1000)} s` };
      }
    }
    return { ready: true };
  }
}
