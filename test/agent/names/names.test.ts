import { execa } from 'execa';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import t, { type Test } from 'tap';
import { ClusterNames } from '../../../agent/names/names.ts';
import type { AgentContext } from '../../../agent/subsystem.ts';
import type { EndpointSlice } from '../../../api/kinds/endpoint-slice.ts';
import type { KubeObject } from '../../../api/kinds/meta.ts';
import type { Namespace } from '../../../api/kinds/namespace.ts';
import type { Pod } from '../../../api/kinds/pod.ts';
import type { Service } from '../../../api/kinds/service.ts';
import { startDnsServer } from '../../../dns/server.ts';
import { staticZone } from '../../../dns/static-zone.ts';
import { FakeCache } from '../../../rig/fake-cache.ts';
import { clusterDns, forwarding } from './forwarding.ts';

const S = 'default.svc.cluster.local';

function keyOf({ metadata }: KubeObject): string {
  return metadata.namespace === undefined ? metadata.name : `${metadata.namespace}/${metadata.name}`;
}

function service(name: string, clusterIP: string): Service {
  return {
    metadata: { name, namespace: 'default' },
    spec: { clusterIP, ports: [{ name: 'http', port: 80 }] },
  };
}

function podAt(name: string, ...addresses: string[]): Pod {
  return {
    metadata: { name, namespace: 'default' },
    spec: { containers: [] },
    status: { phase: 'Running', podIPs: addresses.map((ip) => ({ ip })) },
  };
}

function slice(name: string, serviceName: string, ...addresses: string[]): EndpointSlice {
  return {
    metadata: { name, namespace: 'default', labels: { 'kubernetes.io/service-name': serviceName } },
    addressType: 'IPv4',
    endpoints: addresses.map((address) => ({ addresses: [address] })),
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
  };
}

interface Fixture {
  readonly names: ClusterNames;
  readonly services: FakeCache<Service>;
  readonly slices: FakeCache<EndpointSlice>;
  readonly namespaces: FakeCache<Namespace>;
  readonly pods: FakeCache<Pod>;
  readonly metrics: Registry;
  readonly warnings: string[];
}

/** Cluster names of an agent whose DNS addresses are this machine's loopback. */
function setUp(
  t: Test,
  { dnsIPs = ['127.0.0.1', '::1'], upstreams = ['127.0.0.1:1'], dnsWorkers = 1 } = {},
): Fixture {
  const services = new FakeCache<Service>(keyOf);
  const slices = new FakeCache<EndpointSlice>(keyOf);
  const namespaces = new FakeCache<Namespace>(keyOf);
  const pods = new FakeCache<Pod>(keyOf);
  const metrics = new Registry();
  const warnings: string[] = [];
  const log = pino({ level: 'warn' }, { write: (line) => void warnings.push(line) });
  const context = {
    cluster: {
      clusterCIDRs: ['10.244.0.0/16'],
      serviceCIDRs: ['10.96.0.0/16'],
      dnsIPs,
      zone: 'cluster.local',
    },
    config: { upstreams, forwarding, clusterDns, dnsWorkers },
    caches: { services, endpointSlices: slices, namespaces, allPods: pods },
    log,
    metrics,
  } as unknown as AgentContext;
  const names = new ClusterNames(context, { port: 0, patience: { restoredMs: 0, unsyncedMs: 0 } });
  t.teardown(() => names.stop());
  return { names, services, slices, namespaces, pods, metrics, warnings };
}

/** The last line of what dig prints briefly, or the status where there is no answer. */
async function dig({ names }: Fixture, name: string, type = 'A', ...options: string[]): Promise<string> {
  const [address] = names.addresses;
  const at = [`@${address?.host ?? ''}`, '-p', String(address?.port), '+tries=1', '+noedns', ...options];
  const { stdout } = await execa('dig', [...at, '+noall', '+comments', '+answer', name, type]);
  const answers = stdout.split('\n').filter((line) => /\sIN\s/.test(line));
  const status = /status: (\w+)/.exec(stdout)?.[1] ?? 'no answer';
  return answers.length > 0
    ? answers
        .map((line) => line.split(/\s+/).at(-1))
        .sort()
        .join(' ')
    : status;
}

