import type { ReadCache } from '../../client/cache.ts';
import type { Resource } from '../../client/resource.ts';
import type { KubeObject, OwnerReference } from '../../kinds/meta.ts';

/** One kind that owners and dependents may be of. */
export interface GraphSource {
  readonly apiVersion: string;
  readonly kind: string;
  readonly resource: Resource<KubeObject>;
  readonly cache: ReadCache<KubeObject>;
}

/** An object of the graph and the collection it is in. */
export interface GraphNode {
  readonly source: GraphSource;
  readonly object: KubeObject;
}

/** All objects by uid, and who names whom as owner. */
export class OwnerGraph {
  readonly #sources: readonly GraphSource[];
  readonly #nodes = new Map<string, GraphNode>();
  readonly #dependents = new Map<string, Set<string>>();

  /** Follows the caches from now on; `changed` is called with the uid of each object that came, changed
   * or went, and with those of its owners. */
  constructor(sources: readonly GraphSource[], changed: (uid: string) => void) {
    this.#sources = sources;
    for (const source of sources) {
      source.cache.subscribe((event) => {
        if (event.type === 'synced') return;
        if (event.type !== 'added') this.#remove(event.type === 'updated' ? event.previous : event.object);
        if (event.type !== 'deleted') this.#add({ source, object: event.object });
        changed(event.object.metadata.uid ?? '');
        // An owner may be waiting for this one to go.
        for (const owner of event.object.metadata.ownerReferences ?? []) changed(owner.uid);
      });
    }
  }

  get(uid: string): GraphNode | undefined {
    return this.#nodes.get(uid);
  }

  uids(): Iterable<string> {
    return this.#nodes.keys();
  }

  dependentsOf(uid: string): GraphNode[] {
    return [...(this.#dependents.get(uid) ?? [])].flatMap((one) => this.#nodes.get(one) ?? []);
  }

  /** The source an owner reference points into; undefined for kinds that are not ours to judge. */
  sourceOf(owner: OwnerReference): GraphSource | undefined {
    // The version may be an older one of the same kind: only the group tells kinds apart.
    const group = groupOf(owner.apiVersion);
    return this.#sources.find((source) => source.kind === owner.kind && groupOf(source.apiVersion) === group);
  }

  #add(node: GraphNode): void {
    const { uid = '', ownerReferences = [] } = node.object.metadata;
    this.#nodes.set(uid, node);
    for (const owner of ownerReferences) {
      const dependents = this.#dependents.get(owner.uid) ?? new Set<string>();
      this.#dependents.set(owner.uid, dependents.add(uid));
    }
  }

  #remove(object: KubeObject): void {
    const { uid = '', ownerReferences = [] } = object.metadata;
    this.#nodes.delete(uid);
    for (const owner of ownerReferences) {
      const dependents = this.#dependents.get(owner.uid);
      dependents?.delete(uid);
      if (dependents?.size === 0) this.#dependents.delete(owner.uid);
    }
  }
}

function groupOf(apiVersion: string): string {
  const slash = apiVersion.indexOf('/');
  return slash < 0 ? '' : apiVersion.slice(0, slash);
}
