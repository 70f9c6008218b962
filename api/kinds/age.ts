const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const YEAR = 365 * DAY;

/** From `under` seconds on the next step counts. `fine` is a second unit, shown where it is not zero. */
interface Step {
  readonly under: number;
  readonly unit: string;
  readonly seconds: number;
  readonly fine?: { readonly unit: string; readonly seconds: number; readonly modulo: number };
}

const steps: readonly Step[] = [
  { under: 2 * MINUTE, unit: 's', seconds: 1 },
  { under: 10 * MINUTE, unit: 'm', seconds: MINUTE, fine: { unit: 's', seconds: 1, modulo: 60 } },
  { under: 3 * HOUR, unit: 'm', seconds: MINUTE },
  { under: 8 * HOUR, unit: 'h', seconds: HOUR, fine: { unit: 'm', seconds: MINUTE, modulo: 60 } },
  { under: 2 * DAY, unit: 'h', seconds: HOUR },
  { under: 8 * DAY, unit: 'd', seconds: DAY, fine: { unit: 'h', seconds: HOUR, modulo: 24 } },
  { under: 2 * YEAR, unit: 'd', seconds: DAY },
  { under: 8 * YEAR, unit: 'y', seconds: YEAR, fine: { unit: 'd', seconds: DAY, modulo: 365 } },
  { under: Infinity, unit: 'y', seconds: YEAR },
];

/** A duration as kubectl prints ages: `45s`, `3m20s`, `5h`, `2d3h` (apimachinery's duration.HumanDuration). */
export function renderDuration(ms: number): string {
  const seconds = Math.trunc(ms / 1000);
  if (seconds < -1) return '<invalid>';
  if (seconds < 0) return '0s';
  const step = steps.find((each) => seconds < each.under);
  if (!step) return '<invalid>';
  const main = `${Math.floor(seconds / step.seconds)}${step.unit}`;
  if (!step.fine) return main;
  const rest = Math.floor(seconds / step.fine.seconds) % step.fine.modulo;
  return rest === 0 ? main : `${main}${rest}${step.fine.unit}`;
}

/** Time since an RFC 3339 timestamp, or `<unknown>` where there is none. */
export function renderAge(timestamp: string | undefined, nowMs: number): string {
  return timestamp === undefined ? '<unknown>' : renderDuration(nowMs - Date.parse(timestamp));
}
