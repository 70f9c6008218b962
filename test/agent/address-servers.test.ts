import { createServer } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import t from 'tap';
import { AddressServers } from '../../agent/address-servers.ts';
import { freePort } from '../../rig/free-port.ts';

function makeServers(port: number) {
  const errors: string[] = [];
  const servers = new AddressServers({
    make: () => createServer((_request, response) => response.end('here')),
    port,
    toError: (host, { code = '' }) => new Error(`${host} ${code}`),
    onError: (error) => errors.push((error as Error).message),
  });
  return { servers, errors };
}

async function answers(host: string, port: number): Promise<boolean> {
  try {
    return (await (await fetch(`http://${host}:${port}/`)).text()) === 'here';
  } catch {
    return false; // refused
  }
}

async function eventually(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 10));
}

t.test('the addresses may change while it serves', async (t) => {
  const port = await freePort();
  const { servers, errors } = makeServers(port);
  t.teardown(() => servers.stop());
  await servers.start(['127.0.0.1', '127.0.0.2']);
  t.same([await answers('127.0.0.1', port), await answers('127.0.0.3', port)], [true, false]);
  const [kept] = servers.servers;
  servers.follow(['127.0.0.1', '127.0.0.3']);
  await eventually(() => answers('127.0.0.3', port));
  await eventually(async () => !(await answers('127.0.0.2', port)));
  t.equal(servers.servers[0], kept, 'what stays is not touched');
  t.same(errors, []);
});

t.test('an address where it cannot listen yet is tried again', async (t) => {
  const port = await freePort();
  const { servers, errors } = makeServers(port);
  t.teardown(() => servers.stop());
  await servers.start(['127.0.0.1']);
  const other = createTcpServer();
  await new Promise<void>((resolve) => other.listen(port, '127.0.0.2', resolve));
  servers.follow(['127.0.0.2', '127.0.0.3']);
  await eventually(() => answers('127.0.0.3', port));
  await eventually(() => errors.length > 0);
  t.equal(errors[0], '127.0.0.2 EADDRINUSE');
  await new Promise((resolve) => other.close(resolve));
  await eventually(() => answers('127.0.0.2', port));
});

t.test('at the start it is all or nothing', async (t) => {
  const port = await freePort();
  const { servers } = makeServers(port);
  await t.rejects(servers.start(['127.0.0.1', '192.0.2.1']), { message: '192.0.2.1 EADDRNOTAVAIL' });
  t.notOk(await answers('127.0.0.1', port));
});
