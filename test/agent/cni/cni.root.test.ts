import { existsSync, mkdirSync, readFileSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { listNamespaces, namespacePath } from '../../../netns/namespace.ts';
import { skipUnlessRoot } from '../../root.ts';
import type { TestNode } from '../network/cluster-fixture.ts';
import { eventually, ip, pings, run, TestCluster } from '../network/cluster-fixture.ts';
import { firstAddress, makeContainer, ownerOf, ServingNode } from './node.ts';

const versions = ['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'];

if (skipUnlessRoot(t)) {
  t.test('a container runtime calls', async (t) => {
    await using cluster = new TestCluster(1);
    const [node] = cluster.nodes as [TestNode];
    const serving = new ServingNode(node);
    const { plugin, runDir } = serving;
    const cniDir = path.join(node.settings.stateDir, 'cni');
    const notes = path.join(runDir, 'cni-gone');
    const a = makeContainer('a');
    mkdirSync(node.settings.stateDir);

    await t.test('without an agent', async (t) => {
      t.match(await plugin.call({ verb: 'STATUS' }), { exitCode: 1, said: { code: 50 } });
      for (const verb of ['ADD', 'CHECK', 'GC'])
        t.match(await plugin.call({ verb, ...a }), { exitCode: 1, said: { code: 11 } }, verb);
      t.match(await plugin.call({ verb: 'VERSION' }), { exitCode: 0, said: { supportedVersions: versions } });
      t.same(await plugin.call({ verb: 'DEL', ...a }), { exitCode: 0, said: undefined });
      const bad = await plugin.call({ verb: 'DEL', containerId: '../../etc/passwd' });
      t.match(bad, { exitCode: 1, said: { code: 4 } }, 'no file is named by what is no id');
      t.same(readdirSync(notes), [`${a.containerId}:eth0`]);
    });

    await t.test('before the network is up, and when it comes up', async (t) => {
      await serving.start([]);
      t.same(readdirSync(notes), [], 'the note is done with');
      t.equal(statSync(path.join(runDir, 'cni.sock')).mode & 0o777, 0o600);
      t.match(await plugin.call({ verb: 'STATUS' }), { exitCode: 1, said: { code: 50 } });
      t.notOk(existsSync(cniDir), 'runtimes are not told of it yet');
      const waiting = plugin.add(a);
      await node.ask('setNodes', cluster.objects());
      t.match(await waiting, { ips: [{ address: '10.244.1.2/32' }, { address: 'fd00:10:244:1::2/128' }] });
      await plugin.succeed({ verb: 'DEL', ...a });
      const file = path.join(cniDir, 'net.d', '10-weft.conflist');
      await eventually('runtimes are told', () => existsSync(file));
      t.same(readdirSync(path.dirname(file)), ['10-weft.conflist'], 'no temporary file is beside it');
      const { plugins } = JSON.parse(readFileSync(file, 'utf8')) as { plugins: { type: string }[] };
      t.equal(statSync(path.join(cniDir, 'bin', plugins[0]?.type ?? '')).mode & 0o777, 0o755);
    });

    await t.test('VERSION and STATUS', async (t) => {
      const { said } = await plugin.call({ verb: 'VERSION', config: { cniVersion: '0.4.0' } });
      t.same(said, { cniVersion: '0.4.0', supportedVersions: versions });
      t.same(await plugin.call({ verb: 'STATUS' }), { exitCode: 0, said: undefined });
    });

    await t.test('ADD makes an interface and tells of it', async (t) => {
      const result = await plugin.add({ ...a, ifname: 'net7' });
      const [host, inside] = result.interfaces;
      const [link] = ip(a.netns, 'address', 'show', 'net7');
      t.match(link, { address: inside?.mac, mtu: inside?.mtu, operstate: 'UP' });
      t.equal(inside?.sandbox, a.netns);
      t.match(ip(node.namespace, 'link', 'show', host?.name ?? ''), [{ address: host?.mac, mtu: host?.mtu }]);
      const present = link?.['addr_info'] as { local: string; prefixlen: number }[];
      t.same(
        result.ips.map(({ address }) => address),
        present.map(({ local, prefixlen }) => `${local}/${prefixlen}`),
      );
      t.same(
        result.ips.map((each) => each.interface),
        [1, 1],
      );
      const flags = ['-4', '-6'];
      t.equal(result.routes.length, flags.length);
      for (const [i, { gw }] of result.routes.entries()) {
        t.match(ip(a.netns, flags[i] ?? '', 'route', 'show', 'default'), [{ gateway: gw, dev: 'net7' }]);
        t.ok(pings(a.netns, gw), `${gw} answers`);
      }
      t.same(
        serving.leases()[ownerOf(a, 'net7')]?.addresses,
        present.map(({ local }) => local),
      );
      const again = await plugin.call({ verb: 'ADD', ...a, ifname: 'net7' });
      t.match(again, { exitCode: 1, said: { code: 101 } }, 'the interface exists');
      t.ok(pings(a.netns, result.routes[0]?.gw ?? ''), 'and works on');
      await plugin.succeed({ verb: 'DEL', ...a, ifname: 'net7' });
    });

    await t.test('ADD answers in the version that is asked for', async (t) => {
      for (const cniVersion of versions) {
        const result = await plugin.add({ ...a, config: { cniVersion } });
        t.equal(result.cniVersion, cniVersion);
        t.equal(result.ips[0]?.version, cniVersion < '1' ? '4' : undefined);
        await plugin.succeed({ verb: 'DEL', ...a, config: { cniVersion } });
      }
    });

    await t.test('a failed ADD leaves nothing', async (t) => {
      const before = { links: serving.links(), leases: serving.leases() };
      run(a.netns, 'ip', 'link', 'add', 'taken0', 'type', 'bridge');
      const refused = [
        ['a namespace that is none', { netns: '/run/netns/nowhere' }, 8],
        ['a file that is no namespace', { netns: '/etc/hostname' }, 8],
        ["the node's own namespace", { netns: namespacePath(node.namespace) }, 8],
        ["somebody else's interface", { ifname: 'taken0' }, 101],
        ['another IPAM', { config: { ipam: { type: 'host-local' } } }, 2],
        ['an unknown version', { config: { cniVersion: '9.0.0' } }, 1],
        ['an address elsewhere', { args: 'IP=192.0.2.9' }, 102],
        ['the gateway', { args: 'IP=10.244.1.1' }, 102],
      ] as const;
      for (const [what, call, code] of refused) {
        const answer = await plugin.call({ verb: 'ADD', ...a, ...call });
        t.match(answer, { exitCode: 1, said: { code, msg: /\w/ } }, what);
      }
      t.same({ links: serving.links(), leases: serving.leases() }, before);
      t.same(
        ip(a.netns, 'link', 'show').map(({ ifname }) => ifname),
        ['lo', 'taken0'],
      );
      run(a.netns, 'ip', 'link', 'delete', 'taken0');
    });

    await t.test('behind another plugin', async (t) => {
      const before = { interfaces: [{ name: 'tap0' }], ips: [], routes: [], dns: {} };
      const result = await plugin.add({ ...a, config: { prevResult: { cniVersion: '1.1.0', ...before } } });
      t.match(result.interfaces, [{ name: 'tap0' }, {}, { name: 'eth0', sandbox: a.netns }]);
      t.equal(result.ips[0]?.interface, 2);
      t.match(await plugin.call({ verb: 'CHECK', ...a, config: { prevResult: result } }), { exitCode: 0 });
      await plugin.succeed({ verb: 'DEL', ...a, config: { prevResult: result } });
    });

    await t.test('what runtimes ask for', async (t) => {
      const first = '10.244.1.77';
      const subnet = 'fd00:10:244:1::/64';
      const runtimeConfig = {
        ips: [`${first}/24`],
        mac: '02:00:5e:00:53:77',
        dns: { servers: ['192.0.2.53'], searches: ['example.org'] },
        ipRanges: [[{ subnet, rangeStart: 'fd00:10:244:1::700', rangeEnd: 'fd00:10:244:1::701' }]],
      };
      const result = await plugin.add({ ...a, config: { runtimeConfig } });
      t.same(
        result.ips.map(({ address }) => address),
        [`${first}/32`, 'fd00:10:244:1::700/128'],
      );
      t.match(ip(a.netns, 'link', 'show', 'eth0'), [{ address: '02:00:5e:00:53:77' }]);
      t.same(result.dns, { nameservers: ['192.0.2.53'], search: ['example.org'] });
      t.ok(pings(node.namespace, first));
      const b = makeContainer('wishes');
      const taken = await plugin.call({ verb: 'ADD', ...b, config: { runtimeConfig } });
      t.match(taken, { exitCode: 1, said: { code: 102, msg: /10\.244\.1\.77/ } });
      await plugin.succeed({ verb: 'DEL', ...a });
      const next = await plugin.add({ ...b, config: { runtimeConfig } });
      t.equal(firstAddress(next), first, 'who names an address need not wait for it');
      await plugin.succeed({ verb: 'DEL', ...b });
      b.remove();
    });

    await t.test('a hardware address, in every way to ask for one', async (t) => {
      const mac = '02:00:5e:00:53:78';
      for (const call of [
        { config: { runtimeConfig: { mac } } },
        { config: { args: { cni: { mac } } } },
        { args: `IgnoreUnknown=1;MAC=${mac}` },
      ]) {
        const result = await plugin.add({ ...a, ...call });
        t.equal(result.interfaces[1]?.mac, mac, JSON.stringify(call));
        t.match(ip(a.netns, 'link', 'show', 'eth0'), [{ address: mac }]);
        t.ok(pings(node.namespace, firstAddress(result)));
        await plugin.succeed({ verb: 'DEL', ...a });
      }
      const none = await plugin.call({ verb: 'ADD', ...a, config: { args: { cni: { mac: 'ff:ff' } } } });
      t.match(none, { exitCode: 1, said: { code: 7 } });
    });

    await t.test('a port of the node that another container has', async (t) => {
      const config = { runtimeConfig: { portMappings: [{ hostPort: 8080, containerPort: 80 }] } };
      const late = makeContainer('late');
      await plugin.add({ ...a, config });
      const refused = await plugin.call({ verb: 'ADD', ...late, config });
      t.match(refused, { exitCode: 1, said: { code: 104, msg: /hostPort 8080\/TCP belongs to cni:a-/ } });
      t.same(Object.keys(serving.leases()), [ownerOf(a)], 'nothing is left of it');
      await plugin.succeed({ verb: 'DEL', ...a });
      await plugin.add({ ...late, config });
      await plugin.succeed({ verb: 'DEL', ...late });
      late.remove();
    });

    await t.test('DEL of what is not there', async (t) => {
      await plugin.succeed({ verb: 'DEL', ...a });
      await plugin.succeed({ verb: 'DEL', containerId: 'never-seen' });
      const gone = makeContainer('gone');
      await plugin.add(gone);
      gone.remove();
      await plugin.succeed({ verb: 'DEL', containerId: gone.containerId });
      t.same(serving.leases(), {});
      t.same(serving.links(), []);
    });

    await t.test('CHECK', async (t) => {
      const prevResult = await plugin.add(a);
      const check = (config: object = {}, containerId = a.containerId) =>
        plugin.call({ verb: 'CHECK', ...a, containerId, config: { prevResult, ...config } });
      t.same(await check(), { exitCode: 0, said: undefined });
      run(a.netns, 'ip', 'address', 'add', '192.0.2.9/32', 'dev', 'lo');
      run(a.netns, 'ip', 'route', 'add', '198.51.100.0/24', 'dev', 'eth0');
      t.match(await check(), { exitCode: 0 }, 'what others added');
      t.match(await check({ cniVersion: '0.3.1' }), { exitCode: 1, said: { code: 1 } });
      t.match(await check({ prevResult: undefined }), { exitCode: 1, said: { code: 7 } });
      t.match(await check({ prevResult: { ...prevResult, ips: [] } }), { exitCode: 1, said: { code: 110 } });
      t.match(await check({}, 'other'), { exitCode: 1, said: { code: 3 } });
      for (const damage of [
        ['ip', 'address', 'flush', 'dev', 'eth0'],
        ['ip', 'link', 'set', 'eth0', 'down'],
        ['ip', 'link', 'delete', 'eth0'],
      ]) {
        run(a.netns, ...damage);
        t.match(await check(), { exitCode: 1, said: { code: 110, msg: /eth0/ } }, damage.join(' '));
      }
      await plugin.succeed({ verb: 'DEL', ...a });
      t.match(await check(), { exitCode: 1, said: { code: 3 } });
    });

    await t.test('GC frees what is not named, of its own network', async (t) => {
      const [b, c, own] = [makeContainer('b'), makeContainer('c'), cluster.uid('own')];
      const [first] = [await plugin.add(a), await plugin.add(b)];
      await plugin.add({ ...c, config: { name: 'other' } });
      await node.ask('attach', own);
      const gc = (valid: unknown, config: object = {}) =>
        plugin.call({ verb: 'GC', config: { 'cni.dev/valid-attachments': valid, ...config } });
      const ids = () => Object.keys(serving.leases()).sort();
      const sorted = (...owners: string[]) => owners.toSorted();
      t.match(await gc([], { cniVersion: '1.0.0' }), { exitCode: 1, said: { code: 1 } });
      t.match(await gc(undefined), { exitCode: 1, said: { code: 7 } });
      t.same(ids(), sorted(ownerOf(a), ownerOf(b), ownerOf(c), own), 'a refusal frees nothing');
      t.match(await gc([{ containerID: a.containerId, ifname: 'eth0' }]), { exitCode: 0 });
      t.same(ids(), sorted(ownerOf(a), ownerOf(c), own));
      t.ok(pings(node.namespace, firstAddress(first)));
      t.match(await gc([]), { exitCode: 0 });
      t.same(ids(), sorted(ownerOf(c), own), "neither another network's nor our own pods");
      t.match(await gc([], { name: 'other' }), { exitCode: 0 });
      await node.ask('detach', own);
      t.same(ids(), []);
      b.remove();
      c.remove();
    });

    await t.test('many at once', async (t) => {
      const all = Array.from({ length: 20 }, (_, i) => makeContainer(`many${i}`));
      const results = await Promise.all(all.map((each) => plugin.add(each)));
      t.equal(new Set(results.map(firstAddress)).size, 20);
      t.ok(all.every(({ netns }) => pings(netns, '10.244.1.1')));
      await Promise.all(all.map((each) => plugin.succeed({ verb: 'DEL', ...each })));
      t.same(serving.leases(), {});
      for (const each of all) each.remove();
    });

    await t.test('a killed agent: DEL succeeds, and the next one finishes it', async (t) => {
      const [b, c] = [makeContainer('kill-b'), makeContainer('kill-c')];
      const [first] = [await plugin.add(a), await plugin.add(b), await plugin.add(c)];
      await node.kill();
      t.ok(pings(a.netns, '10.244.1.1'), 'traffic flows on');
      await plugin.succeed({ verb: 'DEL', ...b });
      c.remove();
      await serving.start(cluster.objects());
      t.same(Object.keys(serving.leases()), [ownerOf(a)], 'b was deleted, c has no namespace');
      t.same(readdirSync(notes), []);
      const check = await plugin.call({ verb: 'CHECK', ...a, config: { prevResult: first } });
      t.match(check, { exitCode: 0 }, 'a is known');
      t.same(serving.links(), [first.interfaces[0]?.name]);
      await plugin.succeed({ verb: 'DEL', ...a });
      b.remove();
    });

    await t.test('ADD after a DEL that no agent answered', async (t) => {
      const first = await plugin.add(a);
      await node.kill();
      await plugin.succeed({ verb: 'DEL', ...a });
      await serving.start(cluster.objects());
      const second = await plugin.add(a);
      t.not(firstAddress(second), firstAddress(first));
      t.ok(pings(a.netns, '10.244.1.1'));
      await plugin.succeed({ verb: 'DEL', ...a });
    });

    t.same(serving.leases(), {});
    t.same(serving.links(), []);
    await eventually('links are gone', () => serving.hasNoLink());
    a.remove();
  });

  t.test('nothing is left behind', (t) => {
    t.same(listNamespaces(`weft-test${process.pid}`), []);
    t.end();
  });
}
