import type { Container } from '../../kinds/container.ts';
import type { Node } from '../../kinds/node.ts';
import type { Pod } from '../../kinds/pod.ts';
import { parseQuantity } from '../../kinds/quantity.ts';

/** Amounts by the name of the resource. */
export type Amounts = ReadonlyMap<string, number>;

/** What a pod is promised: its containers run together, its init containers one after the other before them. */
export function podRequests({ spec }: Pod): Amounts {
  const total = addAmounts(spec.containers.map(containerRequests));
  for (const container of spec.initContainers ?? []) {
    for (const [name, amount] of containerRequests(container)) {
      total.set(name, Math.max(total.get(name) ?? 0, amount));
    }
  }
  return total;
}

export function addAmounts(parts: readonly Amounts[]): Map<string, number> {
  const total = new Map<string, number>();
  for (const part of parts) {
    for (const [name, amount] of part) total.set(name, (total.get(name) ?? 0) + amount);
  }
  return total;
}

function containerRequests({ resources }: Container): Amounts {
  const requests = Object.entries(resources?.requests ?? {});
  return new Map(requests.map(([name, text]) => [name, parseQuantity(text) ?? 0]));
}

/** What the node has too little of, in kube-scheduler's words; undefined when the pod fits. */
export function lackOf(node: Node, wanted: Amounts, promised: Amounts): string | undefined {
  const allocatable = node.status?.allocatable;
  // A node that does not say what it has is not held to it.
  if (!allocatable) return undefined;
  for (const [name, amount] of wanted) {
    const has = parseQuantity(allocatable[name] ?? '0') ?? 0;
    if (amount > 0 && (promised.get(name) ?? 0) + amount > has) return `Insufficient ${name}`;
  }
  return undefined;
}
