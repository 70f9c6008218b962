import 'reflect-metadata';
import { X509Certificate, webcrypto } from 'node:crypto';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';
import type { Test } from 'tap';
import t from 'tap';
import { parse } from 'yaml';
import { ApiClient } from '../../../api/client/client.ts';
import { configMaps, events, leases, nodes, pods, secrets, services } from '../../../api/client/resources.ts';
import { Authority, ensurePair } from '../../../api/server/authority.ts';
import { SqliteStore } from '../../../api/store/sqlite.ts';
import { ask, json } from './ask.ts';
import { refusal, startServer } from './fixture.ts';
import type { Fixture } from './fixture.ts';
import { configMap, pod } from './objects.ts';

const ecdsa = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

async function makeRequest(): Promise<{ csr: string; key: string }> {
  const keys = await webcrypto.subtle.generateKey(ecdsa, true, ['sign', 'verify']);
  // What it says of its subject must not count.
  const name = 'CN=admin, O=system:masters';
  const csr = await x509.Pkcs10CertificateRequestGenerator.create({ name, keys, signingAlgorithm: ecdsa });
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  return { csr: csr.toString('pem'), key: x509.PemConverter.encode(pkcs8, 'PRIVATE KEY') };
}

/** A client that joined as a node. */
async function joinAs(t: Test, { server }: Fixture, nodeName: string) {
  const { ca, server: url } = server.loopback;
  const { csr, key } = await makeRequest();
  const guest = new ApiClient({ server: url, ca, token: server.joinToken });
  const body = { nodeName, addresses: ['192.0.2.11', '2001:db8::11'], csr };
  const { certificate } = (await guest.request('POST', '/weft/v1/join', { body })) as { certificate: string };
  const client = new ApiClient({ server: url, ca, cert: certificate, key });
  t.teardown(() => {
    guest.close();
    client.close();
  });
  return { client, certificate: new X509Certificate(certificate) };
}

