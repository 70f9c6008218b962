import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import type { Test } from 'tap';
import { loadConfig } from '../../../../agent/config/load.ts';
import { ClusterNames } from '../../../../agent/names/names.ts';
import type { AgentContext } from '../../../../agent/subsystem.ts';
import type { EndpointSlice } from '../../../../api/kinds/endpoint-slice.ts';
import type { KubeObject } from '../../../../api/kinds/meta.ts';
import type { Namespace } from '../../../../api/kinds/namespace.ts';
import type { Pod } from '../../../../api/kinds/pod.ts';
import type { Service } from '../../../../api/kinds/service.ts';
import { startDnsServer } from '../../../../dns/server.ts';
import { staticZone } from '../../../../dns/static-zone.ts';
import { FakeCache } from '../../../../rig/fake-cache.ts';

/** Where the cluster's DNS answers: both families, one port. */
export interface WireServer {
  readonly hosts: readonly { readonly host: string; readonly port: number }[];
}

const keyOf = ({ metadata: { namespace, name } }: KubeObject): string =>
  namespace === undefined ? name : `${namespace}/${name}`;

function service(name: string, spec: Service['spec'], namespace = 'default'): Service {
  return { metadata: { name, namespace }, spec };
}

type Endpoints = EndpointSlice['endpoints'];

const http = [{ name: 'http', port: 8080, protocol: 'TCP' }];

function slice(
  owner: string,
  addressType: 'IPv4' | 'IPv6',
  endpoints: Endpoints,
  ports = http,
): EndpointSlice {
  const labels = { 'kubernetes.io/service-name': owner };
  return {
    metadata: { name: `${owner}-${addressType}`, namespace: 'default', labels },
    addressType,
    endpoints,
    ports,
  };
}

function pod(namespace: string, name: string, ...ips: string[]): Pod {
  return {
    metadata: { name, namespace },
    spec: { containers: [] },
    status: { phase: 'Running', podIPs: ips.map((ip) => ({ ip })) },
  };
}

const headless = { clusterIP: 'None', clusterIPs: ['None'] };

/** Dual-stack; what each is for stands in the tables. */
const services: readonly Service[] = [
  service('web', {
    clusterIP: '10.96.1.1',
    clusterIPs: ['10.96.1.1', 'fd00:10:96::11'],
    ports: [
      { name: 'http', port: 80, protocol: 'TCP' },
      { name: 'dns', port: 53, protocol: 'UDP' },
    ],
  }),
  service('unnamed', { clusterIP: '10.96.1.2', clusterIPs: ['10.96.1.2'], ports: [{ port: 80 }] }),
  service('six', { clusterIP: 'fd00:10:96::16', clusterIPs: ['fd00:10:96::16'], ports: [{ port: 80 }] }),
  service('db', { ...headless, ports: [{ name: 'http', port: 8080 }] }),
  service('waiting', headless),
  service('eager', { ...headless, publishNotReadyAddresses: true }),
  service('portless', headless),
  service('many', headless),
  service('outside', { type: 'ExternalName', externalName: 'www.example.test' }),
  service('inside', { type: 'ExternalName', externalName: 'web.default.svc.cluster.local' }),
];

const unready = { conditions: { ready: false } };
const slices: readonly EndpointSlice[] = [
  slice('db', 'IPv4', [
    { addresses: ['10.244.1.1'], hostname: 'db-0' },
    { addresses: ['10.244.1.2'] },
    { addresses: ['10.244.1.3'], ...unready },
  ]),
  slice('db', 'IPv6', [{ addresses: ['fd00:10:244::1'], hostname: 'db-0' }, { addresses: ['5678:abcd::1'] }]),
  slice('waiting', 'IPv4', [{ addresses: ['10.244.2.1'], ...unready }]),
  slice('eager', 'IPv4', [{ addresses: ['10.244.2.2'], ...unready }]),
  slice('portless', 'IPv4', [{ addresses: ['10.244.2.3'], hostname: 'p-0' }], []),
  slice(
    'many',
    'IPv4',
    Array.from({ length: 200 }, (_, i) => ({ addresses: [`10.244.9.${i + 1}`] })),
  ),
];

const pods: readonly Pod[] = [pod('default', 'p', '10.244.1.1', 'fd00:10:244::1')];

/** Names outside of the cluster, as an upstream server has them. */
async function startUpstream(t: Test): Promise<number> {
  const upstream = await startDnsServer({
    addresses: [{ host: '127.0.0.1', port: 0 }],
    handler: staticZone({
      'www.example.test': ['A 192.0.2.80', 'AAAA 2001:db8::80'],
      '80.2.0.192.in-addr.arpa': ['PTR www.example.test'],
    }),
  });
  t.teardown(() => upstream.close());
  return upstream.addresses[0]?.port ?? 0;
}

/** Cluster DNS of an agent on this machine's loopback addresses, over caches that hold the cluster above. */
export async function startWireServer(
  t: Test,
  flags: Readonly<Record<string, string>> = {},
): Promise<WireServer> {
  const caches = {
    services: new FakeCache<Service>(keyOf),
    endpointSlices: new FakeCache<EndpointSlice>(keyOf),
    namespaces: new FakeCache<Namespace>(keyOf),
    allPods: new FakeCache<Pod>(keyOf),
  };
  for (const name of ['default', 'kube-system']) caches.namespaces.set({ metadata: { name } });
  for (const one of services) caches.services.set(one);
  for (const one of slices) caches.endpointSlices.set(one);
  for (const one of pods) caches.allPods.set(one);
  const { agent, server } = loadConfig({
    file: '/dev/null',
    environment: {},
    flags: {
      clusterCIDRs: '10.244.0.0/16,fd00:10:244::/56',
      serviceCIDRs: '10.96.0.0/16,fd00:10:96::/112',
      upstreams: `127.0.0.1:${await startUpstream(t)}`,
      dnsWorkers: '2',
      ...flags,
    },
    detectAddresses: () => ['127.0.0.1', '::1'],
  });
  const names = new ClusterNames(
    {
      nodeName: 'node-1',
      config: agent,
      cluster: { ...server.cluster, dnsIPs: ['127.0.0.1', '::1'] },
      caches,
      log: pino({ level: 'error' }, process.stderr),
      metrics: new Registry(),
    } as unknown as AgentContext,
    { port: 0 },
  );
  t.teardown(() => names.stop());
  for (const cache of Object.values(caches)) cache.sync();
  await names.start();
  while (!names.health().ready) await sleep(10);
  return { hosts: names.addresses };
}
