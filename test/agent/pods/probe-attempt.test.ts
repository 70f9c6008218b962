import { createServer, type AddressInfo } from 'node:net';
import t from 'tap';
import { attemptProbe } from '../../../agent/pods/probe-attempt.ts';
import type { ProbeTarget } from '../../../agent/pods/probe-attempt.ts';

const target: ProbeTarget = {
  container: { name: 'main' },
  ip: '127.0.0.1',
  execCommand: () => ['false', []],
};

/** A port of this host's on which nobody listens. */
async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

t.test('what users see of a probe that fails', async (test) => {
  const port = await closedPort();
  const refused = `dial tcp 127.0.0.1:${port}: connect: connection refused`;
  test.equal(await attemptProbe(target, { tcpSocket: { port } }, 5000), refused);
  test.equal(
    await attemptProbe(target, { httpGet: { port, path: '/ok' } }, 5000),
    `Get "http://127.0.0.1:${port}/ok": ${refused}`,
  );
  test.equal(
    await attemptProbe(target, { httpGet: { port, scheme: 'HTTPS' } }, 5000),
    `Get "https://127.0.0.1:${port}/": ${refused}`,
  );
});

t.test('a server that is silent', async (test) => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  test.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  test.equal(
    await attemptProbe(target, { httpGet: { port, path: '/' } }, 100),
    `Get "http://127.0.0.1:${port}/": context deadline exceeded`,
  );
});
