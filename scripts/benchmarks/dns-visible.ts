import type { VisiblePlan } from './dns-visible-process.ts';
import type { BenchFigure } from './result.ts';
import { runChild } from './services-child.ts';
import { Site } from './services-place.ts';
import { median, percentile } from './statistics.ts';

/** How soon a Service that is written at the API has a name, through a real server and a whole agent. */
export async function visible(stateDir: string): Promise<BenchFigure[]> {
  using site = new Site();
  const plan: VisiblePlan = { stateDir, services: 10_000, changes: 300, place: site.addPlace() };
  const times = await runChild<number[]>('dns-visible-process.ts', [JSON.stringify(plan)], {
    namespace: site.endpoints,
  });
  return [
    {
      name: 'new Service visible in DNS: p99',
      value: percentile(times, 99),
      unit: 'ms',
      aim: 50,
      note: `from the beginning of its API write, 10k Services; a real server and a whole agent; ${times.length} Services, p50 ${median(times).toFixed(1)} ms`,
    },
  ];
}