/** Changes are told in the turns after the events, at least one in each; workers that have counted for us have read them. */
async function settle({ metrics }: Fixture): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => void setImmediate(resolve));
  await metrics.metrics();
}

t.test('names follow the caches', async (t) => {
  const fixture = setUp(t);
  const { names, services, slices, namespaces, pods } = fixture;
  services.set(service('early', '10.96.0.7'));
  await names.start();
  t.match(names.health(), { ready: false, reason: /not read yet/ });
  t.equal(await dig(fixture, `early.${S}`), 'SERVFAIL', 'not synced: nothing is certain');
  t.equal(await dig(fixture, '1.0.96.10.in-addr.arpa', 'PTR'), 'SERVFAIL');
  namespaces.set({ metadata: { name: 'default' } });
  for (const cache of [services, slices, namespaces, pods]) cache.sync();
  await settle(fixture);
  t.strictSame(names.health(), { ready: true });
  t.equal(await dig(fixture, `early.${S}`), '10.96.0.7', 'was in the cache before we looked');
  t.equal(await dig(fixture, `web.${S}`), 'NXDOMAIN');
  services.set(service('web', '10.96.0.8'));
  await settle(fixture);
  t.equal(await dig(fixture, `web.${S}`), '10.96.0.8');
  t.equal(await dig(fixture, '8.0.96.10.in-addr.arpa', 'PTR'), `web.${S}.`);
  services.set(service('web', '10.96.0.9'));
  await settle(fixture);
  t.equal(await dig(fixture, `web.${S}`, 'A', '+tcp'), '10.96.0.9');
  services.delete('default/web');
  await settle(fixture);
  t.equal(await dig(fixture, `web.${S}`), 'NXDOMAIN');
});

t.test('pod names are those of pods, wherever they run', async (t) => {
  const fixture = setUp(t);
  const { names, services, slices, namespaces, pods } = fixture;
  await names.start();
  namespaces.set({ metadata: { name: 'default' } });
  pods.set(podAt('early', '10.1.2.3'));
  for (const cache of [services, slices, namespaces]) cache.sync();
  await settle(fixture);
  t.equal(await dig(fixture, '10-1-2-4.default.pod.cluster.local'), 'SERVFAIL', 'pods are not read yet');
  t.match(names.health(), { ready: true, reason: /pods are not read yet/ });
  t.equal(await dig(fixture, `web.${S}`), 'NXDOMAIN', 'nobody else waits for that');
  pods.sync();
  await settle(fixture);
  t.equal(await dig(fixture, '10-1-2-3.default.pod.cluster.local'), '10.1.2.3');
  t.equal(await dig(fixture, '10-1-2-4.default.pod.cluster.local'), 'NXDOMAIN');
  pods.set(podAt('host', '192.0.2.1', '2001:db8::1'));
  await settle(fixture);
  t.equal(await dig(fixture, '2001-db8--1.default.pod.cluster.local', 'AAAA'), '2001:db8::1');
  pods.set({ ...podAt('early', '10.1.2.3'), status: { phase: 'Succeeded', podIPs: [{ ip: '10.1.2.3' }] } });
  pods.set(podAt('host', '192.0.2.2'));
  await settle(fixture);
  t.equal(await dig(fixture, '10-1-2-3.default.pod.cluster.local'), 'NXDOMAIN', 'it has ended');
  t.equal(await dig(fixture, '2001-db8--1.default.pod.cluster.local', 'AAAA'), 'NXDOMAIN');
  t.equal(await dig(fixture, '192-0-2-2.default.pod.cluster.local'), '192.0.2.2');
  pods.delete('default/host');
  await settle(fixture);
  t.equal(await dig(fixture, '192-0-2-2.default.pod.cluster.local'), 'NXDOMAIN');
});

