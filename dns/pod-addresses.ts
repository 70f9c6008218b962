/** Which pods have which addresses; those in their node's network share the node's. */
export class PodAddresses {
  /** Pods by their addresses, 4 or 16 bytes; nearly all addresses are of one pod. */
  readonly #byAddress = new Map<string, string | readonly string[]>();
  readonly #byPod = new Map<string, string | readonly string[]>();

  /** Sets the addresses of a pod, `namespace/name`; none removes it. */
  set(pod: string, addresses: readonly string[]): void {
    for (const address of listOf(this.#byPod.get(pod))) {
      this.#put(this.#byAddress, address, this.#others(address, pod));
    }
    for (const address of addresses) {
      this.#put(this.#byAddress, address, [...this.#others(address, pod), pod]);
    }
    this.#put(this.#byPod, pod, addresses);
  }

  /** Whether a pod of the namespace has the address. */
  has(namespace: string, address: string): boolean {
    return listOf(this.#byAddress.get(address)).some((pod) => namespaceOf(pod) === namespace);
  }

  /** The namespace of the pods that have the address; undefined where there are none, or of several. */
  namespaceOf(address: string): string | undefined {
    const [namespace, ...others] = new Set(listOf(this.#byAddress.get(address)).map(namespaceOf));
    return others.length === 0 ? namespace : undefined;
  }

  #others(address: string, pod: string): readonly string[] {
    return listOf(this.#byAddress.get(address)).filter((other) => other !== pod);
  }

  #put(map: Map<string, string | readonly string[]>, key: string, values: readonly string[]): void {
    const [first] = values;
    if (first === undefined) map.delete(key);
    else map.set(key, values.length === 1 ? first : values);
  }
}

function listOf(values: string | readonly string[] = []): readonly string[] {
  return typeof values === 'string' ? [values] : values;
}

function namespaceOf(pod: string): string {
  return pod.slice(0, pod.indexOf('/'));
}
