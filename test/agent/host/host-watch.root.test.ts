import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import path from 'node:path';
import t from 'tap';
import type { Health } from '../../../agent/subsystem.ts';
import { listNamespaces, runInNamespace } from '../../../netns/namespace.ts';
import { skipUnlessRoot } from '../../root.ts';
import { eventually, ip, pings, run, TestCluster, testNamespace } from '../network/cluster-fixture.ts';
import type { TestNode } from '../network/cluster-fixture.ts';
import { administrator, docker, firewalld, ufw } from './foreign-rules.ts';

interface Attachment {
  netns: string;
  ips: string[];
}

/** The watch of one node, asked by messages. */
class Watch implements Disposable {
  readonly #child: ChildProcess;
  #id = 0;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async start({ namespace, name, settings }: TestNode, lockFile: string): Promise<Watch> {
    const file = path.join(import.meta.dirname, 'host-process.ts');
    const facts = JSON.stringify({ nodeName: name, nodeIPs: settings.nodeIPs });
    const env = { ...process.env, XTABLES_LOCKFILE: lockFile };
    const child = runInNamespace(namespace, () => fork(file, [facts], { env }));
    await new Promise((resolve) => child.once('message', resolve));
    const watch = new Watch(child);
    await watch.ask('start');
    return watch;
  }

  ask<T>(verb: string): Promise<T> {
    const id = ++this.#id;
    return new Promise((resolve) => {
      const take = (message: unknown): void => {
        const answer = message as { id: number; result: T };
        if (answer.id !== id) return;
        this.#child.off('message', take);
        resolve(answer.result);
      };
      this.#child.on('message', take);
      this.#child.send({ id, verb });
    });
  }

  async reason(): Promise<string> {
    return (await this.ask<Health>('health')).reason ?? '';
  }

  [Symbol.dispose](): void {
    this.#child.kill('SIGKILL');
  }
}

