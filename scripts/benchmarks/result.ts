import type { Plot } from './plot.ts';

/** One measured number beside what it is judged by. */
export interface BenchFigure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** What we want: at most this, or at least this with `higherIsBetter`. */
  readonly aim?: number;
  readonly higherIsBetter?: boolean;
  /** The same figure of other programs, measured in the same run where possible. */
  readonly peers?: Readonly<Record<string, number>>;
  /** What the kernel or the hardware alone costs. */
  readonly floor?: number;
  readonly note?: string;
}

export interface BenchResult {
  readonly name: string;
  readonly figures: readonly BenchFigure[];
  /** A picture beside the bars of the figures: `docs/performance/NAME-plot.svg`. */
  readonly plot?: Plot;
}

/** What a user may hand to a benchmark. */
export interface BenchOptions {
  /** A CoreDNS program to compare with. */
  readonly coredns?: string | undefined;
}

/** A benchmark as `scripts/bench NAME` runs it. */
export interface Bench {
  readonly name: string;
  /** Parts that can be run alone. */
  readonly parts?: readonly string[];
  /** Runs these parts; empty: all of it. */
  run(parts: readonly string[], options: BenchOptions): Promise<BenchResult>;
}
