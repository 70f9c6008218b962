import { familyOf } from './ip.ts';
import type { Link } from './link.ts';
import type {
  DesiredLink,
  LinkAddress,
  LinkFdbEntry,
  LinkNeighbor,
  LinkRoute,
  NetworkState,
} from './state.ts';
import type { Sysctl } from './sysctl.ts';

export interface LinkChanges {
  readonly create: readonly DesiredLink[];
  /** Links whose settings differ. */
  readonly update: readonly DesiredLink[];
  /** Links of ours that are not wanted, or wanted as something that a link cannot be turned into. */
  readonly remove: readonly Link[];
  /** Wanted names that links of somebody else have. */
  readonly conflicts: readonly Link[];
}

/** What to write (`ensure`), of that what is another form of something there (`replace`), and what to take away. */
interface Changes<T> {
  readonly create: readonly T[];
  readonly replace: readonly T[];
  readonly remove: readonly T[];
}

export interface StateChanges {
  readonly addresses: Changes<LinkAddress>;
  readonly routes: Changes<LinkRoute>;
  readonly neighbors: Changes<LinkNeighbor>;
  readonly fdb: Changes<LinkFdbEntry>;
  readonly sysctls: readonly Sysctl[];
}

/** The links to make, change and remove. */
export function diffLinks(
  desired: readonly DesiredLink[],
  observed: readonly Link[],
  ownsLink: (link: Link) => boolean,
): LinkChanges {
  const present = new Map(observed.map((link) => [link.name, link]));
  const indexes = new Map(observed.map(({ name, ifindex }) => [name, ifindex]));
  const wanted = new Set(desired.map(({ name }) => name));
  const create: DesiredLink[] = [];
  const update: DesiredLink[] = [];
  const remove = observed.filter((link) => ownsLink(link) && !wanted.has(link.name));
  const conflicts: Link[] = [];
  for (const want of desired) {
    const have = present.get(want.name);
    if (!have) create.push(want);
    else if (!ownsLink(have)) conflicts.push(have);
    else if (isOtherDevice(want, have)) {
      remove.push(have);
      create.push(want);
    } else if (isOtherwiseSet(want, have, indexes)) update.push(want);
  }
  return { create, update, remove, conflicts };
}

/** What to change of everything but the links. */
export function diffState(desired: NetworkState, observed: NetworkState): StateChanges {
  const values = new Map(observed.sysctls.map(({ name, value }) => [name, value]));
  return {
    addresses: diff(
      desired,
      observed,
      'addresses',
      ({ link, address, prefix }) => `${link} ${address}/${prefix}`,
      ['passive'],
    ),
    routes: diff(desired, observed, 'routes', ({ destination }) => destination, [
      'link',
      'gateway',
      'onlink',
      'source',
      'mtu',
    ]),
    neighbors: diff(desired, observed, 'neighbors', ({ link, address }) => `${link} ${address}`, ['mac']),
    fdb: diff(desired, observed, 'fdb', ({ link, mac }) => `${link} ${mac}`, ['destination', 'port', 'vni']),
    // A setting that the kernel does not have (IPv6 switched off) cannot be made.
    sysctls: desired.sysctls.filter(({ name, value }) => values.has(name) && values.get(name) !== value),
  };
}

/** Whether there is nothing to change. */
export function isEmpty({ addresses, routes, neighbors, fdb, sysctls }: StateChanges): boolean {
  const lists = [addresses, routes, neighbors, fdb].flatMap(({ create, replace, remove }) => [
    create.length,
    replace.length,
    remove.length,
  ]);
  return sysctls.length === 0 && lists.every((length) => length === 0);
}

type Collections = Omit<NetworkState, 'sysctls'>;

function diff<K extends keyof Collections, T extends Collections[K][number]>(
  desired: Collections,
  observed: Collections,
  collection: K,
  keyOf: (item: T) => string,
  fields: readonly (keyof T)[],
): Changes<T> {
  const have = new Map<string, T>();
  for (const item of observed[collection] as readonly T[]) have.set(keyOf(item), item);
  const want = new Map<string, T>();
  for (const item of desired[collection] as readonly T[]) want.set(keyOf(item), item);
  const create: T[] = [];
  const replace: T[] = [];
  for (const [key, item] of want) {
    const present = have.get(key);
    have.delete(key);
    if (!present) create.push(item);
    else if (fields.some((field) => present[field] !== item[field])) replace.push(item);
  }
  return { create, replace, remove: [...have.values()] };
}

/** Whether a link that is there is as it shall be. @param indexes ifindexes by the names of links */
export function isAsDesired(want: DesiredLink, have: Link, indexes: ReadonlyMap<string, number>): boolean {
  return !isOtherDevice(want, have) && !isOtherwiseSet(want, have, indexes);
}

/** Whether the kernel cannot turn the one into the other. */
function isOtherDevice(want: DesiredLink, have: Link): boolean {
  if (want.kind !== have.kind) return true;
  const { vxlan } = want;
  if (!vxlan) return false;
  const { vni, port, local = '' } = have.vxlan ?? {};
  return vxlan.vni !== vni || vxlan.port !== port || familyOf(vxlan.local) !== familyOf(local);
}

function isOtherwiseSet(want: DesiredLink, have: Link, indexes: ReadonlyMap<string, number>): boolean {
  const { up, mtu, mac = have.mac, alias, isolated = have.isolated, linkLocal = have.linkLocal } = want;
  const master =
    want.master === undefined ? have.master : want.master === null ? 0 : indexes.get(want.master);
  return (
    up !== have.up ||
    mtu !== have.mtu ||
    mac !== have.mac ||
    alias !== have.alias ||
    isolated !== have.isolated ||
    linkLocal !== have.linkLocal ||
    want.vxlan?.local !== have.vxlan?.local ||
    master !== have.master
  );
}
