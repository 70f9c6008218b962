import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';

import type { PortedAttachment } from '../../../agent/host-ports/compile.ts';
import type { HostPort } from '../../../api/kinds/host-ports.ts';
import { addresses, familyNames, TestNetwork } from '../../iptables/network.ts';
import type { FamilyName, Place } from '../../iptables/network.ts';
import { skipUnlessRoot } from '../../root.ts';
import { Daemon, until } from '../services/daemon.ts';

const script = new URL('host-ports-process.ts', import.meta.url).pathname;
const late = { ipv4: '192.0.2.55', ipv6: '2001:db8::55' } as const;

function attachment(pod: 'pod1' | 'pod2', ...ports: Partial<HostPort>[]): PortedAttachment {
  return {
    id: pod,
    hostLink: pod,
    ips: familyNames.map((family) => addresses[family][pod]),
    ports: ports.map((port) => ({ hostPort: 8081, containerPort: 8080, protocol: 'TCP', ...port })),
    pod: { uid: `uid-${pod}`, namespace: 'default', name: pod },
  };
}

if (skipUnlessRoot(t)) {
  await using network = await TestNetwork.create('host-ports');
  const start = (...attachments: readonly PortedAttachment[]): Daemon => {
    const daemon = new Daemon(network.spawn('node', script, 'iptables', addresses.ipv4.node));
    put(daemon, ...attachments);
    return daemon;
  };
  const put = ({ child }: Daemon, ...attachments: readonly PortedAttachment[]): void => {
    child.stdin?.write(`${JSON.stringify(attachments)}\n`);
  };
  const ask = (from: Place, protocol: 'tcp' | 'udp', address: string, port: number, client = 0) =>
    network.ask(from, protocol, address, port, { from: client, timeoutMs: 1000 });
  /** Asks until the rules are there. */
  const reach = async (gets: string, ...question: Parameters<typeof ask>): Promise<void> => {
    while ((await ask(...question)) !== gets) await sleep(20);
  };
  for (const family of familyNames) {
    for (const pod of ['pod1', 'pod2'] as const) {
      for (const protocol of ['tcp', 'udp'] as const) {
        await network.serve(pod, pod, protocol, addresses[family][pod], 8080);
      }
    }
  }
  const outside = (pod: string, family: FamilyName): string => `${pod} ${addresses[family].outside}`;

  const first = start();
  await until(() => first.report.ready);

  await t.test('a port comes with its pod, and a hostIP that the node lacks is told', async (t) => {
    put(first, attachment('pod1', {}, { hostPort: 8082, hostIP: late.ipv4 }));
    for (const family of familyNames) {
      await reach(outside('pod1', family), 'outside', 'tcp', addresses[family].node, 8081);
    }
    for (const [link, admits] of [
      ['pod1', '1'],
      ['pod2', '0'],
    ] as const) {
      const setting = `net.ipv4.conf.${link}.route_localnet`;
      t.equal(await network.exec('node', 'sysctl', '-n', setting), admits, `${link}: answers to 127.0.0.1`);
    }
    await until(() => first.report.reasons.length > 0);
    t.strictSame(first.report.reasons, ['HostPortNotServed']);
    t.match(first.report.messages[0], /^hostPort 8082\/TCP: hostIP 192\.0\.2\.55 is no address of this node/);
  });

  await t.test('an address that comes serves, and one that goes is nobody’s', async (t) => {
    await network.exec('node', 'ip', 'address', 'add', `${late.ipv4}/24`, 'dev', 'eth0');
    await network.exec('node', 'ip', 'address', 'add', `${late.ipv6}/64`, 'dev', 'eth0', 'nodad');
    await reach(outside('pod1', 'ipv4'), 'outside', 'tcp', late.ipv4, 8082);
    for (const family of familyNames) {
      await reach(outside('pod1', family), 'outside', 'tcp', late[family], 8081);
    }
    await network.exec('node', 'ip', 'address', 'delete', `${late.ipv6}/64`, 'dev', 'eth0');
    const nat = (): Promise<string> => network.exec('node', 'ip6tables-nft-save', '-t', 'nat');
    while ((await nat()).includes(late.ipv6)) await sleep(20);
    t.match(await nat(), addresses.ipv6.node);
    t.strictSame(first.report.reasons, ['HostPortNotServed'], 'nothing more to tell');
  });

  await t.test('UDP flows of what changed while no daemon ran are forgotten', async (t) => {
    const udp = [{ protocol: 'UDP' }, { protocol: 'UDP', hostPort: 8083 }] as const;
    put(first, attachment('pod1', ...udp));
    const flow = (port: number): Promise<string> => ask('outside', 'udp', late.ipv4, port, 20_000 + port);
    for (const port of [8081, 8083]) {
      await reach(outside('pod1', 'ipv4'), 'outside', 'udp', late.ipv4, port, 20_000 + port);
    }
    const exited = once(first.child, 'exit');
    first.child.kill('SIGKILL');
    await exited;
    t.equal(await flow(8081), outside('pod1', 'ipv4'), 'without a daemon it stands as it is');
    const second = start(attachment('pod1'), attachment('pod2', { protocol: 'UDP' }));
    await until(() => second.report.ready);
    t.equal(await flow(8081), outside('pod2', 'ipv4'), 'another pod has the port');
    t.equal(await flow(8083), 'ECONNREFUSED', 'nobody has that one');
    await second.end();
  });
}
