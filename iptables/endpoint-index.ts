import { CidrSet } from './address.ts';
import type { Endpoint, Frontend, NodeSettings, Protocol } from './model.ts';

/** One endpoint as the kernel names it. */
export interface EndpointKey {
  readonly protocol: Protocol;
  readonly address: string;
  readonly port: number;
}

/**
 * Which endpoints need rules of their own, whatever Service they are in: those of this node can meet themselves
 * (hairpin), those outside the pod ranges are not recognized by their address (far). Counted, because Services share them.
 */
export class EndpointIndex {
  readonly #cluster: CidrSet;
  readonly #pods: CidrSet;
  readonly #local = new Map<string, number>();
  readonly #far = new Map<string, { count: number; key: EndpointKey }>();
  #changed = false;

  constructor({ clusterCIDRs, podCIDRs }: Pick<NodeSettings, 'clusterCIDRs' | 'podCIDRs'>) {
    this.#cluster = new CidrSet(clusterCIDRs);
    // While the node's own range is not known every pod of the cluster would be listed.
    this.#pods = new CidrSet(podCIDRs.filter((cidr) => !clusterCIDRs.includes(cidr)));
  }

  /** Replaces what one frontend contributed. Returns whether any of the two lists changed. */
  update(before: Frontend | undefined, after: Frontend | undefined): boolean {
    this.#changed = false;
    // The new ones first: what both have then never leaves the lists.
    if (after) this.#count(after, 1);
    if (before) this.#count(before, -1);
    return this.#changed;
  }

  /** Addresses of endpoints on this node. */
  hairpin(): Iterable<string> {
    return this.#local.keys();
  }

  far(): Iterable<EndpointKey> {
    return this.#far.values().map(({ key }) => key);
  }

  /** Whether {@link hairpin} has this address. */
  isHairpin(address: string): boolean {
    return this.#local.has(address);
  }

  /** Whether {@link far} has this endpoint. */
  isFar(key: EndpointKey): boolean {
    return this.#far.has(farId(key));
  }

  #count(frontend: Frontend, by: 1 | -1): void {
    for (const endpoint of [...frontend.endpoints, ...(frontend.outside ?? [])]) {
      // Who lists a pod's address by hand need not say on which node it is.
      if (endpoint.local || this.#pods.contains(endpoint.address)) this.#countLocal(endpoint.address, by);
      if (!this.#cluster.contains(endpoint.address)) this.#countFar(frontend.protocol, endpoint, by);
    }
  }

  #countLocal(address: string, by: 1 | -1): void {
    const known = this.#local.get(address) ?? 0;
    const count = known + by;
    if (known === 0 || count === 0) this.#changed = true;
    if (count > 0) this.#local.set(address, count);
    else this.#local.delete(address);
  }

  #countFar(protocol: Protocol, { address, port }: Endpoint, by: 1 | -1): void {
    const id = farId({ protocol, address, port });
    const known = this.#far.get(id)?.count ?? 0;
    const count = known + by;
    if (known === 0 || count === 0) this.#changed = true;
    if (count > 0) this.#far.set(id, { count, key: { protocol, address, port } });
    else this.#far.delete(id);
  }
}

function farId({ protocol, address, port }: EndpointKey): string {
  return `${protocol} ${address} ${String(port)}`;
}
