import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:tls';
import t from 'tap';
import { endpoints, endpointSlices } from '../../../api/client/resources.ts';
import { eventually } from '../eventually.ts';
import { startServer } from './fixture.ts';

const kubernetes = { namespace: 'default', name: 'kubernetes' };

/** The names in the certificate that the server shows. */
async function namesShown({ host, port }: { readonly host: string; readonly port: number }): Promise<string> {
  const socket = connect({ host, port, rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const names = socket.getPeerCertificate().subjectaltname ?? '';
  socket.destroy();
  return names;
}

t.test('a server that gets another address tells of it without a restart', async (t) => {
  const { server, client } = await startServer(t);
  const before = await client.get(endpointSlices, kubernetes);
  t.match(before, { addressType: 'IPv4', endpoints: [{ addresses: ['192.0.2.1'] }] });

  await server.advertise({
    address: '192.0.2.7',
    names: ['api.example.org'],
    kubeconfigServer: 'https://192.0.2.7:6443',
  });
  t.match(await client.get(endpointSlices, kubernetes), {
    metadata: { uid: before.metadata.uid },
    endpoints: [{ addresses: ['192.0.2.7'] }],
  });
  t.match(await client.get(endpoints, kubernetes), { subsets: [{ addresses: [{ ip: '192.0.2.7' }] }] });
  const names = await namesShown(server.address);
  for (const name of [
    'IP Address:192.0.2.7',
    'DNS:api.example.org',
    'DNS:kubernetes.default.svc',
    'DNS:localhost',
  ]) {
    t.ok(names.includes(name), name);
  }
  t.notOk(names.includes('192.0.2.1'), 'not the one that may be somebody else’s now');
  t.match(readFileSync(server.adminKubeconfigPath, 'utf8'), 'server: https://192.0.2.7:6443');

  await server.advertise({ address: '2001:db8::7' });
  t.match(await client.get(endpointSlices, kubernetes), {
    addressType: 'IPv6',
    endpoints: [{ addresses: ['2001:db8::7'] }],
  });
  t.match(await client.get(endpoints, kubernetes), { subsets: [{ addresses: [{ ip: '2001:db8::7' }] }] });
  t.match(await namesShown(server.address), '2001:DB8:0:0:0:0:0:7');

  await client.delete(endpoints, kubernetes);
  const back = async (): Promise<boolean> =>
    (await client.listAll(endpoints, { fieldSelector: 'metadata.name=kubernetes' })).length > 0;
  await eventually('it is back', back);
  t.match(
    await client.get(endpoints, kubernetes),
    { subsets: [{ addresses: [{ ip: '2001:db8::7' }] }] },
    'one that comes back knows it, too',
  );
});