t.test('an agent that starts while the API is away serves the names of the one before it', async (t) => {
  const fixture = setUp(t);
  const { names, services, slices, namespaces, pods } = fixture;
  await names.start();
  services.set(service('web', '10.96.0.8'));
  services.restored = slices.restored = true;
  await settle(fixture);
  t.equal(await dig(fixture, `web.${S}`), 'SERVFAIL', 'namespaces are missing');
  namespaces.set({ metadata: { name: 'default' } });
  namespaces.restored = true;
  await settle(fixture);
  t.equal(await dig(fixture, `web.${S}`), '10.96.0.8');
  t.equal(await dig(fixture, `other.${S}`), 'NXDOMAIN');
  t.match(names.health(), { ready: true, reason: /waiting for the API/ });
  services.delete('default/web');
  services.set(service('new', '10.96.0.9'));
  for (const cache of [services, slices, namespaces, pods]) cache.sync();
  await settle(fixture);
  t.strictSame(names.health(), { ready: true });
  t.equal(await dig(fixture, `web.${S}`), 'NXDOMAIN', 'deleted while nobody looked');
  t.equal(await dig(fixture, `new.${S}`), '10.96.0.9');
});

t.test('a headless Service follows its slices, in whatever order they come', async (t) => {
  const fixture = setUp(t);
  const { names, services, slices, namespaces } = fixture;
  await names.start();
  for (const cache of [services, slices, namespaces]) cache.sync();
  slices.set(slice('db-1', 'db', '10.244.1.1'));
  slices.set(slice('db-2', 'db', '10.244.2.1', '10.244.2.2'));
  services.set(service('db', 'None'));
  await settle(fixture);
  t.equal(await dig(fixture, `db.${S}`), '10.244.1.1 10.244.2.1 10.244.2.2');
  slices.set(slice('db-2', 'db', '10.244.2.2'));
  await settle(fixture);
  t.equal(await dig(fixture, `db.${S}`), '10.244.1.1 10.244.2.2');
  slices.set(slice('db-2', 'other', '10.244.2.2'));
  await settle(fixture);
  t.equal(await dig(fixture, `db.${S}`), '10.244.1.1', "the slice is another Service's now");
  slices.delete('default/db-1');
  await settle(fixture);
  t.equal(await dig(fixture, `db.${S}`), 'NXDOMAIN');
});

t.test('a change under way takes no name away', async (t) => {
  const fixture = setUp(t);
  const { names, services, slices, namespaces, pods } = fixture;
  services.set(service('web', '10.96.0.6'));
  await names.start();
  for (const cache of [services, slices, namespaces, pods]) cache.sync();
  t.match(names.health(), { ready: false }, 'the first names are not in the zone yet');
  await settle(fixture);
  services.set(service('other', '10.96.0.7'));
  t.strictSame(names.health(), { ready: true });
  slices.set(slice('web-1', 'web', '10.244.1.1'));
  await settle(fixture);
  t.equal(
    await dig(fixture, `web.${S}`),
    '10.96.0.6',
    'endpoints of a Service with an address have no names',
  );
  t.equal(await dig(fixture, `10-244-1-1.web.${S}`), 'NXDOMAIN');
});

t.test('one impossible object is told of and does not harm the others', async (t) => {
  const fixture = setUp(t);
  const { names, services, slices, namespaces, warnings } = fixture;
  await names.start();
  for (const cache of [services, slices, namespaces]) cache.sync();
  services.set(service('x'.repeat(64), '10.96.0.5'));
  services.set(service('web', '10.96.0.6'));
  await settle(fixture);
  t.equal(await dig(fixture, `web.${S}`), '10.96.0.6');
  t.ok(warnings.some((line) => line.includes('DNS cannot express them')));
});

t.test('an address that is not on the node is waited for; the other family is served', async (t) => {
  const fixture = setUp(t, { dnsIPs: ['127.0.0.1', '2001:db8::1'] });
  const { names, services, slices, namespaces, warnings } = fixture;
  for (const cache of [services, slices, namespaces]) cache.sync();
  await names.start();
  await settle(fixture);
  t.match(names.health(), {
    ready: false,
    reason: /no DNS on 2001:db8::1 port \d+ \(TCP\): this machine does not have that address/,
  });
  t.equal(await dig(fixture, `web.${S}`), 'NXDOMAIN');
  t.equal(warnings.filter((line) => line.includes('does not listen yet')).length, 1);
});

