import { createHash } from 'node:crypto';

import { familyOf } from './address.ts';
import { families, traitsOf } from './family.ts';
import type { EndpointKey } from './endpoint-index.ts';
import { isRejectedAnyway } from './model.ts';
import type { Endpoint, Frontend, NodeSettings } from './model.ts';
import {
  bankName,
  bankObjects,
  banks,
  classNumber,
  firstMark,
  keepMark,
  maxEndpoints,
  splitClass,
} from './nftables-banks.ts';
import type { EndpointClass, View } from './nftables-banks.ts';
import {
  addressBytes,
  concatenate,
  nextAddress,
  numberBytes,
  portBytes,
  protocolBytes,
  rangeBytes,
} from './nftables-bytes.ts';
import type { Element } from './nftables-door.ts';

/** What one frontend puts into sets and maps, and the classes that must have chains. */
export interface FrontendElements {
  readonly elements: readonly Element[];
  readonly classes: readonly EndpointClass[];
}

/** @throws RulesError REFUSED when an address or port is none */
export function renderFrontendElements(frontend: Frontend, settings: NodeSettings): FrontendElements {
  const elements: Element[] = [...blockedElements(frontend, settings)];
  const classes: EndpointClass[] = [];
  const add = (view: View, endpoints: readonly Endpoint[]): void => {
    const rendered = viewElements(frontend, view, endpoints.slice(0, maxEndpoints));
    elements.push(...rendered.elements);
    classes.push(...rendered.classes);
  };
  if (!frontend.outside) add('main', frontend.endpoints);
  else if (frontend.endpoints.length + frontend.outside.length > 0) {
    const { services } = bankObjects(bankOf(frontend, 'main'));
    const value = numberBytes(splitClass);
    elements.push({ object: services, key: keyOf(frontend), value, comment: commentOf(frontend) });
    add('inside', frontend.endpoints);
    add('outside', frontend.outside);
  }
  return { elements, classes };
}

function viewElements(frontend: Frontend, view: View, endpoints: readonly Endpoint[]): FrontendElements {
  if (endpoints.length === 0) return { elements: [], classes: [] };
  const bank = bankOf(frontend, view);
  const objects = bankObjects(bank);
  const key = keyOf(frontend);
  const affinitySeconds = endpoints.length > 1 ? (frontend.affinitySeconds ?? 0) : 0;
  const endpointClass = { bank, count: endpoints.length, affinitySeconds };
  const number = numberBytes(classNumber(endpointClass));
  const service = { object: objects.services, key, value: number, comment: commentOf(frontend) };
  const keyed = (object: string, number: number, value: Buffer): Element => ({
    object,
    key: concatenate(key, numberBytes(number)),
    value,
  });
  if (affinitySeconds === 0) {
    const numbered = endpoints.map((endpoint, index) =>
      keyed(objects.endpoints, firstMark(bank) + index, valueOf(endpoint)),
    );
    return { elements: [service, ...numbered], classes: [endpointClass] };
  }
  const marks = marksOf(endpoints, firstMark(bank));
  const sticky = endpoints.flatMap((endpoint, index) => {
    const mark = marks[index] ?? 0;
    return [
      keyed(objects.slots, index, numberBytes(mark)),
      keyed(objects.endpoints, mark, valueOf(endpoint)),
    ];
  });
  return { elements: [service, ...sticky], classes: [endpointClass] };
}

/** A mark per endpoint that stays the same whoever comes and goes: remembered clients keep theirs. */
function marksOf(endpoints: readonly Endpoint[], first: number): number[] {
  const taken = new Set<number>();
  return endpoints.map(({ address, port }) => {
    // 23 bits around the one that keeps the client's address.
    const text = `${address} . ${String(port)}`;
    const hash = createHash('sha256').update(text).digest().readUIntBE(0, 3) & ~keepMark;
    let low = hash;
    while (taken.has(low)) low = (low + 1) & 0xff_ffff & ~keepMark;
    taken.add(low);
    return first + low;
  });
}

