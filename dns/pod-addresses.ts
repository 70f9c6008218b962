/** Which addresses pods of which namespace have; two pods in the host's network share one. */
export class PodAddresses {
  readonly #byPod = new Map<string, ReadonlySet<string>>();
  readonly #counts = new Map<string, number>();

  /** Sets one pod's addresses, each prefixed with its namespace's label; none removes the pod. */
  set(pod: string, addresses: ReadonlySet<string>): void {
    for (const address of this.#byPod.get(pod) ?? []) this.#count(address, -1);
    for (const address of addresses) this.#count(address, 1);
    if (addresses.size > 0) this.#byPod.set(pod, addresses);
    else this.#byPod.delete(pod);
  }

  has(address: string): boolean {
    return this.#counts.has(address);
  }

  #count(address: string, change: number): void {
    const count = (this.#counts.get(address) ?? 0) + change;
    if (count > 0) this.#counts.set(address, count);
    else this.#counts.delete(address);
  }
}
