import { isDeepStrictEqual } from 'node:util';
import ipaddr from 'ipaddr.js';
import { familyOf } from '../../kinds/ip.ts';
import { firstFree, poolContains } from '../../address-pool.ts';
import type { AddressPool } from '../../address-pool.ts';
import type { Service, ServiceSpec } from '../../kinds/service.ts';

/** Why a Service lacks an address; `reason` is the Event's and the condition's. */
interface Shortage {
  readonly reason: 'PoolExhausted' | 'AddressTaken' | 'AddressOutsidePools';
  readonly message: string;
}

/** What a Service of type LoadBalancer is given. */
export interface Allocation {
  /** In the order of the Service's families. */
  readonly addresses: readonly string[];
  readonly shortage: Shortage | undefined;
}

/** Whether the Service's address is ours to give: one of another class belongs to another controller. */
export function wantsAddress({ spec }: Service): boolean {
  return spec.type === 'LoadBalancer' && !spec.loadBalancerClass;
}

/** The addresses a Service shows, in canonical text. */
export function addressesOf(service: Service): string[] {
  return (service.status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => (ip ? [canonical(ip)] : []));
}

/** Of two Services that show one address, the elder has it; of two of one second, the first by name. */
function hasPriority(a: Service, b: Service): boolean {
  const rank = ({ metadata }: Service): string =>
    [metadata.creationTimestamp, metadata.namespace, metadata.name].join(' ');
  return rank(a) < rank(b);
}

/**
 * Decides a Service's addresses: what it has it keeps, what it lacks comes from the first pool with a free one.
 * `holdersOf` names the other Services that show an address.
 */
export function allocate(
  service: Service,
  pools: readonly AddressPool[],
  holdersOf: (address: string) => readonly Service[],
): Allocation {
  const held = addressesOf(service);
  const wish = service.spec.loadBalancerIP ? canonical(service.spec.loadBalancerIP) : undefined;
  const addresses: string[] = [];
  let shortage = wish === undefined ? undefined : refusalOf(service, wish, pools, holdersOf);
  const families = familiesFor(service.spec, pools);
  // A wish that is no address of the Service's families is about its first.
  const wished =
    wish === undefined ? undefined : (families.find((each) => each === familyOf(wish)) ?? families[0]);
  for (const family of families) {
    const own = pools.filter((pool) => pool.family === family);
    const isOwn = (address: string): boolean => own.some((pool) => poolContains(pool, address));
    if (wish !== undefined && family === wished) {
      if (shortage === undefined) addresses.push(wish);
      continue;
    }
    const address =
      held.find((each) => isOwn(each) && mayKeep(service, holdersOf(each))) ?? findFree(own, holdersOf);
    if (address !== undefined) addresses.push(address);
    else shortage ??= exhausted(family, own);
  }
  return { addresses, shortage };
}

function mayKeep(service: Service, others: readonly Service[]): boolean {
  return others.every((other) => hasPriority(service, other));
}

function findFree(
  pools: readonly AddressPool[],
  holdersOf: (address: string) => readonly Service[],
): string | undefined {
  for (const pool of pools) {
    const address = firstFree(pool, (each) => holdersOf(each).length === 0);
    if (address !== undefined) return address;
  }
  return undefined;
}

/** A second family that is only preferred is left out where no pool has it. */
function familiesFor(spec: ServiceSpec, pools: readonly AddressPool[]): string[] {
  const families = spec.ipFamilies ?? [];
  if (spec.ipFamilyPolicy !== 'PreferDualStack') return families;
  const pooled = families.filter((family) => pools.some((pool) => pool.family === family));
  return pooled.length > 0 ? pooled : families;
}

function refusalOf(
  service: Service,
  wish: string,
  pools: readonly AddressPool[],
  holdersOf: (address: string) => readonly Service[],
): Shortage | undefined {
  const isServed = service.spec.ipFamilies?.some((family) => family === familyOf(wish));
  if (!isServed || !pools.some((pool) => poolContains(pool, wish))) {
    const message = `spec.loadBalancerIP ${wish} is in no load balancer pool of the Service's families`;
    return { reason: 'AddressOutsidePools', message };
  }
  const others = holdersOf(wish);
  const [other] = others;
  if (!other || (addressesOf(service).includes(wish) && mayKeep(service, others))) return undefined;
  const { namespace = '', name } = other.metadata;
  return {
    reason: 'AddressTaken',
    message: `spec.loadBalancerIP ${wish} belongs to Service ${namespace}/${name}`,
  };
}

function exhausted(family: string, pools: readonly AddressPool[]): Shortage {
  const message =
    pools.length === 0
      ? `no load balancer pool has ${family} addresses`
      : `no ${family} address is free in the load balancer pools ${pools.map(({ text }) => text).join(', ')}`;
  return { reason: 'PoolExhausted', message };
}

function canonical(address: string): string {
  return ipaddr.isValid(address) ? ipaddr.parse(address).toString() : address;
}

const conditionType = 'LoadBalancerReady';

/** The Service's status with these addresses; the very same if it says so already. */
export function renderStatus(service: Service, allocation: Allocation, now: string): Service['status'] {
  const { addresses, shortage } = allocation;
  const { conditions = [], ...rest } = service.status ?? {};
  const before = conditions.find(({ type }) => type === conditionType);
  const status = shortage ? 'False' : 'True';
  const condition = {
    type: conditionType,
    status,
    reason: shortage?.reason ?? 'AddressAllocated',
    message: shortage?.message ?? '',
    lastTransitionTime: before?.status === status ? before.lastTransitionTime : now,
  };
  const ingress = addresses.map((ip) => ({ ip, ipMode: 'VIP' }));
  const next = {
    ...rest,
    loadBalancer: ingress.length > 0 ? { ingress } : {},
    conditions: [...conditions.filter(({ type }) => type !== conditionType), condition],
  };
  return isDeepStrictEqual(next, service.status) ? service.status : next;
}
