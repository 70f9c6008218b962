import type { PodRef } from './pod-streams.ts';

/** How a connection that could not be had is told, in the kubelet's words (pkg/kubelet/server, portforward). */
export function describeFailure({ namespace, pod }: PodRef, port: number, error: unknown): string {
  const why = error instanceof Error ? error.message : String(error);
  return `error forwarding port ${port} to pod ${pod} of namespace ${namespace}: ${why}`;
}

/** A port by its decimal digits; undefined when it is none. */
export function parsePort(text: string): number | undefined {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  return port > 0 && port <= 0xffff ? port : undefined;
}
