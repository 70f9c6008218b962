import { isRulesError, RulesError } from './error.ts';

/**
 * After so many refusals in one sync the kernel's reason is hardly a Service: all that are left are held back with it,
 * instead of asking minute after minute about each.
 */
const refusalLimit = 50;

type Attempt = (keys: readonly string[], undecided: boolean) => Promise<void>;

/**
 * Applies `keys` together; when the kernel refuses, finds the ones at fault and leaves only those out, so that one
 * Service that cannot be programmed holds up no other. A refusal that names its Service is believed; else by halving.
 *
 * `attempt` programs these keys on top of what was accepted before, all or nothing; a throw of REFUSED means that none
 * of them is programmed and that it may be asked again with fewer. `undecided`: there are others that it has yet to be
 * asked for, whose rules of an earlier process are to stand until then.
 * @throws RulesError when the kernel refuses even without any of them: then none of them is to blame.
 */
async function applyIsolated(keys: readonly string[], attempt: Attempt): Promise<Map<string, RulesError>> {
  const refused = new Map<string, RulesError>();
  let refusals = 0;
  const refuse = (some: readonly string[], reason: RulesError): void => {
    for (const key of some) {
      refused.set(key, new RulesError('REFUSED', reason.message, { cause: reason, service: key }));
    }
  };
  /** Why `some` are not programmed; undefined: they are. */
  const refusalOf = async (some: readonly string[]): Promise<RulesError | undefined> => {
    try {
      await attempt(some, some.length < keys.length);
      return undefined;
    } catch (error) {
      if (!isRulesError(error, 'REFUSED') || some.length === 0) throw error;
      refusals += 1;
      return error;
    }
  };
  const isolate = async (some: readonly string[]): Promise<void> => {
    const error = await refusalOf(some);
    if (!error) return;
    const culprit = some.length === 1 ? some[0] : some.find((key) => key === error.service);
    if (refusals >= refusalLimit) {
      // Without a name: nobody knows yet whether they are at fault, and the next sync goes on among them.
      for (const key of some) refused.set(key, new RulesError('REFUSED', error.message, { cause: error }));
    } else if (culprit !== undefined) {
      refuse([culprit], error);
      const others = some.filter((key) => key !== culprit);
      if (others.length > 0) await isolate(others);
    } else {
      // Not even without them? Then that is the error.
      if (refusals === 1) await attempt([], true);
      const half = Math.ceil(some.length / 2);
      await isolate(some.slice(0, half));
      await isolate(some.slice(half));
    }
  };
  await isolate(keys);
  // A refusal by the second family may have come after the first had agreed; what nobody is asked for any more may go.
  if (refusals > 0) await attempt([], isAnyHeldBack(refused));
  return refused;
}

/**
 * Applies `keys` like {@link applyIsolated} and keeps `refused`, key by key, as it is after it. Those that were refused
 * before are tried by themselves, so that they do not hold up the others once more.
 */
export async function syncIsolated(
  keys: readonly string[],
  refused: Map<string, RulesError>,
  attempt: Attempt,
): Promise<void> {
  const suspects = keys.filter((key) => refused.get(key)?.service === key);
  const innocent = keys.filter((key) => refused.get(key)?.service !== key);
  const outcomes = [await applyIsolated(innocent, attempt)];
  if (suspects.length > 0) outcomes.push(await applyIsolated(suspects, attempt));
  for (const key of keys) refused.delete(key);
  for (const outcome of outcomes) for (const [key, error] of outcome) refused.set(key, error);
}

/** Whether some were not asked for one by one, because too many others were refused. */
export function isAnyHeldBack(refused: ReadonlyMap<string, RulesError>): boolean {
  return refused.values().some(({ service }) => service === undefined);
}
