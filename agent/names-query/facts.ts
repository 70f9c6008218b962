import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ApiClient } from '../../api/client/client.ts';
import { objectKey } from '../../api/client/resource.ts';
import { endpointSlices, namespaces, pods, services } from '../../api/client/resources.ts';
import type { EndpointSlice } from '../../api/kinds/endpoint-slice.ts';
import type { Namespace } from '../../api/kinds/namespace.ts';
import { serviceNameLabel } from '../../api/kinds/service-labels.ts';
import type { Pod } from '../../api/kinds/pod.ts';
import type { Service } from '../../api/kinds/service.ts';
import type { NamePlace } from '../../dns/cluster-name.ts';
import type { ClusterFacts } from '../../dns/explain.ts';
import { isErrno } from '../../netns/kernel-error.ts';
import { addressesOf } from '../names/pod-addresses.ts';
import { SliceIndex } from '../slice-index.ts';

/** Longest wait for the API: without it there is the agent's copy. */
const API_WITHIN_MS = 3000;

interface Objects {
  readonly namespaces: readonly Namespace[];
  readonly services: readonly Service[];
  readonly slices: readonly EndpointSlice[];
  readonly pods: readonly Pod[] | undefined;
}

export interface FactsSource {
  readonly server: string;
  readonly stateDir: string;
  readonly podNames: ClusterFacts['podNames'];
}

/** What the cluster says that one name can be about. */
export interface FoundFacts {
  /** Undefined where nobody can tell: the API is away, and there is no copy. */
  readonly facts: ClusterFacts | undefined;
  /** Why they are not the API's own, and from when they are. */
  readonly note?: string;
}

/** Reads from the API, with this node's own rights, only what concerns the names; while it is away, from the agent's copy. */
export class FactsReader {
  readonly #source: FactsSource;
  #client: ApiClient | undefined;
  /** The API is asked until it does not answer. */
  #failure: string | undefined;

  constructor(source: FactsSource) {
    this.#source = source;
  }

  close(): void {
    this.#client?.close();
  }

  async read(place: NamePlace): Promise<FoundFacts> {
    if (this.#failure === undefined) {
      try {
        return { facts: this.#factsOf(await this.#fetch(place)) };
      } catch (error) {
        this.#failure = error instanceof Error ? error.message : String(error);
      }
    }
    const copy = this.#readCopy();
    if (!copy) return { facts: undefined, note: `${this.#failure}; this node has no copy of its objects` };
    return {
      facts: this.#factsOf(copy.objects),
      note: `${this.#failure}; told by this node's copy of ${copy.from}`,
    };
  }

  async #fetch(place: NamePlace): Promise<Objects> {
    const client = (this.#client ??= connect(this.#source));
    const named = 'service' in place ? { fieldSelector: `metadata.name=${place.service}` } : {};
    const ofService =
      'service' in place
        ? { namespace: place.namespace, labelSelector: `${serviceNameLabel}=${place.service}` }
        : {};
    const isWide = place.kind === 'reverse' || place.kind === 'unknown';
    const [foundNamespaces, foundServices, slices, foundPods] = await Promise.all([
      client.listAll(namespaces),
      'service' in place || isWide ? client.listAll(services, named) : [],
      'service' in place || place.kind === 'reverse' ? client.listAll(endpointSlices, ofService) : [],
      place.kind === 'pod' ? client.listAll(pods, { namespace: place.namespace }) : undefined,
    ]);
    return { namespaces: foundNamespaces, services: foundServices, slices, pods: foundPods };
  }

  #readCopy(): { objects: Objects; from: string } | undefined {
    const file = (name: string): string => join(this.#source.stateDir, 'caches', `${name}.json`);
    const read = <T>(name: string): T[] => JSON.parse(readFileSync(file(name), 'utf8')) as T[];
    try {
      const objects = {
        namespaces: read<Namespace>('namespaces'),
        services: read<Service>('services'),
        slices: read<EndpointSlice>('endpointslices'),
        pods: undefined,
      };
      return { objects, from: statSync(file('services')).mtime.toISOString().slice(0, 19) };
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return undefined;
      throw error;
    }
  }

  #factsOf({ namespaces: all, services: found, slices, pods: running }: Objects): ClusterFacts {
    const index = new SliceIndex();
    const owners = new Set(slices.flatMap((slice) => index.add(slice) ?? []));
    return {
      namespaces: new Set(all.map(({ metadata }) => metadata.name)),
      services: found,
      slices: new Map([...owners].map((owner) => [owner, index.of(owner)])),
      podNames: this.#source.podNames,
      pods: running && new Map(running.map((pod) => [objectKey(pod), addressesOf(pod)])),
    };
  }
}

/** With this node's own certificate. */
function connect({ server, stateDir }: FactsSource): ApiClient {
  const pki = (file: string): string => readFileSync(join(stateDir, 'pki', file), 'utf8');
  return new ApiClient({
    server,
    ca: pki('ca.crt'),
    cert: pki('node.crt'),
    key: pki('node.key'),
    userAgent: 'weft-dns-query',
    timeoutMs: API_WITHIN_MS,
  });
}
