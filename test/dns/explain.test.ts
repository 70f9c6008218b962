import t from 'tap';
import type { EndpointSlice } from '../../api/kinds/endpoint-slice.ts';
import type { Service } from '../../api/kinds/service.ts';
import { explainAnswer, type ClusterFacts } from '../../dns/explain.ts';
import { namedService } from '../../dns/named-service.ts';
import { addressBytes, encodeName } from '../../dns/names.ts';
import { TYPE } from '../../dns/wire.ts';
import { createZone, handlerOf, slice } from './cluster.ts';
import { ask } from './exchange.ts';

function service(name: string, spec: Service['spec'], namespace: string): Service {
  return { metadata: { name, namespace }, spec };
}

const ready = (address: string, hostname?: string): EndpointSlice['endpoints'][number] => ({
  addresses: [address],
  conditions: { ready: true },
  ...(hostname === undefined ? {} : { hostname }),
});
const waiting = (address: string, hostname?: string): EndpointSlice['endpoints'][number] => ({
  ...ready(address, hostname),
  conditions: { ready: false },
});

const services: readonly Service[] = [
  service(
    'web',
    {
      clusterIP: '10.96.0.20',
      clusterIPs: ['10.96.0.20'],
      ports: [
        { name: 'http', port: 80 },
        { name: 'dns', port: 53, protocol: 'UDP' },
        { name: 'dns-tcp', port: 53, protocol: 'TCP' },
      ],
    },
    'shop',
  ),
  service('web', { clusterIP: '10.96.0.21', ports: [{ port: 80 }] }, 'test'),
  service('db', { clusterIP: 'None', selector: { app: 'db' } }, 'shop'),
  service('idle', { clusterIP: 'None', selector: { app: 'idle', tier: 'x' } }, 'shop'),
  service('starting', { clusterIP: 'None' }, 'shop'),
  service('eager', { clusterIP: 'None', publishNotReadyAddresses: true }, 'shop'),
  service('outside', { type: 'ExternalName', externalName: 'example.org' }, 'shop'),
  service('odd', { type: 'ExternalName', externalName: '192.0.2.1' }, 'shop'),
  service('new', {}, 'shop'),
  service('portless', { clusterIP: '10.96.0.22' }, 'shop'),
];

const facts: ClusterFacts = {
  namespaces: new Set(['default', 'shop', 'test']),
  services,
  slices: new Map([
    [
      'shop/db',
      [slice('IPv4', [ready('10.244.1.1', 'db-0'), ready('10.244.1.2'), waiting('10.244.1.3', 'db-2')])],
    ],
    ['shop/starting', [slice('IPv4', [waiting('10.244.1.4'), waiting('10.244.1.5')])]],
    ['shop/eager', [slice('IPv4', [waiting('10.244.1.6')])]],
    ['shop/web', [slice('IPv4', [ready('10.244.1.7')])]],
  ]),
  podNames: 'verified',
  pods: new Map([
    ['shop/web-1', ['10.244.1.7']],
    ['test/web-1', ['10.244.1.8']],
  ]),
};

const naming = {
  zone: 'cluster.local',
  cidrs: ['10.96.0.0/16', 'fd00:10:96::/112', '10.244.0.0/16', 'fd00:10:244::/56'],
};
const S = 'svc.cluster.local';

type Row = readonly [name: string, type: keyof typeof TYPE, expects: string, why: string];