t.test('a token and a request make a node', async (t) => {
  const fixture = await startServer(t);
  const { server } = fixture;
  const { loopback } = server;
  const { certificate } = await joinAs(t, fixture, 'node1');
  t.match(certificate.subject, /^O=system:nodes\nCN=system:node:node1$/, 'whatever the request said');
  t.ok(
    certificate.checkIP('192.0.2.11') &&
      certificate.checkIP('2001:db8::11') &&
      certificate.checkHost('node1'),
  );
  t.ok(certificate.verify(new X509Certificate(loopback.ca).publicKey));
  const uses = (certificate as unknown as { keyUsage: string[] }).keyUsage;
  t.same(uses.toSorted(), ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'], 'serves and calls');

  const stranger = new ApiClient({ server: loopback.server, ca: loopback.ca, token: 'weft1.wrong.token' });
  t.teardown(() => stranger.close());
  const { csr } = await makeRequest();
  const body = { nodeName: 'node1', addresses: [], csr };
  t.match(await refusal(t, stranger.request('POST', '/weft/v1/join', { body })), { code: 401 });
  const [, fingerprint] = server.joinToken.split('.');
  const ca = new X509Certificate(loopback.ca);
  t.equal(ca.fingerprint256.replaceAll(':', '').toLowerCase(), fingerprint);

  const guest = new ApiClient({ server: loopback.server, ca: loopback.ca, token: server.joinToken });
  t.teardown(() => guest.close());
  for (const [field, wrong] of [
    ['nodeName', { ...body, nodeName: 'x,O=system:masters' }],
    ['addresses', { ...body, addresses: ['nowhere'] }],
    ['csr', { ...body, csr: 'rubbish' }],
  ] as const) {
    const answer = await refusal(t, guest.request('POST', '/weft/v1/join', { body: wrong }));
    t.match(answer, { code: 400, message: new RegExp(`^${field}: `) });
  }
});

t.test("of other nodes' pods a node learns where they are, and not what they run", async (t) => {
  const fixture = await startServer(t);
  const { client: node } = await joinAs(t, fixture, 'node1');
  const admin = fixture.client;
  const env = [{ name: 'PASSWORD', value: 'secret' }];
  for (const [name, nodeName] of [
    ['mine', 'node1'],
    ['theirs', 'node2'],
  ] as const) {
    const made = pod(name, { nodeName });
    const containers = made.spec.containers.map((container) => ({ ...container, env }));
    await admin.create(pods, { ...made, spec: { ...made.spec, containers } });
    const status = {
      phase: 'Running',
      podIP: '10.244.1.2',
      podIPs: [{ ip: '10.244.1.2' }],
      message: 'secret',
    };
    await admin.patchStatus(pods, { name, namespace: 'default' }, { status }, 'merge');
  }
  const selections: Record<string, string | undefined> = {
    all: undefined,
    'those with an address': 'status.phase!=Succeeded,status.phase!=Failed',
    'those of another': 'spec.nodeName=node2',
    'an escaped comma': 'metadata.name!=x\\,spec.nodeName=node1',
    'a double selector': 'spec.nodeName!=x,spec.nodeName!=node1',
  };
  for (const [what, fieldSelector] of Object.entries(selections)) {
    const { items } = await node.list(pods, { fieldSelector });
    t.ok(items.length > 0, what);
    t.notMatch(JSON.stringify(items), 'secret', what);
    t.match(items.at(-1), {
      metadata: { name: 'theirs', namespace: 'default', uid: String, resourceVersion: String },
      spec: { nodeName: 'node2', containers: [] },
      status: { phase: 'Running', podIPs: [{ ip: '10.244.1.2' }] },
    });
  }
  const labelled = { metadata: { labels: { of: 'secret' } } };
  await admin.patch(pods, { name: 'theirs', namespace: 'default' }, labelled, 'merge');
  for (const query of [
    { labelSelector: 'of=secret' },
    { fieldSelector: 'spec.restartPolicy=Always' },
    { fieldSelector: 'spec.nodeName=node2', labelSelector: 'of' },
  ]) {
    t.equal((await admin.list(pods, query)).items.length > 0, true, 'who sees all finds it');
    t.same((await node.list(pods, query)).items, [], 'what it is not shown it cannot select by');
  }
  for await (const event of node.watch(pods, { initialEvents: true, bookmarks: true })) {
    if (event.type !== 'ADDED') break;
    t.notMatch(JSON.stringify(event), 'secret', 'watched');
    t.match(event.object.status?.podIPs, [{ ip: '10.244.1.2' }]);
  }
  for (const accept of [
    'application/json;as=Table;v=v1;g=meta.k8s.io',
    'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io',
  ]) {
    const asNode = { 'impersonate-user': 'system:node:node1', 'impersonate-group': 'system:nodes' };
    const body = json(await ask(fixture, '/api/v1/pods', { headers: { accept, ...asNode } }));
    t.match(body, { kind: 'PodList' }, 'in whatever form it asks');
  }
  const { items } = await node.list(pods, { fieldSelector: 'spec.nodeName=node1' });
  t.match(JSON.stringify(items), 'secret', 'its own it is told all of');
});

t.test('a node may do its work and no more', async (t) => {
  const fixture = await startServer(t);
  const { client: admin } = fixture;
  const { client: node } = await joinAs(t, fixture, 'node1');
  const mounts = { volumes: [{ name: 'v', secret: { secretName: 'mine' } }] };
  await admin.create(pods, pod('mine', { nodeName: 'node1', ...mounts }));
  await admin.create(pods, pod('theirs', { nodeName: 'node2' }));
  for (const name of ['mine', 'theirs']) {
    await admin.create(secrets, { metadata: { name, namespace: 'default' }, data: {} });
  }
  await admin.create(configMaps, configMap('unrelated'));
  const at = (name: string, namespace = 'default') => ({ namespace, name });
  const lease = (name: string, namespace = 'kube-node-lease') => ({
    metadata: { name, namespace },
    spec: {},
  });
  const announcement = (name: string, holderIdentity: string) => ({
    metadata: { name, namespace: 'kube-system' },
    spec: { holderIdentity, leaseDurationSeconds: 2 },
  });
  const theirs = announcement('weft-address-192.0.2.17', 'node2');
  await admin.create(leases, theirs);
  await admin.create(leases, announcement('weft-announcer-node2', 'node2'));
  await admin.create(leases, announcement('kube-scheduler', 'somebody'));
  const status = { status: { phase: 'Running' } };

  const allowed: Record<string, () => Promise<unknown>> = {
    'read Services': () => node.list(services),
    'read the settings': () => node.get(configMaps, at('weft-cluster', 'kube-system')),
    'make its Node': () => node.create(nodes, { metadata: { name: 'node1' } }),
    'report its Node': () => node.patchStatus(nodes, { name: 'node1' }, { status: { phase: '' } }, 'merge'),
    'make its lease': () => node.create(leases, lease('node1')),
    'show that its announcer lives': () => node.create(leases, announcement('weft-announcer-node1', 'node1')),
    'go on showing it': () =>
      node.patch(leases, at('weft-announcer-node1', 'kube-system'), { spec: {} }, 'merge'),
    'announce an address': () => node.create(leases, announcement('weft-address-192.0.2.16', 'node1')),
    'announce an IPv6 address': () =>
      node.create(leases, announcement('weft-address-2001-db8-0-0-0-0-0-10', 'node1')),
    'announce an address no longer': () => node.update(leases, announcement('weft-address-192.0.2.16', '')),
    'take an address over': () => node.update(leases, announcement(theirs.metadata.name, 'node1')),
    'forget an address': () => node.delete(leases, at('weft-address-192.0.2.16', 'kube-system')),
    'follow who announces': () => node.list(leases, { namespace: 'kube-system' }),
    'list its pods': () => node.list(pods, { fieldSelector: 'spec.nodeName=node1' }),
    'report its pod': () => node.patchStatus(pods, at('mine'), status, 'merge'),
    'not relabel its pod by its status': async () => {
      const relabelled = { metadata: { labels: { app: 'bank' } }, ...status };
      const stored = await node.patchStatus(pods, at('mine'), relabelled, 'merge');
      t.same(stored.metadata.labels, { app: 'mine' });
    },
    'read a mounted Secret': () => node.get(secrets, at('mine')),
    'follow a mounted Secret': async () => {
      const selection = { namespace: 'default', fieldSelector: 'metadata.name=mine' };
      t.equal((await node.list(secrets, selection)).items.length, 1);
      for await (const { object } of node.watch(secrets, selection)) {
        t.equal(object.metadata.name, 'mine');
        break;
      }
    },
    'tell of events': () =>
      node.create(events, {
        metadata: { name: 'e', namespace: 'default' },
        involvedObject: { kind: 'Pod', name: 'mine', namespace: 'default' },
      }),
    'end its pod': () => node.delete(pods, at('mine'), { gracePeriodSeconds: 0 }),
    'learn that a pod is gone': async () => {
      t.equal((await refusal(t, node.get(pods, at('mine')))).code, 404);
    },
  };
  for (const [what, attempt] of Object.entries(allowed)) await t.resolves(attempt(), what);

  const refused: Record<string, () => Promise<unknown>> = {
    'list Secrets': () => node.list(secrets),
    'read another Secret': () => node.get(secrets, at('theirs')),
    'read a Secret no longer mounted': () => node.get(secrets, at('mine')),
    'follow a Secret no longer mounted': () =>
      node.list(secrets, { namespace: 'default', fieldSelector: 'metadata.name=mine' }),
    'follow all Secrets but one': () =>
      node.list(secrets, { namespace: 'default', fieldSelector: 'metadata.name!=mine' }),
    'read another ConfigMap': () => node.get(configMaps, at('unrelated')),
    'end all its pods': () => node.request('DELETE', '/api/v1/pods?fieldSelector=spec.nodeName%3Dnode1'),
    'read another pod': () => node.get(pods, at('theirs')),
    'report another pod': () => node.patchStatus(pods, at('theirs'), status, 'merge'),
    'end another pod': () => node.delete(pods, at('theirs')),
    'make a pod': () => node.create(pods, pod('new', { nodeName: 'node1' })),
    'make another Node': () => node.create(nodes, { metadata: { name: 'node2' } }),
    'report another Node': () => node.patchStatus(nodes, { name: 'node2' }, { status: {} }, 'merge'),
    'delete its Node': () => node.delete(nodes, { name: 'node1' }),
    'make another lease': () => node.create(leases, lease('node2')),
    'make a lease elsewhere': () => node.create(leases, lease('node1', 'default')),
    'show that another announcer lives': () =>
      node.patch(leases, at('weft-announcer-node2', 'kube-system'), { spec: {} }, 'merge'),
    'forget another announcer': () => node.delete(leases, at('weft-announcer-node2', 'kube-system')),
    'make another announce': () => node.create(leases, announcement('weft-address-192.0.2.18', 'node2')),
    'hand an address to another': () => node.update(leases, theirs),
    'announce what is no address': () => node.create(leases, announcement('weft-address-door', 'node1')),
    'announce elsewhere': () =>
      node.create(leases, {
        ...announcement('weft-address-192.0.2.19', 'node1'),
        metadata: { name: 'weft-address-192.0.2.19', namespace: 'kube-node-lease' },
      }),
    'take another lease of kube-system': () => node.update(leases, announcement('kube-scheduler', 'node1')),
    'make another lease of kube-system': () => node.create(leases, announcement('mine', 'node1')),
    'forget all announcements': () =>
      node.request('DELETE', '/apis/coordination.k8s.io/v1/namespaces/kube-system/leases'),
    'read leases of other namespaces': () => node.list(leases, { namespace: 'default' }),
    'change a Service': () =>
      node.patch(services, at('kubernetes'), { metadata: { labels: { a: 'b' } } }, 'merge'),
    'read metrics': () => node.request('GET', '/metrics'),
  };
  for (const [what, attempt] of Object.entries(refused)) {
    t.match(await refusal(t, attempt()), { code: 403, reason: 'Forbidden' }, what);
  }
  t.match(await refusal(t, node.list(secrets)), {
    message:
      'secrets is forbidden: User "system:node:node1" cannot list resource "secrets" in API group "" at the cluster scope',
  });
});

t.test('strangers learn nothing; other authorities are refused', async (t) => {
  const { server } = await startServer(t);
  const { server: url, ca } = server.loopback;
  const stranger = new ApiClient({ server: url, ca });
  t.match(await stranger.request('GET', '/version'), { major: '1' });
  t.match(await refusal(t, stranger.request('GET', '/api')), { code: 403 });
  t.match(await refusal(t, stranger.list(pods)), { code: 403 });

  const directory = join(t.testdirName, 'other');
  mkdirSync(directory);
  const other = await Authority.open(directory);
  const forged = await other.issue({ user: 'admin', groups: ['system:masters'], names: [] });
  const forger = new ApiClient({ server: url, ca, cert: forged.certificate, key: forged.key });
  t.match(await refusal(t, forger.list(pods)), { code: 401, reason: 'Unauthorized' });
  stranger.close();
  forger.close();
});

t.test('can-i answers for the one who asks', async (t) => {
  const fixture = await startServer(t);
  const { client: node } = await joinAs(t, fixture, 'node1');
  const path = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';
  const ask = (resource: string) => ({ body: { spec: { resourceAttributes: { verb: 'list', resource } } } });
  t.match(await fixture.client.request('POST', path, ask('secrets')), { status: { allowed: true } });
  t.match(await node.request('POST', path, ask('secrets')), { status: { allowed: false } });
  t.match(await node.request('POST', path, ask('services')), { status: { allowed: true } });
});

t.test('keys are their owner’s; a restart keeps everything', async (t) => {
  const first = await startServer(t);
  const { stateDir } = first;
  for (const file of ['pki/ca.key', 'pki/server.key', 'pki/admin.key', 'token', 'admin.kubeconfig']) {
    t.equal(statSync(join(stateDir, file)).mode & 0o777, 0o600, file);
  }
  const created = await first.client.create(configMaps, configMap('kept', { a: 'b' }));
  const kubernetes = await first.client.get(services, { namespace: 'default', name: 'kubernetes' });
  await first.server.close();

  const again = await startServer(t, { stateDir });
  t.equal(again.server.joinToken, first.server.joinToken);
  t.equal(again.server.loopback.ca, first.server.loopback.ca);
  t.same(await again.client.get(configMaps, { namespace: 'default', name: 'kept' }), created);
  t.same(await again.client.get(services, { namespace: 'default', name: 'kubernetes' }), kubernetes);

  const kubeconfig = parse(readFileSync(again.server.adminKubeconfigPath, 'utf8')) as {
    clusters: { cluster: { server: string } }[];
    users: { user: Record<string, string> }[];
  };
  const base64 = (text: string | undefined) => Buffer.from(text ?? '', 'base64').toString();
  const user = kubeconfig.users[0]?.user ?? {};
  const admin = new ApiClient({
    server: kubeconfig.clusters[0]?.cluster.server ?? '',
    ca: again.server.loopback.ca,
    cert: base64(user['client-certificate-data']),
    key: base64(user['client-key-data']),
  });
  t.teardown(() => admin.close());
  t.ok((await admin.list(secrets)).items, 'the kubeconfig is an administrator’s');
});

t.test('a second server over the same state says so', async (t) => {
  const { stateDir } = await startServer(t);
  t.throws(() => SqliteStore.open(join(stateDir, 'store.db')), { code: 'locked' });
  await t.rejects(startServer(t, { stateDir }), { code: 'locked', message: /is in use by another process/ });
});

t.test('certificates are kept while they serve, and made anew when not', async (t) => {
  const directory = join(t.testdir(), 'pki');
  mkdirSync(directory);
  const authority = await Authority.open(directory);
  const subject = { user: 'weft-server', groups: [], names: ['localhost', '127.0.0.1', '::1'] };
  const pair = await ensurePair(directory, 'server', authority, subject);
  t.same(await ensurePair(directory, 'server', await Authority.open(directory), subject), pair, 'kept');
  const renamed = await ensurePair(directory, 'server', authority, { ...subject, names: ['192.0.2.9'] });
  t.not(renamed.certificate, pair.certificate, 'another name, another certificate');
  t.ok(new X509Certificate(renamed.certificate).checkIP('192.0.2.9'));
  writeFileSync(join(directory, 'ca.key'), renamed.key);
  await t.rejects(Authority.open(directory), { code: 'certificate', message: /does not belong to/ });
});
