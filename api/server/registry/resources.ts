import type { Kind } from '../../kinds/kind.ts';
import type { KubeObject } from '../../kinds/meta.ts';
import { namespaceKind } from '../../kinds/namespace.ts';
import { nodeKind } from '../../kinds/node.ts';
import { podKind } from '../../kinds/pod.ts';
import { kinds } from '../../kinds/registry.ts';
import { serviceKind } from '../../kinds/service.ts';
import type { Store } from '../../store/store.ts';
import type { ClusterConfig } from '../../cluster.ts';
import { namespaceStrategy } from './namespace-strategy.ts';
import { NodeStrategy } from './node-strategy.ts';
import { PodStrategy } from './pod-strategy.ts';
import type { Resource } from './resource.ts';
import { ServiceStrategy } from './service-strategy.ts';
import type { Strategy } from './strategy.ts';

/** Every kind over one store. */
export class Resources {
  readonly #store: Store;
  readonly #strategies: ReadonlyMap<unknown, unknown>;

  constructor(store: Store, cluster: ClusterConfig) {
    this.#store = store;
    this.#strategies = new Map<unknown, unknown>([
      [namespaceKind, namespaceStrategy],
      [nodeKind, new NodeStrategy(store)],
      [podKind, new PodStrategy(store)],
      [serviceKind, new ServiceStrategy(store, cluster)],
    ]);
  }

  of<T extends KubeObject>(kind: Kind<T>): Resource<T> {
    // The map pairs each kind with a strategy of its own type.
    const strategy = (this.#strategies.get(kind) ?? {}) as Strategy<T>;
    return { kind, strategy, store: this.#store };
  }

  find(group: string, version: string, plural: string): Resource | undefined {
    const kind = kinds.find(
      (each) => each.group === group && each.version === version && each.plural === plural,
    );
    return kind && this.of(kind);
  }
}
