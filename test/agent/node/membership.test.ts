import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { loadClusterConfig } from '../../../agent/config/cluster-config.ts';
import { Membership } from '../../../agent/node/join.ts';
import type { NodeIdentity } from '../../../agent/node/join.ts';
import { CertificateRenewal } from '../../../agent/node/renewal.ts';
import { ApiClient } from '../../../api/client/client.ts';
import { nodes } from '../../../api/client/resources.ts';
import { silent, startTestApi } from '../api-fixture.ts';
import type { TestApi } from '../api-fixture.ts';

const never = new AbortController().signal;

function member({ config }: TestApi, token: string | undefined): Membership {
  return new Membership(config, { token, tokenFile: join(config.stateDir, 'no-token-file') }, silent);
}

t.test('a node joins with the token, and is itself to the API', async (t) => {
  const test = await startTestApi(t);
  const { api, config } = test;
  const identity = await member(test, api.joinToken).ensure(never);
  const certificate = new X509Certificate(identity.cert);
  t.match(certificate.subject, /O=system:nodes/);
  t.match(certificate.subject, /CN=system:node:node1/);
  t.ok(certificate.checkHost('node1') && certificate.checkIP('192.0.2.1'), 'it serves exec and logs with it');
  t.equal(statSync(join(config.stateDir, 'pki/node.key')).mode & 0o777, 0o600);

  const client = new ApiClient({ server: test.url, ...identity });
  t.teardown(() => client.close());
  await client.create(nodes, { metadata: { name: 'node1' } });
  await t.rejects(client.create(nodes, { metadata: { name: 'node2' } }), { code: 403 }, 'and nobody else');
});

t.test('a certificate that serves is kept, even without server and token', async (t) => {
  const test = await startTestApi(t);
  const first = await member(test, test.api.joinToken).ensure(never);
  await test.stop();
  t.same(await member(test, undefined).ensure(never), first);
});

t.test('a certificate for other addresses is replaced', async (t) => {
  const test = await startTestApi(t);
  await member(test, test.api.joinToken).ensure(never);
  const moved: TestApi = { ...test, config: { ...test.config, nodeIPs: ['192.0.2.9'] } };
  const { cert } = await member(moved, test.api.joinToken).ensure(never);
  t.ok(new X509Certificate(cert).checkIP('192.0.2.9'));
});

t.test('the wrong server and the wrong secret are said, not waited for', async (t) => {
  const test = await startTestApi(t);
  const [version = '', hash = '', secret = ''] = test.api.joinToken.split('.');
  const otherHash = hash.replaceAll(/./g, (digit) => (digit === 'a' ? 'b' : 'a'));
  await t.rejects(member(test, `${version}.${otherHash}.${secret}`).ensure(never), {
    code: 'wrong-authority',
  });
  await t.rejects(member(test, `${version}.${hash}.x${secret}`).ensure(never), { code: 'bad-token' });
  await t.rejects(member(test, 'nonsense').ensure(never), { code: 'bad-token' });
});

t.test('a server that is away is waited for until the agent is stopped', async (t) => {
  const test = await startTestApi(t);
  await test.stop();
  await t.rejects(member(test, test.api.joinToken).renew(), { code: 'no-server', remedy: /check `server`/ });
  const stopping = new AbortController();
  const joining = member(test, test.api.joinToken).ensure(stopping.signal);
  stopping.abort();
  await t.rejects(joining, { name: 'AbortError' });
});

t.test('a certificate past two thirds of its life is renewed and handed on', async (t) => {
  const test = await startTestApi(t);
  const fresh = await member(test, test.api.joinToken).ensure(never);
  const membership = {
    renew: () => Promise.resolve(fresh),
    isCurrent: ({ cert }: Pick<NodeIdentity, 'cert'>) => cert === fresh.cert,
  };
  const old = { ...fresh, cert: expiredCertificate };
  const renewed = Promise.withResolvers<NodeIdentity>();
  const renewal = new CertificateRenewal(membership, old, (identity) => renewed.resolve(identity), silent);
  t.match(renewal.health(), { ready: false, reason: /expired at 2020-01-02/ });
  await renewal.start();
  t.same(await renewed.promise, fresh);
  await renewal.stop();
  t.same(renewal.health(), { ready: true });
});

t.test('the cluster configuration is kept for when the API is away', async (t) => {
  const test = await startTestApi(t);
  const options = { client: test.admin, stateDir: test.config.stateDir, log: silent, signal: never };
  const cluster = await loadClusterConfig(options);
  t.match(cluster, { zone: 'cluster.local', dnsIPs: ['10.96.0.10', 'fd00:10:96::a'] });
  await test.stop();
  t.same(await loadClusterConfig(options), cluster, 'nobody listens');
  // As a machine that is switched off: nothing is refused, and nothing comes.
  const silentServer = createServer().listen(0, '127.0.0.1');
  await once(silentServer, 'listening');
  const { port } = silentServer.address() as AddressInfo;
  const client = new ApiClient({ server: `https://127.0.0.1:${port}`, ca: '' });
  t.teardown(() => {
    client.close();
    silentServer.close();
  });
  t.same(await loadClusterConfig({ ...options, client }), cluster, 'nobody answers');
});

/** Valid on 2020-01-01 only; made with openssl, its key is thrown away. */
const expiredCertificate = `-----BEGIN CERTIFICATE-----
MIIBCjCBsgIBATAKBggqhkjOPQQDAjASMRAwDgYDVQQDDAdleHBpcmVkMB4XDTIw
MDEwMTAwMDAwMFoXDTIwMDEwMjAwMDAwMFowEjEQMA4GA1UEAwwHZXhwaXJlZDBZ
MBMGByqGSM49AgEGCCqGSM49AwEHA0IABNjtfSI8nR+Vf1vtgbDl/ypLa0HuF062
gH3LQ/k3yW6r1+9OVuYZi2QXtpuNOwLBiqJAiy2EG0O9R4EMtBqUOVswCgYIKoZI
zj0EAwIDRwAwRAIgJCZYHrFF72jGDqPVnJ8i/FzRnP9yJsmD3fTLZaLPrH0CIEt+
xPGk7e7xgHHum9mNz/t2LG1C9iUihYvW+YpwPfu3
-----END CERTIFICATE-----
`;
