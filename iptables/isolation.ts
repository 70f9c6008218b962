import { RulesError } from './error.ts';

/**
 * Applies `keys` together; when the kernel refuses, finds the ones at fault by halving and leaves only those out, so
 * that one Service that cannot be programmed holds up no other.
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
  const visit = async (some: readonly string[]): Promise<void> => {
    try {
      await attempt(some);
    } catch (error) {
      if (!(error instanceof RulesError) || error.code !== 'REFUSED') throw error;
      const [first] = some;
      if (first === undefined) return;
      if (some.length === 1) {
        refused.set(first, new RulesError('REFUSED', error.message, { cause: error, service: first }));
        return;
      }
      const half = Math.ceil(some.length / 2);
      await visit(some.slice(0, half));
      await visit(some.slice(half));
    }
  };
  try {
    await attempt(keys);
  } catch (error) {
    if (!(error instanceof RulesError) || error.code !== 'REFUSED') throw error;
    await attempt([]);
    await visit(keys);
    // A refusal by the second family may have come after the first had agreed.
    await attempt([]);
  }
  return refused;
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
