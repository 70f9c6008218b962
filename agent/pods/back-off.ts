/** The kubelet's restart back-off: at once, then 10 s doubling to 5 min; forgotten after 10 min of running. */
const firstMs = 10_000;
const longestMs = 300_000;
const forgivenAfterMs = 2 * longestMs;

/** How long after its end a container that ran for `ranMs` waits for its restart. */
export function restartDelayMs(backOffMs: number, ranMs: number): number {
  return ranMs >= forgivenAfterMs ? 0 : backOffMs;
}

/** The back-off of the next run, given that of the run that ended after `ranMs`. */
export function nextBackOffMs(backOffMs: number, ranMs: number): number {
  if (backOffMs === 0 || ranMs >= forgivenAfterMs) return firstMs;
  return Math.min(backOffMs * 2, longestMs);
}