/** What happens to packets of a frontend that nothing rewrote. */
function* blockedElements(frontend: Frontend, settings: NodeSettings): Generator<Element> {
  const { suffix } = traitsOf(frontend.family);
  const kind = frontend.address === undefined ? `-nodeports${suffix}` : suffix;
  const key = keyOf(frontend);
  const comment = commentOf(frontend);
  const empty = frontend.endpoints.length === 0;
  if (empty ? frontend.whenEmpty === 'drop' : frontend.outside?.length === 0) {
    yield { object: `dropped${kind}`, key, value: undefined, comment };
  }
  if (empty && frontend.whenEmpty === 'reject' && !isRejectedAnyway(frontend, settings)) {
    yield { object: `rejected${kind}`, key, value: undefined, comment };
  }
  if (!frontend.sourceRanges) return;
  for (const cidr of frontend.sourceRanges) {
    const { first, last } = rangeBytes(cidr);
    yield { object: `allowed${suffix}`, key: concatenate(key, first, key, last), value: undefined };
  }
  yield { object: `restricted${suffix}`, key, value: undefined, comment };
}

function bankOf(frontend: Frontend, view: View) {
  const name = bankName(traitsOf(frontend.family), view, frontend.address === undefined ? 'port' : 'address');
  const bank = banks.find((each) => each.name === name);
  if (!bank) throw new TypeError(`no such bank: ${name}`);
  return bank;
}

function keyOf({ address, protocol, port }: Pick<Frontend, 'address' | 'protocol' | 'port'>): Buffer {
  const rest = [protocolBytes(protocol), portBytes(port)];
  return address === undefined ? concatenate(...rest) : concatenate(addressBytes(address), ...rest);
}

/** nft reads and writes comments of at most 127 characters. */
function commentOf({ name }: Frontend): string {
  return name.slice(0, 127);
}

function valueOf({ address, port }: Endpoint): Buffer {
  return concatenate(addressBytes(address), portBytes(port));
}

/** The elements that come from the node and the cluster. */
export function renderSettings(settings: NodeSettings): Element[] {
  return families.flatMap(({ suffix, family, multicast }) => {
    const set = (name: string, cidrs: readonly string[]): Element[] =>
      boundElements(
        `${name}${suffix}`,
        cidrs.filter((cidr) => familyOf(cidr) === family),
      );
    const { clusterCIDRs, serviceCIDRs, nodeIPs, nonMasqueradeCIDRs = [] } = settings;
    const everywhere = settings.nodePortAddresses.length === 0;
    const isOfFamily = (address: string): boolean => familyOf(address) === family;
    const dns = [...new Set(settings.dnsIPs.filter(isOfFamily))];
    const gateway = settings.podGateways?.find(isOfFamily);
    return [
      ...set('cluster', clusterCIDRs),
      ...set('service-ranges', serviceCIDRs),
      ...set('pods', settings.podCIDRs),
      ...set('stays', [...clusterCIDRs, ...serviceCIDRs, multicast, ...nodeIPs, ...nonMasqueradeCIDRs]),
      ...set('nodeport-addresses', everywhere ? ['0.0.0.0/0', '::/0'] : settings.nodePortAddresses),
      ...dns.flatMap((address) => {
        const key = addressBytes(address);
        const served = { object: `dns${suffix}`, key, value: undefined };
        if (gateway === undefined) return [served];
        return [served, { object: `dns-source${suffix}`, key, value: addressBytes(gateway) }];
      }),
    ];
  });
}

/** Two elements per range: where it starts, and what is the first address behind it (none behind the last). */
function boundElements(object: string, cidrs: readonly string[]): Element[] {
  const ranges = withoutContained(cidrs.map(rangeBytes));
  return ranges.flatMap(({ first, last }) => {
    const next = nextAddress(last);
    const keys = [[first, numberBytes(0)], ...(next ? [[next, numberBytes(1)]] : [])];
    return keys.map((parts) => ({ object, key: concatenate(...parts), value: undefined }));
  });
}

/** In order, and without those that lie in another one: a set of ranges refuses what overlaps. */
function withoutContained(ranges: readonly { first: Buffer; last: Buffer }[]) {
  // Of two that start alike the longer one comes first.
  const sorted = [...ranges].sort((a, b) => a.first.compare(b.first) || b.last.compare(a.last));
  const kept: typeof sorted = [];
  for (const range of sorted) {
    const before = kept.at(-1);
    if (!before || before.last.compare(range.last) < 0) kept.push(range);
  }
  return kept;
}

/** The element of an endpoint's address on this node. */
export function hairpinElement(address: string): Element {
  const bytes = addressBytes(address);
  return { object: `hairpin${suffixOf(address)}`, key: concatenate(bytes, bytes), value: undefined };
}

/** The element of an endpoint that is no pod. */
export function farElement(endpoint: EndpointKey): Element {
  return { object: `far${suffixOf(endpoint.address)}`, key: keyOf(endpoint), value: undefined };
}

function suffixOf(address: string): '4' | '6' {
  return traitsOf(familyOf(address)).suffix;
}
