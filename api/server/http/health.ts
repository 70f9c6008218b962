import type { Logger } from 'pino';
import { noSuchPath, StatusError } from '../status-error.ts';
import { sendText } from './exchange.ts';
import type { Exchange } from './exchange.ts';

/** One thing the server cannot do without. `run` rejects when it fails. */
export interface HealthCheck {
  readonly name: string;
  readonly run: () => Promise<unknown>;
}

const roots: readonly string[] = ['healthz', 'livez', 'readyz'];

/** The paths that {@link sendHealth} answers. */
export function healthPaths(checks: readonly HealthCheck[]): string[] {
  return roots.flatMap((root) => [`/${root}`, ...checks.map(({ name }) => `/${root}/${name}`)]);
}

export function isHealthPath(path: string): boolean {
  return roots.includes(path.split('/')[1] ?? '');
}

/**
 * Answers /healthz, /livez and /readyz: `ok`, or with `?verbose` (and whenever something fails) a line for each check.
 * `?exclude=NAME` leaves a check out; /livez/NAME runs one alone.
 * Source: https://kubernetes.io/docs/reference/using-api/health-checks/.
 */
export async function sendHealth(
  exchange: Exchange,
  checks: readonly HealthCheck[],
  log: Logger,
): Promise<void> {
  const [, root = '', name, ...rest] = exchange.url.pathname.replace(/\/$/, '').split('/');
  if (rest.length > 0) throw noSuchPath();
  if (name !== undefined) return sendOne(exchange, checks, name);
  const query = exchange.url.searchParams;
  const excluded = new Set(query.getAll('exclude'));
  const results = await Promise.all(
    checks.map(async (check) => (excluded.has(check.name) ? 'excluded' : await outcome(check, log))),
  );
  const failed = results.includes('failed');
  const lines = checks.map(({ name }, index) => renderLine(name, results[index] ?? 'failed'));
  const summary = `${root} check ${failed ? 'failed' : 'passed'}`;
  const text = failed || query.has('verbose') ? `${[...lines, summary].join('\n')}\n` : 'ok';
  await sendText(exchange, failed ? 500 : 200, text, 'text/plain; charset=utf-8');
}

async function sendOne(exchange: Exchange, checks: readonly HealthCheck[], name: string): Promise<void> {
  const check = checks.find((each) => each.name === name);
  if (!check) throw noSuchPath();
  try {
    await check.run();
  } catch (error) {
    const message = `internal server error: ${name} failed: reason withheld`;
    throw new StatusError({ code: 500, reason: 'InternalError', message, cause: error });
  }
  await sendText(exchange, 200, 'ok', 'text/plain; charset=utf-8');
}

type Outcome = 'ok' | 'failed' | 'excluded';

async function outcome(check: HealthCheck, log: Logger): Promise<Outcome> {
  try {
    await check.run();
    return 'ok';
  } catch (error) {
    // The client only learns that it failed: anybody may ask.
    log.error({ err: error, check: check.name }, 'health check failed');
    return 'failed';
  }
}

function renderLine(name: string, result: Outcome): string {
  switch (result) {
    case 'ok':
      return `[+]${name} ok`;
    case 'excluded':
      return `[+]${name} excluded: ok`;
    case 'failed':
      return `[-]${name} failed: reason withheld`;
  }
}
