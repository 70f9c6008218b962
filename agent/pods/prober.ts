import type { Container, Probe } from '../../api/kinds/container.ts';
import { evaluateProbe, probeSettings } from './probe.ts';
import type { ProbeStreak } from './probe.ts';

export type ProbeKind = 'startup' | 'readiness' | 'liveness';

/** Carries one probe out: undefined for success, else what went wrong. */
type ProbeAttempt = (probe: Probe, timeoutMs: number) => Promise<string | undefined>;

export interface ProberOptions {
  readonly container: Container;
  /** Epoch ms: initial delays count from here. */
  readonly startedAt: number;
  /** Whether its startup probe has succeeded before. */
  readonly started: boolean;
  readonly attempt: ProbeAttempt;
  /** Told of each verdict, also when it is the same as the last one. */
  readonly onVerdict: (kind: ProbeKind, success: boolean, output: string) => void;
  /** Told of each single failure. */
  readonly onFailure: (kind: ProbeKind, output: string) => void;
}

/** The probes of one run of a container. Readiness and liveness wait for the startup probe. */
export class Prober {
  readonly #options: ProberOptions;
  readonly #timers = new Map<ProbeKind, NodeJS.Timeout>();
  #stopped = false;

  constructor(options: ProberOptions) {
    this.#options = options;
  }

  start(): void {
    const { startupProbe } = this.#options.container;
    if (startupProbe && !this.#options.started) this.#begin('startup', startupProbe);
    else this.#beginOthers();
  }

  stop(): void {
    this.#stopped = true;
    for (const timer of this.#timers.values()) clearTimeout(timer);
  }

  #beginOthers(): void {
    const { readinessProbe, livenessProbe } = this.#options.container;
    if (readinessProbe) this.#begin('readiness', readinessProbe);
    if (livenessProbe) this.#begin('liveness', livenessProbe);
  }

  #begin(kind: ProbeKind, probe: Probe): void {
    const { initialDelayMs } = probeSettings(probe);
    const delayMs = Math.max(0, this.#options.startedAt + initialDelayMs - Date.now());
    this.#schedule(kind, probe, undefined, delayMs);
  }

  #schedule(kind: ProbeKind, probe: Probe, streak: ProbeStreak | undefined, delayMs: number): void {
    if (this.#stopped) return;
    const timer = setTimeout(() => void this.#probe(kind, probe, streak), delayMs);
    this.#timers.set(kind, timer);
  }

  async #probe(kind: ProbeKind, probe: Probe, before: ProbeStreak | undefined): Promise<void> {
    const settings = probeSettings(probe);
    const failure = await this.#options
      .attempt(probe, settings.timeoutMs)
      .catch((error: unknown) => (error instanceof Error ? error.message : String(error)));
    if (this.#stopped) return;
    if (failure !== undefined) this.#options.onFailure(kind, failure);
    const { streak, verdict } = evaluateProbe(settings, before, failure === undefined);
    if (verdict !== undefined) this.#options.onVerdict(kind, verdict, failure ?? '');
    if (kind === 'startup' && verdict === true) this.#beginOthers();
    else this.#schedule(kind, probe, streak, settings.periodMs);
  }
}
