import type { ResolvConf } from './resolv-conf.ts';

/** One name that a resolver asks for on behalf of another. */
export interface SearchStep {
  /** As it is asked, without the last dot. */
  readonly name: string;
  /** The search domain that completes it; undefined: asked as it was written. */
  readonly domain: string | undefined;
}

/** What a resolver makes of a step's answer (resolv/res_query.c, __res_context_search). */
export type StepOutcome =
  /** Records: the search is over. */
  | 'found'
  /** The name exists without them: glibc goes on, musl stops. */
  | 'no-data'
  | 'no-name'
  /** SERVFAIL: glibc goes on, musl stops. */
  | 'failed'
  /** Nobody answered: the search is over. */
  | 'silence';

/** resolv.conf(5): a name with fewer dots is completed first. */
const DEFAULT_NDOTS = 1;
/** glibc's RES_MAXNDOTS. */
const MAX_NDOTS = 15;

/** The value of `ndots:` that counts. */
export function ndotsOf({ options }: Pick<ResolvConf, 'options'>): number {
  const given = options.findLast((option) => /^ndots:\d+$/.test(option));
  return given === undefined ? DEFAULT_NDOTS : Math.min(Number(given.slice('ndots:'.length)), MAX_NDOTS);
}

/**
 * The names that glibc asks for, one after the other, when a program looks up `name`. A name with its last dot,
 * or with no search domains, is asked as it is; one with at least ndots dots is asked so first, others at last.
 */
export function searchSteps(name: string, conf: Pick<ResolvConf, 'searches' | 'options'>): SearchStep[] {
  const asWritten: SearchStep = { name: name.replace(/\.$/, ''), domain: undefined };
  if (name.endsWith('.')) return [asWritten];
  const dots = name.split('.').length - 1;
  const completed = conf.searches
    .filter((domain) => domain !== '.')
    .map((domain) => ({ name: `${name}.${domain.replace(/\.$/, '')}`, domain }));
  return dots >= ndotsOf(conf) ? [asWritten, ...completed] : [...completed, asWritten];
}

/** Whether glibc goes on to the next step after this one. */
export function searchGoesOn(outcome: StepOutcome): boolean {
  return outcome !== 'found' && outcome !== 'silence';
}

/** Whether musl would end the search here where glibc goes on: two libcs, two answers. */
export function stopsInMusl(outcome: StepOutcome): boolean {
  return outcome === 'no-data' || outcome === 'failed';
}
