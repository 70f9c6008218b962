import type { Test } from 'tap';
import { addressBytes } from '../../dns/names.ts';
import type { ClusterZone, ZoneOptions } from '../../dns/zone.ts';
import { createZone, handlerOf, setService, slice } from './cluster.ts';
import { ask } from './exchange.ts';

/*
 * A cluster with everything that Kubernetes' DNS specification knows, for tables of questions and answers.
 *
 * web        10.96.1.1 and fd00:10:96::1:1, ports http/TCP 80, metrics/UDP 9000
 * plain      10.96.1.2, one port without a name
 * both       10.96.1.3, dns/UDP 53 and dns-tcp/TCP 53
 * db         headless: db-0 (10.244.1.10, fd00:10:244::10), 10.244.1.11, and 10.244.1.12, which is not ready
 * cold       headless, no endpoint ready          eager      the same with publishNotReadyAddresses
 * portless   headless, endpoints without ports    twin       headless, selects db's 10.244.1.11 as well
 * many       headless: many-0 with two addresses, in two slices of different ports, one of which has no name
 * far        headless: 203.0.113.5, outside of the cluster's ranges
 * ext        ExternalName web's name              loop       ExternalName of itself
 * lost       ExternalName of a name that is not there        address    ExternalName of an address
 *
 * Namespaces default and other; pod default/db-0.
 */
export function exampleCluster(options: Partial<ZoneOptions> = {}): ClusterZone {
  const zone = createZone(options);
  zone.setNamespace('default', true);
  zone.setNamespace('other', true);
  const headless = { clusterIP: 'None', ports: [{ name: 'http', port: 80 }] };
  setService(zone, 'web', {
    clusterIP: '10.96.1.1',
    clusterIPs: ['10.96.1.1', 'fd00:10:96::1:1'],
    ports: [
      { name: 'http', port: 80, protocol: 'TCP' },
      { name: 'metrics', port: 9000, protocol: 'UDP' },
    ],
  });
  setService(zone, 'both', {
    clusterIP: '10.96.1.3',
    ports: [
      { name: 'dns', port: 53, protocol: 'UDP' },
      { name: 'dns-tcp', port: 53, protocol: 'TCP' },
    ],
  });
  setService(zone, 'plain', { clusterIP: '10.96.1.2', ports: [{ port: 80 }] });
  const db0 = { hostname: 'db-0', conditions: { ready: true } };
  setService(zone, 'db', headless, [
    slice('IPv4', [
      { ...db0, addresses: ['10.244.1.10'] },
      { addresses: ['10.244.1.11'] },
      { addresses: ['10.244.1.12'], conditions: { ready: false } },
    ]),
    slice('IPv6', [{ ...db0, addresses: ['fd00:10:244::10'] }]),
  ]);
  const notReady = [slice('IPv4', [{ addresses: ['10.244.1.20'], conditions: { ready: false } }])];
  setService(zone, 'cold', headless, notReady);
  setService(zone, 'eager', { ...headless, publishNotReadyAddresses: true }, notReady);
  setService(zone, 'portless', { clusterIP: 'None' }, [
    slice('IPv4', ['10.244.1.30'], []),
    slice('IPv6', ['fd00:10:244::1:0:0:30'], []),
    slice('FQDN', ['not.an.address'], []),
  ]);
  setService(zone, 'twin', headless, [slice('IPv4', ['10.244.1.11'])]);
  setService(zone, 'many', headless, [
    slice('IPv4', [{ hostname: 'many-0', addresses: ['10.244.1.40'] }]),
    slice(
      'IPv4',
      [
        { hostname: 'many-0', addresses: ['10.244.1.41'] },
        { hostname: 'many-0', addresses: ['10.244.1.40'] },
        { hostname: 'x'.repeat(64), addresses: ['10.244.1.42'] },
      ],
      [{ name: '', port: 9090, protocol: 'TCP' }],
    ),
  ]);
  setService(zone, 'far', headless, [slice('IPv4', ['203.0.113.5'])]);
  const external = (name: string, externalName: string) =>
    setService(zone, name, { type: 'ExternalName', externalName });
  external('ext', 'web.default.svc.cluster.local');
  external('lost', 'nothing.default.svc.cluster.local');
  external('loop', 'loop.default.svc.cluster.local');
  external('address', '192.0.2.1');
  zone.setPod(
    'default/db-0',
    ['10.244.1.10', 'fd00:10:244::10'].map((address) => addressBytes(address) ?? ''),
  );
  return zone;
}

/** Names below it belong to namespace `default`. */
export const S = 'default.svc.cluster.local';

/** One question and all that its answer must say. */
export interface Row {
  readonly question: string;
  readonly rcode?: string;
  readonly answer?: readonly string[];
  readonly additional?: readonly string[];
  /** The name of the zone whose SOA proves that there is nothing. */
  readonly soa?: string;
}

export function soaOf(zone: string, ttl = 5): string {
  return `${zone}. ${ttl} SOA ns.dns.cluster.local. hostmaster.cluster.local. 7200 1800 86400 ${ttl}`;
}

/** Asks each question twice, since answers are kept, and compares everything: flags, rcode, records of each section. */
export async function checkTable(t: Test, zone: ClusterZone, table: readonly Row[]): Promise<void> {
  const handler = handlerOf(zone);
  for (const { question, rcode = 'NOERROR', answer = [], additional = [], soa } of table) {
    const [name = '', type = ''] = question.split(' ');
    const expected = {
      rcode,
      flags: 'qr aa rd ra',
      question: `${name}. ${type}`,
      answer,
      authority: soa === undefined ? [] : [soaOf(soa)],
      additional,
    };
    const { bytes: _, edns: __, ...first } = await ask(handler, name, type);
    t.strictSame(first, expected, question);
    const { bytes: ___, edns: ____, ...second } = await ask(handler, name, type);
    t.strictSame(
      { ...second, answer: second.answer.toSorted() },
      { ...expected, answer: answer.toSorted() },
      `${question}, again`,
    );
  }
}
