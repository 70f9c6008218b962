import type { Probe } from '../../api/kinds/container.ts';

/** A probe's thresholds and times with Kubernetes' defaults filled in. */
export interface ProbeSettings {
  readonly initialDelayMs: number;
  readonly periodMs: number;
  readonly timeoutMs: number;
  readonly successThreshold: number;
  readonly failureThreshold: number;
}

export function probeSettings(probe: Probe): ProbeSettings {
  return {
    initialDelayMs: (probe.initialDelaySeconds ?? 0) * 1000,
    periodMs: Math.max(probe.periodSeconds ?? 10, 1) * 1000,
    timeoutMs: Math.max(probe.timeoutSeconds ?? 1, 1) * 1000,
    successThreshold: Math.max(probe.successThreshold ?? 1, 1),
    failureThreshold: Math.max(probe.failureThreshold ?? 3, 1),
  };
}

/** How the last results went on: a run of successes or of failures. */
export interface ProbeStreak {
  readonly success: boolean;
  readonly length: number;
}

/** The streak after one more result, and the verdict once it is long enough. */
export function evaluateProbe(
  settings: Pick<ProbeSettings, 'successThreshold' | 'failureThreshold'>,
  streak: ProbeStreak | undefined,
  success: boolean,
): { readonly streak: ProbeStreak; readonly verdict: boolean | undefined } {
  const length = streak?.success === success ? streak.length + 1 : 1;
  const needed = success ? settings.successThreshold : settings.failureThreshold;
  return { streak: { success, length }, verdict: length >= needed ? success : undefined };
}
