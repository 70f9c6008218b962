import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { pino } from 'pino';
import t from 'tap';
import type { Test } from 'tap';

import { renderHealthCheckAnswer } from '../../../agent/services/health-check-answer.ts';
import { HealthChecks } from '../../../agent/services/health-check.ts';
import { listNodePortAddresses } from '../../../agent/services/node-addresses.ts';
import type { HealthCheck } from '../../../iptables/model.ts';
import { freePort } from '../../../rig/free-port.ts';

type Interfaces = Parameters<typeof listNodePortAddresses>[1];

function setup(t: Test) {
  const state = { hosts: ['127.0.0.1'], healthy: true };
  const failures: string[] = [];
  const checks = new HealthChecks({
    hosts: () => state.hosts,
    isProxyHealthy: () => state.healthy,
    onFailure: (service, message) => failures.push(`${service}: ${message}`),
    log: pino({ level: 'silent' }),
    retryMs: 20,
    patienceMs: 20,
  });
  t.teardown(() => checks.stop());
  return { checks, state, failures };
}

const check = (port: number, ipv4: number, ipv6 = 0): HealthCheck => ({
  port,
  localEndpoints: { ipv4, ipv6 },
});

/** `status localEndpoints weight` of an answer, or `closed`. */
async function ask(host: string, port: number): Promise<string> {
  try {
    const response = await fetch(`http://${host}:${String(port)}/healthz`);
    const body = (await response.json()) as { localEndpoints: number; service: { name: string } };
    const weight = response.headers.get('x-load-balancing-endpoint-weight') ?? 'none';
    return `${String(response.status)} ${body.service.name} ${String(body.localEndpoints)} ${weight}`;
  } catch {
    return 'closed';
  }
}

/** Waits until it answers so; the test's own time limit is the only one. */
async function until(host: string, port: number, answer: string): Promise<void> {
  while ((await ask(host, port)) !== answer) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** A port nobody uses now, and a way to hold one. */
async function hold(port = 0): Promise<{ port: number; free(): Promise<unknown> }> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('not listening');
  return { port: address.port, free: () => new Promise((resolve) => server.close(resolve)) };
}

t.test('the answer: what kube-proxy says, field by field', (t) => {
  const yes = renderHealthCheckAnswer('shop/web', check(30_500, 2, 0), 'ipv4', true);
  t.equal(yes.status, 200);
  t.strictSame(JSON.parse(yes.body), {
    service: { namespace: 'shop', name: 'web' },
    localEndpoints: 2,
    serviceProxyHealthy: true,
  });
  t.match(yes.headers, {
    'content-type': 'application/json',
    'x-content-type-options': 'nosniff',
    'x-load-balancing-endpoint-weight': '2',
  });
  t.equal(renderHealthCheckAnswer('shop/web', check(30_500, 2, 0), 'ipv6', true).status, 503, 'none of IPv6');
  const ill = renderHealthCheckAnswer('shop/web', check(30_500, 2, 0), 'ipv4', false);
  t.equal(ill.status, 503, 'rules that are not what they should be');
  t.match(JSON.parse(ill.body), { localEndpoints: 2, serviceProxyHealthy: false });
  t.end();
});

t.test('it opens, changes and closes with its Service', async (t) => {
  const { checks, state } = setup(t);
  const [first, second] = [await freePort(), await freePort()];
  state.hosts = ['127.0.0.1', '::1'];
  checks.update([['default/web', check(first, 1, 0)]]);
  await until('127.0.0.1', first, '200 web 1 1');
  await until('[::1]', first, '503 web 0 0');
  checks.update([['default/web', check(first, 0, 3)]]);
  t.equal(await ask('127.0.0.1', first), '503 web 0 0', 'the same server, another answer');
  t.equal(await ask('[::1]', first), '200 web 3 3');
  state.healthy = false;
  t.equal(await ask('[::1]', first), '503 web 3 3', 'an unhealthy node takes nobody');
  state.healthy = true;
  checks.update([
    ['default/other', check(first, 1)],
    ['default/web', check(second, 1)],
  ]);
  await until('127.0.0.1', first, '200 other 1 1');
  await until('127.0.0.1', second, '200 web 1 1');
  checks.update([['default/other', undefined]]);
  t.equal(await ask('127.0.0.1', first), 'closed');
  checks.stop();
  t.equal(await ask('127.0.0.1', second), 'closed');
});

t.test("it follows the node's addresses", async (t) => {
  const { checks, state } = setup(t);
  const port = await freePort();
  checks.update([['default/web', check(port, 1, 1)]]);
  await until('127.0.0.1', port, '200 web 1 1');
  t.equal(await ask('[::1]', port), 'closed');
  state.hosts = ['::1'];
  await until('[::1]', port, '200 web 1 1');
  t.equal(await ask('127.0.0.1', port), 'closed');
});

t.test('a port that is taken is told once, and used when it is free', async (t) => {
  const { checks, state, failures } = setup(t);
  state.hosts = ['127.0.0.1', '::1'];
  const held = await hold();
  checks.update([['default/web', check(held.port, 1, 1)]]);
  await until('[::1]', held.port, '200 web 1 1');
  await new Promise((resolve) => setTimeout(resolve, 100));
  t.equal(failures.length, 1, 'several attempts, one message');
  t.match(
    failures[0],
    `default/web: healthCheckNodePort ${String(held.port)}: cannot listen on 127.0.0.1: listen EADDRINUSE`,
  );
  await held.free();
  await until('127.0.0.1', held.port, '200 web 1 1');
});

t.test("which of a node's addresses serve NodePorts", (t) => {
  const settings = {
    clusterCIDRs: ['10.244.0.0/16', 'fd00:10:244::/56'],
    serviceCIDRs: ['10.96.0.0/16', 'fd00:10:96::/112'],
    dnsIPs: ['192.0.2.53'],
    nodePortAddresses: [] as string[],
  };
  const one = (...addresses: string[]) => addresses.map((address) => ({ address }));
  const interfaces = {
    lo: one('127.0.0.1', '::1', '10.96.0.10', '192.0.2.53'),
    eth0: one('192.0.2.1', '2001:DB8:0::1', 'fe80::1', '169.254.3.4'),
    eth1: one('198.51.100.1'),
    weft0: one('10.244.1.1', 'fd00:10:244:1::1'),
    down: undefined,
  } as unknown as Interfaces;
  t.strictSame(listNodePortAddresses(settings, interfaces), ['192.0.2.1', '198.51.100.1', '2001:db8::1']);
  const only = (...nodePortAddresses: string[]) =>
    listNodePortAddresses({ ...settings, nodePortAddresses }, interfaces);
  t.strictSame(only('192.0.2.0/24', '10.244.0.0/16'), ['192.0.2.1'], 'never the pod bridge');
  t.strictSame(only('2001:db8::/64'), ['2001:db8::1']);
  t.end();
});

t.test('who connects and asks nothing keeps nobody out', async (t) => {
  const { checks } = setup(t);
  const port = await freePort();
  checks.update([['shop/web', check(port, 1)]]);
  await until('127.0.0.1', port, '200 web 1 1');
  const idle = Array.from({ length: 64 }, () => connect(port, '127.0.0.1'));
  await Promise.all(idle.map((socket) => once(socket.resume(), 'close')));
  t.pass('all were closed');
  await until('127.0.0.1', port, '200 web 1 1');
});