t.test('names outside of the cluster come from upstream, synced or not', async (t) => {
  const upstream = await startDnsServer({
    addresses: [{ host: '127.0.0.1', port: 0 }],
    handler: staticZone({ 'www.example.test': ['A 192.0.2.1'] }),
  });
  t.teardown(() => upstream.close());
  const fixture = setUp(t, { upstreams: [`127.0.0.1:${upstream.addresses[0]?.port ?? 0}`] });
  await fixture.names.start();
  t.equal(await dig(fixture, 'www.example.test'), '192.0.2.1');
  t.equal(await dig(fixture, 'www.example.test'), '192.0.2.1');
  t.equal(await dig(fixture, 'nope.example.test'), 'NXDOMAIN');
  const text = await fixture.metrics.metrics();
  t.match(text, 'weft_dns_cache_hits_total{server="dns://:53",type="success"} 1');
  t.match(text, 'weft_dns_cache_misses_total{server="dns://:53"} 2');
  t.match(text, 'weft_dns_cache_requests_total{server="dns://:53"} 3');
  t.match(text, 'weft_dns_cache_entries{server="dns://:53"} 1');
  t.match(
    text,
    /weft_dns_proxy_request_duration_seconds_count\{proxy_name="forward",to="127\.0\.0\.1:\d+",rcode="NXDOMAIN"\} 1/,
  );
});

t.test("metrics have CoreDNS's names and labels", async (t) => {
  const fixture = setUp(t);
  const { names, services, slices, namespaces, metrics } = fixture;
  for (const cache of [services, slices, namespaces]) cache.sync();
  services.set(service('web', '10.96.0.6'));
  await names.start();
  await settle(fixture);
  await dig(fixture, `web.${S}`);
  await dig(fixture, `web.${S}`, 'TYPE4711');
  await dig(fixture, `nope.${S}`, 'A', '+tcp');
  const text = await metrics.metrics();
  const lines = [
    'weft_dns_requests_total{server="dns://:53",zone="cluster.local.",proto="udp",family="1",type="A"} 1',
    'weft_dns_requests_total{server="dns://:53",zone="cluster.local.",proto="udp",family="1",type="other"} 1',
    'weft_dns_requests_total{server="dns://:53",zone="cluster.local.",proto="tcp",family="1",type="A"} 1',
    'weft_dns_responses_total{server="dns://:53",zone="cluster.local.",rcode="NOERROR"} 2',
    'weft_dns_responses_total{server="dns://:53",zone="cluster.local.",rcode="NXDOMAIN"} 1',
    'weft_dns_request_duration_seconds_count{server="dns://:53",zone="cluster.local."} 3',
    'weft_dns_request_duration_seconds_bucket{server="dns://:53",zone="cluster.local.",le="+Inf"} 3',
    'weft_dns_request_size_bytes_count{server="dns://:53",zone="cluster.local.",proto="tcp"} 1',
    'weft_dns_response_size_bytes_bucket{server="dns://:53",zone="cluster.local.",proto="udp",le="511"} 2',
  ];
  const others = [
    'weft_dns_plugin_enabled{server="dns://:53",zone="cluster.local.",name="kubernetes"} 1',
    'weft_dns_plugin_enabled{server="dns://:53",zone=".",name="forward"} 1',
    'weft_dns_panics_total 0',
    'weft_dns_workers{state="working"} 1',
    'weft_dns_workers{state="wanted"} 1',
    'weft_dns_worker_restarts_total 0',
  ];
  for (const line of [...lines, ...others]) t.ok(text.includes(`${line}\n`), line);
  t.match(text, /^weft_dns_worker_memory_bytes\{kind="heap"\} \d{6,}$/m);
  t.notMatch(text, /requests_total\{[^}]*zone="\."/, 'nothing else was asked');
});
