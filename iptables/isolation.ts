import { RulesError } from './error.ts';

/**
 * Applies `keys` together; when the kernel refuses, leaves out only those at fault, so that one Service that cannot be
 * programmed holds up no other. A refusal that names a Service names the one at fault; else it is found by halving.
 *
 * `attempt` programs these keys on top of what was accepted before, all or nothing; a throw of REFUSED means that none
 * of them is programmed and that it may be asked again with fewer.
 * @throws RulesError when the kernel refuses even without any of them: then none of them is to blame.
 */
async function applyIsolated(
  keys: readonly string[],
  attempt: (keys: readonly string[]) => Promise<void>,
): Promise<Map<string, RulesError>> {
  const refused = new Map<string, RulesError>();
  let rest = keys;
  for (;;) {
    try {
      await attempt(rest);
      return refused;
    } catch (error) {
      if (!isRefusal(error)) throw error;
      const { service } = error;
      if (service === undefined || !rest.includes(service)) break;
      refused.set(service, error);
      rest = rest.filter((key) => key !== service);
    }
  }
  await attempt([]);
  for (const [key, error] of await halve(rest, attempt)) refused.set(key, error);
  // A refusal by the second family may have come after the first had agreed.
  await attempt([]);
  return refused;
}

async function halve(
  keys: readonly string[],
  attempt: (keys: readonly string[]) => Promise<void>,
): Promise<[string, RulesError][]> {
  try {
    await attempt(keys);
    return [];
  } catch (error) {
    if (!isRefusal(error)) throw error;
    const [first] = keys;
    if (first === undefined) return [];
    if (keys.length === 1) {
      return [[first, new RulesError('REFUSED', error.message, { cause: error, service: first })]];
    }
    const half = Math.ceil(keys.length / 2);
    return [...(await halve(keys.slice(0, half), attempt)), ...(await halve(keys.slice(half), attempt))];
  }
}

function isRefusal(error: unknown): error is RulesError {
  return error instanceof RulesError && error.code === 'REFUSED';
}

/**
 * Applies `keys` like {@link applyIsolated} and keeps `refused`, key by key, as it is after it. Those that were refused
 * before are tried alone, so that they do not hold up the others once more.
 */
export async function syncIsolated(
  keys: readonly string[],
  refused: Map<string, RulesError>,
  attempt: (keys: readonly string[]) => Promise<void>,
): Promise<void> {
  const suspects = keys.filter((key) => refused.has(key));
  const outcomes = [
    await applyIsolated(
      keys.filter((key) => !refused.has(key)),
      attempt,
    ),
  ];
  for (const key of suspects) {
    refused.delete(key);
    outcomes.push(await applyIsolated([key], attempt));
  }
  for (const outcome of outcomes) for (const [key, error] of outcome) refused.set(key, error);
}
