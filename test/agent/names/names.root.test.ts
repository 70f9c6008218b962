import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import t from 'tap';
import type { Health } from '../../../agent/subsystem.ts';
import {
  createNamespace,
  listNamespaces,
  removeNamespace,
  runInNamespace,
} from '../../../netns/namespace.ts';
import { skipUnlessRoot } from '../../root.ts';

const namespace = `weft-test-names${process.pid}`;
const families = [
  { address: '10.96.0.10', prefix: '32', gateway: '10.244.1.1', pod: '10.244.2.2', outside: '192.0.2.1' },
  {
    address: 'fd00:10:96::a',
    prefix: '128',
    gateway: 'fd00:10:244:1::1',
    pod: 'fd00:10:244:2::2',
    outside: '2001:db8::1',
  },
];

function run(...[command, ...args]: [string, ...string[]]): string {
  return runInNamespace(namespace, () => execFileSync(command, args, { encoding: 'utf8' }));
}

function dig(server: string, ...args: string[]): string {
  return run('dig', `@${server}`, '+short', '+time=2', '+tries=2', ...args).trim();
}

if (skipUnlessRoot(t)) {
  createNamespace(namespace).close();
  t.teardown(() => removeNamespace(namespace));

  t.test('port 53 of the DNS addresses, as soon as they are on the node', async (t) => {
    // With loopback down the kernel has no routing table yet and lets any IPv4 address be bound.
    run('ip', 'link', 'set', 'lo', 'up');
    const script = new URL('names-process.ts', import.meta.url).pathname;
    const child = runInNamespace(namespace, () =>
      spawn(process.execPath, [script, ...families.map(({ gateway }) => gateway)], {
        stdio: ['pipe', 'pipe', 'inherit'],
      }),
    );
    const ended = once(child, 'exit');
    t.teardown(() => child.kill());
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
    const nextHealth = async (): Promise<Health> =>
      JSON.parse((await lines.next()).value as string) as Health;
    t.match(await nextHealth(), {
      ready: false,
      reason: /no DNS on 10\.96\.0\.10 port 53 \(TCP\): this machine does not have that address/,
    });
    for (const { address, prefix } of families)
      run('ip', 'address', 'add', `${address}/${prefix}`, 'dev', 'lo');
    let health = await nextHealth();
    for (let waits = 0; !health.ready && waits < 200; waits += 1) health = await nextHealth();
    t.strictSame(health, { ready: true });
    for (const { address } of families) {
      for (const protocol of ['+notcp', '+tcp']) {
        t.equal(
          dig(address, protocol, 'nginxsvc.default.svc.cluster.local'),
          '10.96.1.2',
          `${address} ${protocol}`,
        );
        t.equal(dig(address, protocol, '-x', '10.96.1.2'), 'nginxsvc.default.svc.cluster.local.');
      }
    }
    run('ip', 'address', 'delete', '10.96.0.10/32', 'dev', 'lo');
    run('ip', 'address', 'add', '10.96.0.10/32', 'dev', 'lo');
    t.equal(
      dig('10.96.0.10', 'nginxsvc.default.svc.cluster.local'),
      '10.96.1.2',
      'it went away and came back',
    );
    for (const { prefix, gateway, pod, outside } of families) {
      for (const own of [gateway, pod, outside])
        run('ip', 'address', 'add', `${own}/${prefix}`, 'dev', 'lo', ...(prefix === '128' ? ['nodad'] : []));
    }
    const served = (): string => run('ss', '--listening', '--numeric', '--udp', '--tcp', '--no-header');
    while (!families.every(({ gateway }) => served().includes(gateway))) await nextHealth();
    for (const { gateway, pod, outside } of families) {
      for (const protocol of ['+notcp', '+tcp']) {
        const ask = (from: string, ...options: string[]): string =>
          dig(gateway, '-b', from, protocol, ...options, 'nginxsvc.default.svc.cluster.local');
        t.equal(ask(pod), '10.96.1.2', `${gateway} ${protocol}: for other nodes' pods`);
        // dig prints nothing else when no answer came.
        t.throws(
          () => ask(outside, '+tries=1', '+time=1'),
          /Command failed: dig/,
          `${gateway} ${protocol}: nobody else`,
        );
      }
    }
    child.stdin.end();
    t.strictSame(await ended, [0, null], 'stopped, nothing holds the process');
  });

  t.test('nothing is left behind', (t) => {
    removeNamespace(namespace);
    t.notOk(listNamespaces().includes(namespace));
    t.end();
  });
}