const rows: readonly Row[] = [
  [`web.shop.${S}`, 'A', 'records', 'the clusterIP of Service shop/web; it answers also without endpoints'],
  [`WEB.shop.${S}`, 'A', 'records', 'the clusterIP of Service shop/web; it answers also without endpoints'],
  [`web.shop.${S}`, 'AAAA', 'no-data', 'Service shop/web has no IPv6 clusterIP'],
  [`web.shop.${S}`, 'SRV', 'records', 'the ports of Service shop/web: 80, 53, 53'],
  [`web.shop.${S}`, 'MX', 'no-data', 'the name of Service shop/web has address and SRV records, no MX'],
  [`web.shop.${S}`, 'ANY', 'records', 'ANY is answered with as little as RFC 8482 allows'],
  [`portless.shop.${S}`, 'SRV', 'no-data', 'Service shop/portless has no ports'],
  [`new.shop.${S}`, 'A', 'no-name', 'Service shop/new has no clusterIP yet'],
  [`web.shopp.${S}`, 'A', 'no-name', 'namespace shopp does not exist'],
  [
    `web.default.${S}`,
    'A',
    'no-name',
    'Service web does not exist in namespace default; one of that name is in shop, test',
  ],
  [`nothing.shop.${S}`, 'A', 'no-name', 'Service nothing does not exist in namespace shop'],
  [`_http._tcp.web.shop.${S}`, 'SRV', 'records', 'port http of Service shop/web is 80'],
  [`_http._tcp.web.shop.${S}`, 'A', 'no-data', 'the name of a port has SRV records, no A'],
  [
    `_tcp.web.shop.${S}`,
    'SRV',
    'no-data',
    "names of Service shop/web's ports lie below this name; it has no records of its own",
  ],
  [
    `_sctp.web.shop.${S}`,
    'SRV',
    'no-name',
    'Service shop/web has no named SCTP port; it has: http (TCP), dns (UDP), dns-tcp (TCP)',
  ],
  [
    `_https._tcp.web.shop.${S}`,
    'SRV',
    'no-name',
    'Service shop/web has no port named https; it has: http (TCP), dns (UDP), dns-tcp (TCP)',
  ],
  [`_dns._tcp.web.shop.${S}`, 'SRV', 'no-name', 'port dns of Service shop/web is UDP, not TCP'],
  [
    `_http._tcp.web.test.${S}`,
    'SRV',
    'no-name',
    'Service test/web has no port named http; none of its ports has a name',
  ],
  [
    `10-244-1-7.web.shop.${S}`,
    'A',
    'no-name',
    'Service shop/web has a clusterIP: only endpoints of headless Services have names of their own',
  ],
  [`db.shop.${S}`, 'A', 'records', 'the endpoints of headless Service shop/db: 2 of 3 (ready)'],
  [`db.shop.${S}`, 'AAAA', 'no-data', 'no ready endpoint of headless Service shop/db has an IPv6 address'],
  [`db.shop.${S}`, 'SRV', 'records', 'the ports of Service shop/db: 8080'],
  [`_http._tcp.db.shop.${S}`, 'SRV', 'records', 'port http of Service shop/db is 8080'],
  [
    `_https._tcp.db.shop.${S}`,
    'SRV',
    'no-name',
    'Service shop/db has no port named https; it has: http (TCP)',
  ],
  [`db-0.db.shop.${S}`, 'A', 'records', 'the address of endpoint db-0 of headless Service shop/db'],
  [`db-0.db.shop.${S}`, 'AAAA', 'no-data', 'endpoint db-0 of Service shop/db has no IPv6 address'],
  [
    `db-0.db.shop.${S}`,
    'TXT',
    'no-data',
    'the name of an endpoint of Service shop/db has address and SRV records, no TXT',
  ],
  [
    `10-244-1-2.db.shop.${S}`,
    'A',
    'records',
    'the address of endpoint 10-244-1-2 of headless Service shop/db',
  ],
  [`db-2.db.shop.${S}`, 'A', 'no-name', 'endpoint db-2 (10.244.1.3) of Service shop/db is not ready'],
  [
    `db-9.db.shop.${S}`,
    'A',
    'no-name',
    'headless Service shop/db has no endpoint called db-9; it has: db-0, 10-244-1-2',
  ],
  [
    `idle.shop.${S}`,
    'A',
    'no-name',
    'headless Service shop/idle has no ready endpoints; it has none at all: no pod with app=idle,tier=x has an address',
  ],
  [
    `starting.shop.${S}`,
    'A',
    'no-name',
    'headless Service shop/starting has no ready endpoints; not ready: 10.244.1.4, 10.244.1.5',
  ],
  [
    `_http._tcp.starting.shop.${S}`,
    'SRV',
    'no-name',
    'headless Service shop/starting has no ready endpoints, and so no ports',
  ],
  [
    `x.starting.shop.${S}`,
    'A',
    'no-name',
    'headless Service shop/starting has no endpoint called x; it has no ready ones',
  ],
  [
    `eager.shop.${S}`,
    'A',
    'records',
    'the endpoints of headless Service shop/eager: 1 of 1 (publishNotReadyAddresses: all)',
  ],
  [`outside.shop.${S}`, 'A', '', 'Service shop/outside is of type ExternalName: an alias of example.org'],
  [
    `x.outside.shop.${S}`,
    'A',
    'no-name',
    'Service shop/outside is of type ExternalName: nothing lies below its name',
  ],
  [
    `_http._tcp.outside.shop.${S}`,
    'SRV',
    'no-name',
    'Service shop/outside is of type ExternalName: nothing lies below its name',
  ],
  [
    `odd.shop.${S}`,
    'A',
    'no-name',
    'Service shop/odd is an ExternalName without a name: "192.0.2.1" is none',
  ],
  [`shop.${S}`, 'A', 'no-data', 'namespace shop exists, and its name has no records of its own'],
  ['shop.pod.cluster.local', 'A', 'no-data', 'namespace shop exists, and its name has no records of its own'],
  [`nowhere.${S}`, 'A', 'no-name', 'namespace nowhere does not exist'],
  ['cluster.local', 'SOA', '', "the name belongs to the cluster's zone itself"],
  ['dns-version.cluster.local', 'TXT', '', "the name belongs to the cluster's zone itself"],
  ['10-244-1-7.shop.pod.cluster.local', 'A', 'records', 'the address of pod shop/web-1'],
  [
    '10-244-1-7.shop.pod.cluster.local',
    'AAAA',
    'no-data',
    '10.244.1.7 is IPv4, which AAAA records do not hold',
  ],
  [
    '10-244-1-8.shop.pod.cluster.local',
    'A',
    'no-name',
    'no pod of namespace shop has the address 10.244.1.8',
  ],
  ['web-1.shop.pod.cluster.local', 'A', 'no-name', 'web-1 is no address with dashes, like 10-1-2-3'],
  ['20.0.96.10.in-addr.arpa', 'PTR', 'records', '10.96.0.20 is the clusterIP of Service shop/web'],
  ['21.0.96.10.in-addr.arpa', 'PTR', 'records', '10.96.0.21 is the clusterIP of Service test/web'],
  [
    '99.0.96.10.in-addr.arpa',
    'PTR',
    'no-name',
    "10.96.0.99 is no Service's clusterIP and no endpoint of a headless Service: pods have no names of their own",
  ],
  ['1.1.244.10.in-addr.arpa', 'PTR', 'records', '10.244.1.1 is an endpoint of headless Service shop/db'],
  [
    '3.1.244.10.in-addr.arpa',
    'PTR',
    'no-name',
    '10.244.1.3 is an endpoint of headless Service shop/db, but it is not ready',
  ],
  ['6.1.244.10.in-addr.arpa', 'PTR', 'records', '10.244.1.6 is an endpoint of headless Service shop/eager'],
  [
    '7.1.244.10.in-addr.arpa',
    'PTR',
    'no-name',
    "10.244.1.7 is no Service's clusterIP and no endpoint of a headless Service: pods have no names of their own",
  ],
  [
    '1.244.10.in-addr.arpa',
    'PTR',
    'no-data',
    'the name is a part of addresses: names of whole addresses lie below it',
  ],
  [
    '1.2.0.192.in-addr.arpa',
    'PTR',
    '',
    'not a name of the cluster (cluster.local): upstream servers are asked',
  ],
  ['10.in-addr.arpa', 'PTR', '', 'not a name of the cluster (cluster.local): upstream servers are asked'],
  [
    'web.cluster.local',
    'A',
    'no-name',
    'nothing in the cluster is called so: Services are called SERVICE.NAMESPACE.svc.cluster.local, pods 10-1-2-3.NAMESPACE.pod.cluster.local',
  ],
  [
    'web.shop.cluster.local',
    'A',
    'no-name',
    'nothing in the cluster is called so: the name of Service shop/web is web.shop.svc.cluster.local',
  ],
  [
    `a.b.c.web.shop.${S}`,
    'A',
    'no-name',
    'nothing in the cluster is called so: Services are called SERVICE.NAMESPACE.svc.cluster.local, pods 10-1-2-3.NAMESPACE.pod.cluster.local',
  ],
  ['example.org', 'A', '', 'not a name of the cluster (cluster.local): upstream servers are asked'],
  [
    'web.shop',
    'A',
    '',
    'not a name of the cluster (cluster.local): upstream servers are asked. Was web.shop.svc.cluster.local meant? A name is asked as it is written; --from completes it as a pod does',
  ],
  [
    'web.shop.svc',
    'A',
    '',
    'not a name of the cluster (cluster.local): upstream servers are asked. Was web.shop.svc.cluster.local meant? A name is asked as it is written; --from completes it as a pod does',
  ],
];

