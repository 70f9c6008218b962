import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import type { Attachment, AttachmentRequest } from '../../../agent/network/attachment.ts';
import { readBootId, readState } from '../../../cni/lease-file.ts';
import { listNamespaces } from '../../../netns/namespace.ts';
import { skipUnlessRoot } from '../../root.ts';
import type { TestNode } from './cluster-fixture.ts';
import { eventually, ip, pings, run, TestCluster, testNamespace } from './cluster-fixture.ts';

const gateways = ['10.244.1.1', 'fd00:10:244:1::1'];

interface Counters {
  passes: number;
  fullPasses: number;
}

/** The names of a namespace's links. */
function linkNames(namespace: string): unknown[] {
  return ip(namespace, 'link')
    .map(({ ifname }) => ifname)
    .sort();
}

if (skipUnlessRoot(t)) {
  t.test("attaching somebody else's namespace", async (t) => {
    await using cluster = new TestCluster(1);
    const [node] = cluster.nodes as [TestNode];
    await node.start(cluster.objects());
    const attach = (request: AttachmentRequest): Promise<Attachment> => node.ask('attach', request);
    const netns = cluster.foreignNamespace('a');
    const request: AttachmentRequest = {
      id: `cni:${'c'.repeat(64)}:net1`,
      netns,
      ifname: 'net1',
      mac: '02:11:22:33:44:55',
      ports: [{ hostPort: 8080, containerPort: 80, protocol: 'TCP', hostIP: '172.30.0.11' }],
      pod: { uid: 'u', namespace: 'default', name: 'web' },
    };
    const attached = await attach(request);

    await t.test('interface, hardware address, addresses and routes are as asked for', (t) => {
      t.match(attached, { ...request, ips: ['10.244.1.2', 'fd00:10:244:1::2'] });
      t.match(ip(netns, 'link', 'show', 'net1'), [{ address: '02:11:22:33:44:55', mtu: 1450 }]);
      t.match(ip(netns, '-4', 'address', 'show', 'net1'), [
        { addr_info: [{ local: '10.244.1.2', prefixlen: 32 }] },
      ]);
      t.match(ip(node.namespace, 'link', 'show', attached.hostLink), [{ ifalias: `weft:pod:${request.id}` }]);
      for (const gateway of gateways) t.ok(pings(netns, gateway), gateway);
      for (const address of attached.ips) t.ok(pings(node.namespace, address), address);
      t.end();
    });

    await t.test('the lease keeps what a restarted daemon has to know', async (t) => {
      const { id, ...record } = request;
      const file = path.join(node.settings.stateDir, 'network', 'leases.json');
      t.match(readState(file, readBootId()).leases[id], { record: { mac: '02:11:22:33:44:55' } });
      await node.kill();
      await node.start(cluster.objects());
      t.match(await node.ask('attachments'), [{ id, ...record, ips: attached.ips }]);
      t.same(await node.ask('check', id), []);
      await eventually('a neighbour with the asked for address', () =>
        ip(node.namespace, 'neigh', 'show', 'dev', 'weft0').some(
          ({ dst, lladdr }) => dst === '10.244.1.2' && lladdr === '02:11:22:33:44:55',
        ),
      );
    });

    await t.test('a check names what is not there, and attaching again mends it', async (t) => {
      const damages: [string[], RegExp][] = [
        [['ip', 'address', 'delete', '10.244.1.2/32', 'dev', 'net1'], /has no address 10\.244\.1\.2$/],
        [['ip', '-6', 'route', 'delete', 'default'], /has no ipv6 default route by fd00:10:244:1::1$/],
        [['ip', 'link', 'set', 'net1', 'down'], /net1 in .* is down$/],
        [['ip', 'link', 'set', 'net1', 'address', '02:00:00:00:00:01'], /instead of 02:11:22:33:44:55$/],
        [['ip', 'link', 'delete', 'net1'], /there is no net1 in/],
      ];
      for (const [damage, problem] of damages) {
        run(netns, ...damage);
        const problems = await node.ask<string[]>('check', request.id);
        t.ok(
          problems.some((text) => problem.test(text)),
          `${damage.join(' ')}: ${problems.join('; ')}`,
        );
        t.same((await attach(request)).ips, attached.ips);
        t.same(await node.ask('check', request.id), [], 'mended');
        for (const gateway of gateways) t.ok(pings(netns, gateway), gateway);
      }
      t.match(await node.ask('check', 'cni:nobody:eth0'), [/has no addresses here/]);
    });

    await t.test('an interface that somebody else made is refused and stays', async (t) => {
      const taken = cluster.foreignNamespace('taken');
      run(taken, 'ip', 'link', 'add', 'name', 'eth0', 'type', 'bridge');
      const before = linkNames(node.namespace);
      await t.rejects(attach({ id: 'cni:taken:eth0', netns: taken }), {
        message: /there is an interface eth0 in the namespace already/,
      });
      t.match(ip(taken, 'link', 'show', 'type', 'bridge'), [{ ifname: 'eth0' }]);
      t.same(linkNames(node.namespace), before);
      t.same(await node.ask('list'), [request.id]);
    });

    await t.test('what is no namespace for pods is refused', async (t) => {
      const file = path.join(cluster.stateDir, 'file');
      writeFileSync(file, '');
      const cases: [string, RegExp][] = [
        [path.join(cluster.stateDir, 'missing'), /cannot open network namespace/],
        [file, /is no network namespace/],
        [path.join('/run/netns', node.namespace), /is the node's own network namespace/],
      ];
      for (const [refused, message] of cases) {
        await t.rejects(attach({ id: 'cni:refused:eth0', netns: refused }), { message });
      }
      t.same(await node.ask('list'), [request.id]);
    });

    await t.test(
      'a port of the node that is somebody else’s is refused, and who has it is named',
      async (t) => {
        const late = { id: 'cni:late:eth0', netns: cluster.foreignNamespace('late') };
        const port = { hostPort: 8080, containerPort: 81, protocol: 'TCP' } as const;
        const before = linkNames(node.namespace);
        await t.rejects(attach({ ...late, ports: [port] }), {
          message: 'hostPort 8080/TCP belongs to pod default/web',
        });
        t.same(linkNames(node.namespace), before);
        t.same(await node.ask('list'), [request.id]);
        await attach({
          ...late,
          ports: [
            { ...port, hostIP: '172.30.0.12' },
            { ...port, protocol: 'UDP' },
          ],
        });
        await node.ask('detach', late.id);
      },
    );

    await t.test('addresses that were asked for', async (t) => {
      const asks = cluster.foreignNamespace('asks');
      const wish = { id: 'cni:asks:eth0', netns: asks, addresses: ['10.244.1.77'] };
      const spans = [{ first: 'fd00:10:244:1::500', last: 'fd00:10:244:1::5ff' }];
      const { ips } = await attach({ ...wish, spans });
      t.same(ips, ['10.244.1.77', 'fd00:10:244:1::500']);
      t.ok(pings(node.namespace, '10.244.1.77'));
      await t.rejects(attach({ ...wish, id: 'cni:late:eth0' }), {
        message: /10\.244\.1\.77 is cni:asks:eth0's/,
      });
      await node.ask('detach', wish.id);
    });

    await t.test('IPv6 that a runtime switched off in its namespace', async (t) => {
      const without = cluster.foreignNamespace('no-ipv6');
      for (const which of ['all', 'default'])
        run(without, 'sysctl', '-q', '-w', `net.ipv6.conf.${which}.disable_ipv6=1`);
      await attach({ id: 'cni:six:eth0', netns: without });
      for (const gateway of gateways) t.ok(pings(without, gateway), gateway);
      await node.ask('detach', 'cni:six:eth0');
    });

    await t.test('an id too long for an alias', async (t) => {
      const long = cluster.foreignNamespace('long');
      const id = `cni:${'x'.repeat(400)}:eth0`;
      const { hostLink } = await attach({ id, netns: long });
      t.match(ip(node.namespace, 'link', 'show', hostLink), [{ ifalias: /^weft:pod:sha256-[0-9a-f]{64}$/ }]);
      t.same(await node.ask('check', id), []);
      await node.ask('detach', id);
      await eventually('gone', () => !linkNames(node.namespace).includes(hostLink));
    });

    await t.test('detached, attached again at once in another namespace', async (t) => {
      const other = cluster.foreignNamespace('other');
      const again = { id: 'cni:again:eth0', netns: cluster.foreignNamespace('again') };
      const { hostLink } = await attach(again);
      const indexOf = (): unknown => ip(node.namespace, 'link', 'show', hostLink)[0]?.['ifindex'];
      const first = indexOf();
      await node.ask('detach', again.id);
      await attach({ ...again, netns: other });
      t.not(indexOf(), first, 'it has a new link of the same name');
      t.same(await node.ask('check', again.id), []);
      for (const gateway of gateways) t.ok(pings(other, gateway), gateway);
      await eventually('the old one is gone', () => linkNames(again.netns).length === 1);
      await node.ask('detach', again.id);
    });

    await t.test('detached, attached again at once, detached', async (t) => {
      await node.ask('detach', request.id);
      const again = await attach(request);
      t.not(again.ips[0], attached.ips[0], 'the address rests');
      for (const gateway of gateways) t.ok(pings(netns, gateway), gateway);
      await node.ask('detach', request.id);
      await eventually('no link is left', () => linkNames(netns).length === 1);
      t.ok(existsSync(netns), 'the namespace is not ours to remove');
      await node.ask('detach', request.id);
      t.same(await node.ask('list'), []);
      await eventually(
        'nor on the node',
        () => ip(node.namespace, 'link', 'show', 'type', 'veth').length === 1,
      );
    });
  });

  t.test('attachments that come and go', async (t) => {
    await using cluster = new TestCluster(1);
    const [node] = cluster.nodes as [TestNode];
    await node.start(cluster.objects());
    const places = ['one', 'two', 'three'].map((name) => cluster.foreignNamespace(name));
    const requests = places.map((netns, i) => ({ id: `cni:${i}:eth0`, netns }));
    const counters = (): Promise<Counters> => node.ask('counters');
    const veths = (): number => ip(node.namespace, 'link', 'show', 'type', 'veth').length;
    const peer = {
      metadata: { name: 'node2' },
      spec: { podCIDRs: ['10.244.2.0/24'] },
      status: { addresses: [{ type: 'InternalIP', address: '172.30.0.99' }] },
    };
    /** Passes judge all that was told until then. */
    const allJudged = async (verb: 'changeNode' | 'removeNode'): Promise<Counters> => {
      const { passes } = await counters();
      await node.ask(verb, verb === 'changeNode' ? peer : 'node2');
      await eventually('a pass', async () => (await counters()).passes > passes);
      return counters();
    };
    /** How often the whole network was compared meanwhile. */
    const comeAndGo = async (): Promise<number> => {
      const before = await allJudged('changeNode');
      await Promise.all(requests.map((request) => node.ask('attach', request)));
      await Promise.all(requests.map(({ id }) => node.ask('detach', id)));
      await eventually('no link is left', () => veths() === 1);
      return (await allJudged('removeNode')).fullPasses - before.fullPasses;
    };

    // Once in 30 s everything is compared without a cause.
    t.ok((await comeAndGo()) === 0 || (await comeAndGo()) === 0, 'cost no look at the whole network');
  });

  t.test('nothing is left behind', (t) => {
    t.same(listNamespaces(testNamespace('')), []);
    t.end();
  });
}
