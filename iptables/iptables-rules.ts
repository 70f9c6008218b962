import { hash } from 'node:crypto';

import { familyOf } from './address.ts';
import type { FamilyTraits } from './family.ts';
import { frontendId, isRejectedAnyway } from './model.ts';
import type { Endpoint, Frontend, FrontendSettings } from './model.ts';

/**
 * Rules are written exactly as iptables-save prints them, so that "is it there already?" is a comparison of lines.
 * A rule here is what follows `-A CHAIN `.
 */
export type Rule = string;

/** The mark bit of a connection's first packet that says: keep the client's address (externalTrafficPolicy Local). */
export const keepSourceMark = '0x1000/0x1000';

/** Up to so many DNAT rules stand in the leaf itself; more get a chain, so that the leaf's other Services stay cheap. */
const inlineEndpoints = 8;

/** Whether the nat table has anything of the frontend: without endpoints, the filter table has its word. */
export function isServed({ endpoints, outside = [] }: Frontend): boolean {
  return endpoints.length > 0 || outside.length > 0;
}

/** DNAT of one frontend, or the way to its own chain: what stands in the dispatch tree's leaf. */
export function renderLeaf(traits: FamilyTraits, frontend: Frontend): Rule[] {
  if (!isServed(frontend)) return [];
  const match = matchOf(traits, frontend);
  const sources = frontend.sourceRanges?.map((cidr) => `-s ${cidr} `) ?? [''];
  const [chain] = listOwnChains(frontend);
  return sources.flatMap((source) =>
    chain === undefined
      ? renderDnat(traits, frontend, frontend.endpoints, source + match)
      : [`${source}${match} ${comment(frontend.name)} -j ${chain}`],
  );
}

/** The chains that a frontend has for itself: its own, and with `outside` a second one for packets from inside. */
export function listOwnChains(frontend: Frontend): string[] {
  if (!isServed(frontend) || !needsChain(frontend)) return [];
  const hash = hashOf(frontendId(frontend));
  return frontend.outside ? [`WEFT-S-${hash}`, `WEFT-I-${hash}`] : [`WEFT-S-${hash}`];
}

/** The rules of one of {@link listOwnChains}. */
export function renderOwnChain(
  traits: FamilyTraits,
  frontend: Frontend,
  settings: FrontendSettings,
  chain: string,
): Rule[] {
  const [, inside] = listOwnChains(frontend);
  if (!frontend.outside || chain === inside) {
    return renderDnat(traits, frontend, frontend.endpoints, protocolOf(frontend));
  }
  return [
    ...ofFamily(traits, settings.podCIDRs).map((cidr) => `-s ${cidr} -j ${inside}`),
    `-m addrtype --src-type LOCAL -j ${inside}`,
    `-j MARK --set-xmark ${keepSourceMark}`,
    ...renderDnat(traits, frontend, frontend.outside, protocolOf(frontend)),
  ];
}

/** What happens to packets of a frontend that nothing rewrote: no endpoint for them, or a source that is not listed. */
export function renderBlocked(traits: FamilyTraits, frontend: Frontend, settings: FrontendSettings): Rule[] {
  const match = matchOf(traits, frontend);
  const rule = (source: string, reason: string, target: string): Rule =>
    `${source}${match} ${comment(`${frontend.name} ${reason}`)} -j ${target}`;
  const empty = frontend.endpoints.length === 0;
  const refusal: Rule[] = [];
  if (empty && frontend.whenEmpty === 'drop') refusal.push(rule('', 'has no local endpoints', 'DROP'));
  if (empty && frontend.whenEmpty === 'reject' && !isRejectedAnyway(frontend, settings)) {
    const sources = frontend.sourceRanges?.map((cidr) => `-s ${cidr} `) ?? [''];
    refusal.push(...sources.map((source) => rule(source, 'has no endpoints', 'WEFT-REJECT')));
  }
  if (frontend.sourceRanges) return [...refusal, rule('', 'is not for this source', 'DROP')];
  if (!empty && frontend.outside?.length === 0) return [rule('', 'has no local endpoints', 'DROP')];
  return refusal;
}