t.test('why an answer is as it is', (t) => {
  for (const [name, type, expects, why] of rows) {
    const explained = explainAnswer(encodeName(name), TYPE[type], naming, facts);
    t.strictSame(explained, { expects: expects === '' ? undefined : expects, why }, `${name} ${type}`);
  }
  t.end();
});

t.test('what is explained is what the zone answers', async (t) => {
  const zone = createZone();
  for (const name of facts.namespaces) zone.setNamespace(name, true);
  for (const each of services) {
    const key = `${each.metadata.namespace ?? ''}/${each.metadata.name}`;
    zone.setService(key, namedService(each, facts.slices.get(key) ?? []));
  }
  for (const [pod, addresses] of facts.pods ?? []) {
    zone.setPod(
      pod,
      addresses.flatMap((address) => addressBytes(address) ?? []),
    );
  }
  const handler = handlerOf(zone);
  for (const [name, type, expects] of rows) {
    if (expects === '') continue;
    const { rcode, answer } = await ask(handler, name, type);
    const found = rcode === 'NXDOMAIN' ? 'no-name' : answer.length > 0 ? 'records' : 'no-data';
    t.equal(found, expects, `${name} ${type}`);
  }
});

t.test('names of pods in the other modes', (t) => {
  const explain = (changes: Partial<ClusterFacts>): unknown =>
    explainAnswer(encodeName('10-9-9-9.shop.pod.cluster.local'), TYPE.A, naming, { ...facts, ...changes });
  t.match(explain({ podNames: 'disabled' }), { expects: 'no-name', why: /switched off/ });
  t.match(explain({ podNames: 'insecure' }), { expects: 'records', why: /spells the address/ });
  t.match(explain({ pods: undefined }), { expects: undefined, why: /where a pod of the namespace has/ });
  t.end();
});

t.test('IPv6 by nibbles', (t) => {
  const facts6 = { ...facts, services: [service('six', { clusterIP: 'fd00:10:96::14' }, 'shop')] };
  const nibbles = 'fd00001000960000000000000000'.padEnd(28, '0') + '0014';
  const name = `${Array.from(nibbles).reverse().join('.')}.ip6.arpa`;
  t.strictSame(explainAnswer(encodeName(name), TYPE.PTR, naming, facts6), {
    expects: 'records',
    why: 'fd00:10:96::14 is the clusterIP of Service shop/six',
  });
  t.end();
});
