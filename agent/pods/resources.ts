import { availableParallelism, totalmem } from 'node:os';
import type { Container } from '../../api/kinds/container.ts';
import type { Pod } from '../../api/kinds/pod.ts';
import { parseQuantity } from '../../api/kinds/quantity.ts';

/** cgroup limits of one container, as the OCI runtime spec's `linux.resources` has them. */
export interface CgroupLimits {
  /** Relative CPU weight, cgroup v1 scale (1024 is one CPU). */
  readonly cpuShares: number;
  /** Microseconds of CPU per 100 ms; undefined: no limit. */
  readonly cpuQuota: number | undefined;
  /** Bytes; undefined: no limit. */
  readonly memory: number | undefined;
}

/** Source: kubernetes pkg/kubelet/cm/helpers_linux.go MilliCPUToShares, MilliCPUToQuota. */
export function containerLimits(container: Container): CgroupLimits {
  const { requests = {}, limits = {} } = container.resources ?? {};
  const cpuRequest = amount(requests['cpu'] ?? limits['cpu']) ?? 0;
  const cpuLimit = amount(limits['cpu']);
  const memory = amount(limits['memory']);
  return {
    cpuShares: Math.min(Math.max(Math.floor(cpuRequest * 1024), 2), 262_144),
    cpuQuota: cpuLimit ? Math.max(Math.round(cpuLimit * 100_000), 1000) : undefined,
    memory: memory ? Math.round(memory) : undefined,
  };
}

/** Guaranteed, Burstable or BestEffort. Source: kubernetes pkg/apis/core/v1/helper/qos. */
export function qosClass(pod: Pod): 'Guaranteed' | 'Burstable' | 'BestEffort' {
  const containers = [...(pod.spec.initContainers ?? []), ...pod.spec.containers];
  const resources = containers.map((container) => container.resources ?? {});
  const amounts = resources.flatMap(({ requests = {}, limits = {} }) => [requests, limits]);
  if (!amounts.some((map) => map['cpu'] !== undefined || map['memory'] !== undefined)) return 'BestEffort';
  const guaranteed = resources.every(({ requests = {}, limits = {} }) =>
    ['cpu', 'memory'].every((name) => {
      const limit = amount(limits[name]);
      return limit !== undefined && limit === (amount(requests[name]) ?? limit);
    }),
  );
  return guaranteed ? 'Guaranteed' : 'Burstable';
}

/** Who is killed first when memory runs out. Source: kubernetes pkg/kubelet/qos/policy.go. */
export function oomScore(pod: Pod, container: Container, nodeMemory = totalmem()): number {
  const quality = qosClass(pod);
  if (quality === 'Guaranteed') return -997;
  if (quality === 'BestEffort') return 1000;
  const request = amount(container.resources?.requests?.['memory']) ?? 0;
  return Math.min(Math.max(Math.floor(1000 - (1000 * request) / nodeMemory), 3), 999);
}

/** The value of a `resourceFieldRef`, rounded up; undefined when there is no such resource. */
export function resolveResourceField(
  container: Container,
  resource: string,
  divisor = '1',
): string | undefined {
  const [kind = '', name = ''] = resource.split('.', 2);
  if (kind !== 'limits' && kind !== 'requests') return undefined;
  const whole: Readonly<Record<string, number>> = { cpu: availableParallelism(), memory: totalmem() };
  const fallback = kind === 'limits' ? whole[name] : 0;
  const value = amount(container.resources?.[kind]?.[name]) ?? fallback;
  if (value === undefined) return undefined;
  // A divisor of 0 is what an absent one looks like on the wire.
  return String(Math.ceil(value / (parseQuantity(divisor) || 1)));
}

function amount(quantity: string | undefined): number | undefined {
  return quantity === undefined ? undefined : parseQuantity(quantity);
}
