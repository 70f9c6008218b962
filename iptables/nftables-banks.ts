import { families } from './family.ts';
import type { FamilyTraits } from './family.ts';

/** Everything of ours is in this table; nothing else is. */
export const tableName = 'weft';
export const table = `inet ${tableName}`;

/**
 * The maps in which packets find their endpoint, one group for each way of looking:
 * `services` by address, protocol and port; `nodeports` by protocol and port on the node's addresses.
 * A frontend under externalTrafficPolicy Local only points from there to `inside-…` (this node's pods and processes)
 * and `outside-…` (everybody else, whose address is kept).
 */
export interface Bank {
  readonly name: string;
  readonly traits: FamilyTraits;
  readonly view: View;
  readonly by: 'address' | 'port';
}

export type View = 'main' | 'inside' | 'outside';

const views: readonly View[] = ['main', 'inside', 'outside'];

export const banks: readonly Bank[] = families.flatMap((traits) =>
  views.flatMap((view) =>
    (['address', 'port'] as const).map((by) => ({ name: bankName(traits, view, by), traits, view, by })),
  ),
);

export function bankName({ suffix }: FamilyTraits, view: View, by: Bank['by']): string {
  const prefix = view === 'main' ? '' : `${view}-`;
  return `${prefix}${by === 'address' ? 'services' : 'nodeports'}${suffix}`;
}

/** The objects of one bank. */
export function bankObjects({ name }: Pick<Bank, 'name'>) {
  return {
    /** Key → class of the frontend. */
    services: name,
    /** Class → the chain that chooses among so many endpoints. */
    classes: `${name}-classes`,
    /** Key and mark → endpoint. */
    endpoints: `${name}-endpoints`,
    /** With affinity: key and number → the endpoint's mark. */
    slots: `${name}-slots`,
  };
}

/** The nft expression of a bank's key. */
export function keyExpression({ by, traits }: Bank): string {
  const port = 'meta l4proto . th dport';
  return by === 'address' ? `${traits.nftProtocol} daddr . ${port}` : port;
}

/**
 * What a lookup in `services` yields: how to choose. The number of endpoints in the low 12 bits, the affinity timeout in
 * seconds (at most 86,400) above them. A mark, because a verdict map of 30,000 elements costs 16 ms per change.
 */
export interface EndpointClass {
  readonly bank: Bank;
  readonly count: number;
  /** 0: no affinity. */
  readonly affinitySeconds: number;
}

/** The most endpoints that are used of one frontend. */
export const maxEndpoints = 0xfff;

/** The class of frontends that are looked up again, inside or outside. */
export const splitClass = 0x4000_0000;

export function classNumber({
  count,
  affinitySeconds,
}: Pick<EndpointClass, 'count' | 'affinitySeconds'>): number {
  return count | (affinitySeconds << 12);
}

export function classChain({ bank, count, affinitySeconds }: EndpointClass): string {
  const sticky = affinitySeconds > 0 ? `-for-${String(affinitySeconds)}s` : '';
  return `${bank.name}-${String(count)}${sticky}`;
}

/** A packet about to be rewritten carries a mark of this form that names its endpoint; it is taken off right behind. */
export const endpointMark = { mask: 0xff00_0000, value: 0x5700_0000 } as const;

/** The bit on a connection's first packet that says: keep the client's address. It may stand in an endpoint's mark. */
export const keepMark = 0x1000;

/** The mark of a frontend's first endpoint without affinity; the others follow. */
export function firstMark({ view }: Pick<Bank, 'view'>): number {
  return endpointMark.value + (view === 'outside' ? keepMark : 0);
}

/** The chain of {@link splitClass}. */
export function splitChainName({ suffix }: FamilyTraits, by: Bank['by']): string {
  return `split-${by === 'address' ? 'services' : 'nodeports'}${suffix}`;
}
