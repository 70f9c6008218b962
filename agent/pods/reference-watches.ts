import type { Logger } from 'pino';
import type { ApiClient } from '../../api/client/client.ts';
import { Reflector } from '../../api/client/reflector.ts';
import type { Resource } from '../../api/client/resource.ts';
import { configMaps, secrets } from '../../api/client/resources.ts';
import type { ConfigMap } from '../../api/kinds/config-map.ts';
import type { Pod } from '../../api/kinds/pod.ts';
import type { Secret } from '../../api/kinds/secret.ts';
import { decodeConfigMap, decodeSecret, listVolumeReferences } from './references.ts';
import type { References } from './references.ts';

/** One object that volumes are made of, and who wants to know when it changes. */
interface Watched<T extends Secret | ConfigMap> {
  readonly reflector: Reflector<T>;
  readonly listeners: Set<() => void>;
}

/** A name and where its object is kept. */
type Followed<T extends Secret | ConfigMap> = readonly [string, Reflector<T>];
type WatchTable<T extends Secret | ConfigMap> = Map<string, Watched<T>>;

/** What the API has of a pod's references; `version` is another whenever anything of it is. */
interface KnownReferences {
  readonly references: References;
  readonly version: string;
}

/** Where a pod's references can be read until it is disposed of. */
export interface FollowedReferences extends Disposable {
  /** Undefined before each of them was read once. */
  read(): KnownReferences | undefined;
}

/**
 * The Secrets and ConfigMaps in volumes of this node's pods, each watched by its name, as a node may, and once,
 * however many pods mount it.
 */
export class ReferenceWatches {
  readonly #client: ApiClient;
  readonly #log: Logger;
  readonly #secrets: WatchTable<Secret> = new Map();
  readonly #configMaps: WatchTable<ConfigMap> = new Map();

  constructor(client: ApiClient, log: Logger) {
    this.#client = client;
    // That the API is away is the agent's caches' to say, not of each of these.
    this.#log = log.child({}, { level: 'error' });
  }

  /** Begins to follow what a pod's volumes are made of; `onChange` is called when there is something new to read. */
  follow(pod: Pod, onChange: () => void): FollowedReferences {
    const namespace = pod.metadata.namespace ?? '';
    const names = listVolumeReferences(pod);
    const undo = new DisposableStack();
    const begin = <T extends Secret | ConfigMap>(
      table: WatchTable<T>,
      resource: Resource<T>,
      wanted: ReadonlySet<string>,
    ): Followed<T>[] =>
      [...wanted].map((name) => {
        const watched = this.#ensure(table, resource, namespace, name);
        watched.listeners.add(onChange);
        undo.defer(() => release(table, `${namespace}/${name}`, watched, onChange));
        return [name, watched.reflector];
      });
    const followedSecrets = begin(this.#secrets, secrets, names.secrets);
    const followedConfigMaps = begin(this.#configMaps, configMaps, names.configMaps);
    return {
      read: () => readAll(namespace, followedSecrets, followedConfigMaps),
      [Symbol.dispose]: () => undo.dispose(),
    };
  }

  async stop(): Promise<void> {
    const all = [...this.#secrets.values(), ...this.#configMaps.values()];
    await Promise.all(all.map(({ reflector }) => reflector.stop()));
  }

  #ensure<T extends Secret | ConfigMap>(
    table: WatchTable<T>,
    resource: Resource<T>,
    namespace: string,
    name: string,
  ): Watched<T> {
    const key = `${namespace}/${name}`;
    const known = table.get(key);
    if (known) return known;
    const reflector = new Reflector<T>({
      client: this.#client,
      resource,
      namespace,
      fieldSelector: `metadata.name=${name}`,
      log: this.#log,
    });
    const watched: Watched<T> = { reflector, listeners: new Set() };
    reflector.subscribe(() => {
      for (const listener of watched.listeners) listener();
    });
    table.set(key, watched);
    reflector.start();
    return watched;
  }
}

function release<T extends Secret | ConfigMap>(
  table: WatchTable<T>,
  key: string,
  watched: Watched<T>,
  listener: () => void,
): void {
  watched.listeners.delete(listener);
  if (watched.listeners.size > 0) return;
  table.delete(key);
  void watched.reflector.stop();
}

function readAll(
  namespace: string,
  followedSecrets: readonly Followed<Secret>[],
  followedConfigMaps: readonly Followed<ConfigMap>[],
): KnownReferences | undefined {
  const all = [...followedSecrets, ...followedConfigMaps];
  if (!all.every(([, { synced }]) => synced)) return undefined;
  const versions = all.map(([name, reflector]) => {
    const { uid, resourceVersion } = reflector.get(`${namespace}/${name}`)?.metadata ?? {};
    return [uid, resourceVersion];
  });
  return {
    references: {
      secrets: decodeAll(namespace, followedSecrets, decodeSecret),
      configMaps: decodeAll(namespace, followedConfigMaps, decodeConfigMap),
    },
    version: JSON.stringify(versions),
  };
}

function decodeAll<T extends Secret | ConfigMap, D>(
  namespace: string,
  followed: readonly Followed<T>[],
  decode: (object: T) => D,
): Map<string, D> {
  const found = followed.flatMap(([name, reflector]): [string, D][] => {
    const object = reflector.get(`${namespace}/${name}`);
    return object ? [[name, decode(object)]] : [];
  });
  return new Map(found);
}