if (skipUnlessRoot(t)) {
  t.test('rules and settings that others break', async (t) => {
    await using cluster = new TestCluster(2);
    const [node, other] = cluster.nodes as [TestNode, TestNode];
    const lockFile = path.join(cluster.stateDir, 'xtables.lock');
    process.env['XTABLES_LOCKFILE'] = lockFile;
    const objects = cluster.objects();
    await Promise.all(cluster.nodes.map((each) => each.start(objects)));
    const attach = (name: string): Promise<Attachment> => node.ask('attach', cluster.uid(name));
    const pod = await attach('pod');
    const far = await other.ask<Attachment>('attach', cluster.uid('far'));
    const sh = (command: string): string => run(node.namespace, 'sh', '-c', command);
    const [v4 = '', v6 = ''] = far.ips;
    const reaches = (): boolean => pings(pod.netns, v4) && pings(pod.netns, v6);
    await eventually('the pods reach each other', reaches);
    using watch = await Watch.start(node, lockFile);
    const isWell = async (): Promise<boolean> => (await watch.reason()) === '';
    const clear =
      'nft flush ruleset; for p in iptables ip6tables; do $p-legacy -P FORWARD ACCEPT; $p-legacy -F; $p-legacy -X; done';

    const mended: Record<string, readonly [set: string, program: string]> = {
      "Docker's FORWARD DROP (iptables-nft)": [docker('iptables-nft'), 'iptables-nft'],
      "Docker's FORWARD DROP (iptables-legacy)": [docker('iptables-legacy'), 'iptables-legacy'],
      "Docker's FORWARD DROP for IPv6": [docker('ip6tables-nft'), 'ip6tables-nft'],
    };
    for (const [what, [set, program]] of Object.entries(mended)) {
      await t.test(`${what}: rules of ours let pods through`, async (t) => {
        sh(set);
        await eventually('mended', () => sh(`${program}-save -t filter`).includes('-j WEFT-HOST-FORWARD'));
        t.ok(reaches());
        t.match(sh(`${program}-save -t filter`), /:FORWARD DROP/, 'theirs stay');
        await eventually('an Event says it', async () =>
          (await watch.ask<string[]>('events')).some((event) =>
            event.startsWith(
              `Normal HostMended the rules of Docker (${program}, table filter) would stop packets`,
            ),
          ),
        );
        t.ok(await isWell(), 'nothing is left to do');
        // Who flushes takes ours along.
        sh(`${program} -F FORWARD`);
        await eventually('back', () => sh(`${program}-save -t filter`).includes('-j WEFT-HOST-FORWARD'));
        t.ok(reaches());
        sh(`${program} -P FORWARD ACCEPT`);
        await eventually(
          'and gone when it is not needed',
          () => !sh(`${program}-save -t filter`).includes('WEFT-'),
        );
        sh(clear);
      });
    }

    await t.test(
      'ufw: forwarding is let through, the vxlan port is the administrator’s to open',
      async (t) => {
        sh(ufw);
        const remedy = async (): Promise<string> => await watch.reason();
        await eventually('named', async () => (await remedy()).includes('ufw allow 8472/udp'));
        t.match(
          await remedy(),
          /the rules of ufw .* stop packets from other nodes to the vxlan port and .*: "policy drop" in filter INPUT/,
        );
        t.match(await remedy(), /remedy: ufw allow 8472\/udp && ufw allow 10250\/tcp$/);
        t.match(
          sh('iptables-nft-save -t filter'),
          /-A WEFT-HOST-INPUT -s 10\.244\.0\.0\/16 -d 10\.96\.0\.10\/32 -p udp/,
        );
        t.notOk(pings(far.netns, pod.ips[0] ?? ''), 'it is true');
        // What those commands add.
        sh(
          'for p in "udp --dport 8472" "tcp --dport 10250"; do iptables-nft -A ufw-user-input -p $p -j ACCEPT; done',
        );
        await eventually('well', isWell);
        t.ok(pings(far.netns, pod.ips[0] ?? ''));
        sh(clear);
      },
    );

    await t.test('firewalld: named with its own commands', async (t) => {
      sh(firewalld);
      await eventually('named', async () => (await watch.reason()).includes('firewall-cmd'));
      const reason = await watch.reason();
      t.match(
        reason,
        /the rules of firewalld \(nft table inet firewalld\) stop packets between pods of this node, /,
      );
      t.match(reason, /"reject with icmpx admin-prohibited" in inet firewalld filter_FWD_public/);
      t.match(reason, 'firewall-cmd --permanent --zone=trusted --add-source=10.244.0.0/16 && ');
      t.notOk(pings(pod.netns, v4), 'it is true');
      t.match(await watch.ask('troubles'), /weft_host_troubles\{check="firewall"\} [1-9]/);
      // What the commands come to: a zone for these sources.
      sh("nft 'insert rule inet firewalld filter_FORWARD_ZONES ip saddr 10.244.0.0/16 accept'");
      sh("nft 'insert rule inet firewalld filter_FORWARD_ZONES ip6 saddr fd00:10:244::/56 accept'");
      await eventually('well', isWell);
      t.ok(reaches());
      sh(clear);
    });

    await t.test("an administrator's own nft rules: the remedy is what helps", async (t) => {
      sh(administrator);
      await eventually('named', async () => (await watch.reason()).includes('remedy'));
      t.notOk(pings(pod.netns, v4), 'it is true');
      const doctor = path.join(import.meta.dirname, '../../../agent/main.ts');
      const ask = (...args: string[]): string =>
        sh(
          `${process.execPath} ${doctor} doctor --state-dir ${cluster.stateDir} --node-ips 172.30.0.11 ${args.join(' ')} || echo exit $?`,
        );
      const told = ask();
      t.match(told, /^TROUBLE {2}firewall: somebody's rules \(nft table inet filter\) stop packets/m);
      t.match(told, /^ok {7}sysctl: /m);
      t.match(told, /exit 1\n$/);
      const [, remedy = ''] = /remedy: (nft .*)/.exec(told) ?? [];
      sh(remedy);
      await eventually('well', isWell);
      t.ok(reaches());
      t.notMatch(ask(), 'firewall: somebody', 'the doctor agrees');
      const json = JSON.parse(ask('-o', 'json').replace(/exit 1\n$/, '')) as {
        check: string;
        state: string;
      }[];
      t.match(
        json.find(({ check }) => check === 'firewall'),
        { state: 'well' },
      );
      sh(clear);
    });

    const settings: Record<string, readonly [name: string, wrong: string, right: string]> = {
      'forwarding switched off': ['net/ipv4/ip_forward', '0', '1'],
      'forwarding of IPv6 switched off': ['net/ipv6/conf/all/forwarding', '0', '1'],
      'forwarding switched off on a link': ['net/ipv4/conf/weft-vxlan/forwarding', '0', '1'],
      'a strict filter of routes on the vxlan': ['net/ipv4/conf/weft-vxlan/rp_filter', '1', '2'],
      'a strict filter of routes on the underlay': ['net/ipv4/conf/eth0/rp_filter', '1', '2'],
      'bridged packets shown to iptables': ['net/bridge/bridge-nf-call-iptables', '1', '0'],
    };
    for (const [what, [name, wrong, right]] of Object.entries(settings)) {
      await t.test(`${what}: put right`, async (t) => {
        sh(`echo ${wrong} >/proc/sys/${name}`);
        await eventually('right', () => sh(`cat /proc/sys/${name}`).trim() === right);
        t.ok(reaches());
        // Of what the network needs in every pass it may have been faster to put it right.
        if (!name.endsWith('/forwarding') || !name.includes('weft')) return;
        const dotted = name.replaceAll('/', '.');
        await eventually('an Event says it', async () =>
          (await watch.ask<string[]>('events')).some((event) =>
            event.startsWith(`Normal HostMended the kernel setting ${dotted} was ${wrong}`),
          ),
        );
      });
    }

    await t.test('routed pods: rules and settings of their own links', async (t) => {
      await node.kill();
      await node.start(objects, { podLink: 'routed' });
      const [one, two] = [await attach('one'), await attach('two')];
      await node.ask('detach', cluster.uid('pod'));
      await eventually('they are routed', () => pings(one.netns, two.ips[0] ?? '') && pings(one.netns, v6));
      const [{ dev = '' } = {}] = ip(node.namespace, 'route', 'show', one.ips[0] ?? '') as { dev?: string }[];
      // By the bridge no packet goes here.
      sh(`nft -f - <<'E'
table inet links {
  chain forward {
    type filter hook forward priority filter;
    oifname "weft0" drop
    iifname "${dev}" drop
  }
}
E`);
      await eventually('named', async () => (await watch.reason()).includes('links forward'));
      const reason = await watch.reason();
      t.match(reason, `iifname ${dev} drop" in inet links forward`);
      t.notMatch(reason, 'oifname');
      t.notOk(pings(one.netns, two.ips[0] ?? ''), 'it is true');
      sh(clear);
      await eventually('well', isWell);
      const setting = `/proc/sys/net/ipv4/conf/${dev}/forwarding`;
      sh(`echo 0 >${setting}`);
      await eventually('right', () => sh(`cat ${setting}`).trim() === '1');
      t.ok(pings(one.netns, two.ips[0] ?? ''));
    });
    for (const each of cluster.nodes)
      for (const name of ['pod', 'far', 'one', 'two']) await each.ask('detach', cluster.uid(name));
  });

  t.test('nothing is left behind', (t) => {
    t.same(listNamespaces(testNamespace('')), []);
    t.end();
  });
}