function needsChain(frontend: Frontend): boolean {
  if (frontend.outside) return true;
  const rules = frontend.endpoints.length * (isSticky(frontend, frontend.endpoints) ? 2 : 1);
  return rules * (frontend.sourceRanges?.length ?? 1) > inlineEndpoints;
}

function isSticky(frontend: Frontend, endpoints: readonly Endpoint[]): boolean {
  return frontend.affinitySeconds !== undefined && endpoints.length > 1;
}

/**
 * One DNAT rule per endpoint: the k-th of n that are left takes 1/n, so all have equal chances.
 * With affinity a client that an endpoint has seen lately goes there first; `recent` keeps who came when, and forgets
 * an endpoint's clients with its rules. (A list holds ip_list_tot clients, 100 unless the module is told otherwise.)
 */
function renderDnat(
  traits: FamilyTraits,
  frontend: Frontend,
  endpoints: readonly Endpoint[],
  match: string,
): Rule[] {
  const described = `${match} ${comment(frontend.name)}`;
  const sticky = isSticky(frontend, endpoints);
  const fresh = endpoints.map((endpoint, index) => {
    const chance = chanceOf(endpoints.length - index);
    const remember = sticky ? `-m recent --set ${listOf(traits, frontend, endpoint)} ` : '';
    return `${described} ${chance}${remember}-j DNAT --to-destination ${endpointText(endpoint)}`;
  });
  if (!sticky) return fresh;
  const returning = endpoints.map((endpoint) => {
    const seconds = String(frontend.affinitySeconds);
    const seen = `-m recent --update --seconds ${seconds} --reap ${listOf(traits, frontend, endpoint)}`;
    return `${described} ${seen} -j DNAT --to-destination ${endpointText(endpoint)}`;
  });
  return [...returning, ...fresh];
}

/** The list of an endpoint's clients, as a match of `recent` names it. */
function listOf({ hostMask }: FamilyTraits, frontend: Frontend, endpoint: Endpoint): string {
  const name = `weft-${hashOf(`${frontendId(frontend)} ${endpointText(endpoint)}`)}`;
  return `--name ${name} --mask ${hostMask} --rsource`;
}

/** xt_statistic keeps probabilities in units of 2^-31; iptables-save prints what is kept. */
function chanceOf(left: number): string {
  if (left === 1) return '';
  const probability = (Math.round(0x8000_0000 / left) / 0x8000_0000).toFixed(11);
  return `-m statistic --mode random --probability ${probability} `;
}

function matchOf(traits: FamilyTraits, frontend: Frontend): string {
  const address = frontend.address === undefined ? '' : `-d ${frontend.address}/${String(traits.bits)} `;
  return `${address}-p ${frontend.protocol} -m ${frontend.protocol} --dport ${String(frontend.port)}`;
}

/** DNAT to a port is allowed only behind a match of the protocol. */
function protocolOf(frontend: Frontend): string {
  return `-p ${frontend.protocol}`;
}

function endpointText({ address, port }: Pick<Endpoint, 'address' | 'port'>): string {
  return address.includes(':') ? `[${address}]:${String(port)}` : `${address}:${String(port)}`;
}

/** A comment as iptables-save prints it: bare if it needs no quotes. */
export function comment(text: string): string {
  return `-m comment --comment ${/^[-\w]+$/.test(text) ? text : `"${text}"`}`;
}

export function ofFamily(traits: FamilyTraits, cidrs: readonly string[]): string[] {
  return cidrs.filter((cidr) => familyOf(cidr) === traits.family);
}

/** Short names for chains and lists that stand for long ones (28 characters is all a chain name can have). */
function hashOf(text: string): string {
  return hash('sha256', text).slice(0, 16).toUpperCase();
}
