import { createHash } from 'node:crypto';

import { cidrContains, familyOf } from './address.ts';
import { families, traitsOf } from './family.ts';
import type { EndpointIndex } from './endpoint-index.ts';
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

/** One element of a set (without value) or map, in nft's own notation: `10.96.0.1 . tcp . 80`. */
export interface Element {
  readonly object: string;
  readonly key: string;
  readonly value: string | undefined;
}

/** What one frontend puts into sets and maps, and the classes that must have chains. */
export interface FrontendElements {
  readonly elements: readonly Element[];
  readonly classes: readonly EndpointClass[];
}

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
    elements.push({ object: services, key: keyOf(frontend), value: String(splitClass) });
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
  const service = { object: objects.services, key, value: String(classNumber(endpointClass)) };
  if (affinitySeconds === 0) {
    const numbered = endpoints.map((endpoint, index) => ({
      object: objects.endpoints,
      key: `${key} . ${String(firstMark(bank) + index)}`,
      value: valueOf(endpoint),
    }));
    return { elements: [service, ...numbered], classes: [endpointClass] };
  }
  const marks = marksOf(endpoints, firstMark(bank));
  const sticky = endpoints.flatMap((endpoint, index) => {
    const mark = String(marks[index]);
    return [
      { object: objects.slots, key: `${key} . ${String(index)}`, value: mark },
      { object: objects.endpoints, key: `${key} . ${mark}`, value: valueOf(endpoint) },
    ];
  });
  return { elements: [service, ...sticky], classes: [endpointClass] };
}

/** A mark per endpoint that stays the same whoever comes and goes: remembered clients keep theirs. */
function marksOf(endpoints: readonly Endpoint[], first: number): number[] {
  const taken = new Set<number>();
  return endpoints.map((endpoint) => {
    // 23 bits around the one that keeps the client's address.
    const hash = createHash('sha256').update(valueOf(endpoint)).digest().readUIntBE(0, 3) & ~keepMark;
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
  const empty = frontend.endpoints.length === 0;
  if (empty ? frontend.whenEmpty === 'drop' : frontend.outside?.length === 0) {
    yield { object: `dropped${kind}`, key, value: undefined };
  }
  if (empty && frontend.whenEmpty === 'reject' && !isRejectedAnyway(frontend, settings)) {
    yield { object: `rejected${kind}`, key, value: undefined };
  }
  if (!frontend.sourceRanges) return;
  yield { object: `restricted${suffix}`, key, value: undefined };
  for (const cidr of frontend.sourceRanges) {
    yield { object: `allowed${suffix}`, key: `${key} . ${intervalText(cidr)}`, value: undefined };
  }
}

/** Whatever is left with a destination in a Service range is rejected, with or without an element of its own. */
function isRejectedAnyway({ address }: Frontend, settings: NodeSettings): boolean {
  return address !== undefined && settings.serviceCIDRs.some((cidr) => cidrContains(cidr, address));
}

function bankOf(frontend: Frontend, view: View) {
  const name = bankName(traitsOf(frontend.family), view, frontend.address === undefined ? 'port' : 'address');
  const bank = banks.find((each) => each.name === name);
  if (!bank) throw new TypeError(`no such bank: ${name}`);
  return bank;
}

function keyOf({ address, protocol, port }: Frontend): string {
  return `${address === undefined ? '' : `${address} . `}${protocol} . ${String(port)}`;
}

function valueOf({ address, port }: Endpoint): string {
  return `${address} . ${String(port)}`;
}

/** A CIDR as nft lists it: a single address has no length. */
function intervalText(cidr: string): string {
  return cidr.replace(/^([^:]*)\/32$|^(.*)\/128$/, '$1$2');
}

/** The elements that come from the node and the cluster. */
export function renderSettings(settings: NodeSettings): Element[] {
  return families.flatMap((traits) => {
    const { suffix, family, multicast } = traits;
    const set = (name: string, cidrs: readonly string[]): Element[] => {
      const ours = cidrs.filter((cidr) => familyOf(cidr) === family).map(intervalText);
      return withoutContained(ours).map((key) => ({ object: `${name}${suffix}`, key, value: undefined }));
    };
    const everywhere = settings.nodePortAddresses.length === 0;
    return [
      ...set('cluster', settings.clusterCIDRs),
      ...set('service-ranges', settings.serviceCIDRs),
      ...set('pods', settings.podCIDRs),
      ...set('stays', [...settings.clusterCIDRs, ...settings.serviceCIDRs, multicast, ...settings.nodeIPs]),
      ...set('nodeport-addresses', everywhere ? ['0.0.0.0/0', '::/0'] : settings.nodePortAddresses),
      ...set('dns', settings.dnsIPs),
    ];
  });
}

/** An interval set refuses what overlaps: a node's address within a range adds nothing to it. */
function withoutContained(intervals: readonly string[]): string[] {
  const distinct = [...new Set(intervals)];
  return distinct.filter(
    (one) =>
      !distinct.some((other) => {
        if (other === one || !other.includes('/')) return false;
        const [address = one, length = '129'] = one.split('/');
        return Number(length) > Number(other.split('/')[1]) && cidrContains(other, address);
      }),
  );
}

/** The elements of the sets that list endpoints. */
export function renderEndpointElements(index: Pick<EndpointIndex, 'hairpin' | 'far'>): Element[] {
  const object = (name: string, address: string): string =>
    `${name}${familyOf(address) === 'ipv4' ? '4' : '6'}`;
  const hairpin = [...index.hairpin()].map((address) => ({
    object: object('hairpin', address),
    key: `${address} . ${address}`,
    value: undefined,
  }));
  const far = [...index.far()].map(({ address, protocol, port }) => ({
    object: object('far', address),
    key: `${address} . ${protocol} . ${String(port)}`,
    value: undefined,
  }));
  return [...hairpin, ...far];
}
