import { parseQuantity } from '../../api/kinds/quantity.ts';
import type { TokenBucket } from '../../netns/traffic-control.ts';

/** Limits of one direction: a token bucket. */
export interface BandwidthLimit {
  /** Bits per second. */
  readonly rate: number;
  /** Bits that may go at once. Default: what the rate brings in 50 ms. */
  readonly burst?: number;
}

/** How fast packets may come to the pod, and leave it. */
export interface Bandwidth {
  readonly ingress?: BandwidthLimit;
  readonly egress?: BandwidthLimit;
}

const defaultBurstSeconds = 0.05;
/** Packets wait for tokens so long; then they are dropped, so that TCP slows down instead of queueing. */
const patienceSeconds = 0.025;
/** An Ethernet header with room for a tag: a bucket that never holds one whole packet would let none pass. */
const frameOverhead = 18;

/** The kernel's token bucket for a limit, on a link whose packets are at most `mtu` bytes long. */
export function toBucket(
  { rate, burst = rate * defaultBurstSeconds }: BandwidthLimit,
  mtu: number,
): TokenBucket {
  const bytes = Math.max(Math.ceil(burst / 8), mtu + frameOverhead);
  const perSecond = Math.max(Math.floor(rate / 8), 1);
  return { rate: perSecond, burst: bytes, limit: bytes + Math.ceil(perSecond * patienceSeconds) };
}

const directions = ['ingress', 'egress'] as const;
const annotations = {
  ingress: 'kubernetes.io/ingress-bandwidth',
  egress: 'kubernetes.io/egress-bandwidth',
} as const;
/** What the Kubernetes project allows (pkg/util/bandwidth): 1 kbit/s to 1 Pbit/s. */
const [lowest, highest] = [1e3, 1e15];

/**
 * The limits that a pod's annotations ask for; undefined: none.
 * @throws RangeError when one is no quantity of bits per second
 */
export function readBandwidth(given: Readonly<Record<string, string>>): Bandwidth | undefined {
  const limits = directions.flatMap((direction) => {
    const name = annotations[direction];
    const text = given[name];
    if (text === undefined) return [];
    const rate = parseQuantity(text) ?? 0;
    if (rate >= lowest && rate <= highest) return [[direction, { rate }] as const];
    throw new RangeError(
      `annotation ${name} is ${JSON.stringify(text)}; it is bits per second, 1k to 1P, such as 10M`,
    );
  });
  return limits.length === 0 ? undefined : Object.fromEntries(limits);
}
