import type { EndpointSlice } from '../../api/kinds/endpoint-slice.ts';
import type { Pod } from '../../api/kinds/pod.ts';
import type { Service } from '../../api/kinds/service.ts';
import { clusterIP, endpointAddresses, endpointPort, nameOf, serviceOf, sliceOf } from './services-data.ts';

export const zone = 'cluster.local';
export const ttlSeconds = 5;
const suffix = `default.svc.${zone}`;

/** One Service in ten is headless: its names are those of its five endpoints. */
const isHeadless = (service: number): boolean => service % 10 === 9;

/** A Service as the API has it. */
export function dnsServiceOf(service: number): Service {
  const made = serviceOf(service);
  if (!isHeadless(service)) return made;
  return { ...made, spec: { ...made.spec, clusterIP: 'None', clusterIPs: ['None'] } };
}

/** Its slice; another `generation` leaves out another endpoint, but never the first. */
export function dnsSliceOf(service: number, generation?: number): EndpointSlice {
  const slice = sliceOf(service);
  if (generation === undefined) return slice;
  const without = 1 + (generation % (slice.endpoints.length - 1));
  return { ...slice, endpoints: slice.endpoints.filter((_, i) => i !== without) };
}

/** The pods behind a slice, as far as DNS looks at them. */
export function podsOf({ endpoints }: EndpointSlice): Pod[] {
  return endpoints.map(({ addresses, targetRef }) => ({
    metadata: { namespace: 'default', name: targetRef?.name ?? '' },
    spec: { containers: [] },
    status: { phase: 'Running', podIPs: addresses.map((ip) => ({ ip })) },
  }));
}

/** The headless Services one after the other, for ever. */
export function changingService(change: number, services: number): number {
  return (change * 10 + 9) % services;
}

/** A record in zone-file text. Names are absolute, without the last dot. */
export interface ZoneRecord {
  readonly name: string;
  readonly type: 'A' | 'SRV' | 'PTR';
  readonly data: string;
}

/** What a Kubernetes DNS server says about a Service, for peers that read zone files. */
export function recordsOf(service: number): ZoneRecord[] {
  const name = `${nameOf(service)}.${suffix}`;
  const targets = isHeadless(service)
    ? endpointAddresses(service).map((address) => ({
        name: `${address.replaceAll('.', '-')}.${name}`,
        address,
        port: endpointPort,
      }))
    : [{ name, address: clusterIP(service), port: 80 }];
  const weight = 100 / targets.length;
  return targets.flatMap((target) => [
    { name, type: 'A', data: target.address },
    ...(target.name === name ? [] : [{ name: target.name, type: 'A' as const, data: target.address }]),
    { name: `_http._tcp.${name}`, type: 'SRV', data: `0 ${weight} ${target.port} ${target.name}.` },
    { name: reverseName(target.address), type: 'PTR', data: `${target.name}.` },
  ]);
}

function reverseName(address: string): string {
  return `${address.split('.').toReversed().join('.')}.in-addr.arpa`;
}

/** The first Service's name and address: whoever answers that has the data. */
export const probe = { name: `${nameOf(0)}.${suffix}`, address: clusterIP(0) };

/** From a server that sends questions back as their answers. */
export const echoProbe = { name: zone, address: '' };

/** The share of questions below that are for names which do not exist. */
export const missingShare = 0.2;

/**
 * Questions as dnsperf reads them, in equal shares: A, AAAA without data, a name that does not exist (what a search
 * path makes of another namespace's Service), SRV and PTR, each once per Service and in no order.
 */
export function renderQuestions(services: number): string {
  const questions = numbers(services).flatMap((service) => {
    const name = `${nameOf(service)}.${suffix}`;
    const [first = ''] = endpointAddresses(service);
    return [
      `${name} A`,
      `${name} AAAA`,
      `${nameOf(service)}.other.${suffix} A`,
      `_http._tcp.${name} SRV`,
      `${reverseName(isHeadless(service) ? first : clusterIP(service))} PTR`,
    ];
  });
  // A stride without a common divisor goes over all of them.
  const stride = 7919;
  return numbers(questions.length)
    .map((i) => `${questions[(i * stride) % questions.length]}\n`)
    .join('');
}

/** Names outside of the cluster, for forwarding; the upstream server knows them all. */
export const foreignZone = 'example.test';
const foreignNames = 1000;

export function foreignRecords(): ZoneRecord[] {
  return numbers(foreignNames).map((i) => ({
    name: `host-${i}.${foreignZone}`,
    type: 'A',
    data: `192.0.2.${i % 256}`,
  }));
}

export const foreignProbe = { name: `host-0.${foreignZone}`, address: '192.0.2.0' };

export function renderForeignQuestions(): string {
  return foreignRecords()
    .map(({ name, type }) => `${name} ${type}\n`)
    .join('');
}

export function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}
