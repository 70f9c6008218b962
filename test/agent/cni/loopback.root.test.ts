import { existsSync, lstatSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { installCni, removeCni } from '../../../agent/cni/installation.ts';
import { createNamespace, listNamespaces, namespacePath, removeNamespace } from '../../../netns/namespace.ts';
import { skipUnlessRoot } from '../../root.ts';
import { Plugin, pluginFile } from './plugin.ts';
import { ip, run, testNamespace } from '../network/cluster-fixture.ts';

/** A directory in which the plugin has this other name, beside itself. */
function installed(t: { testdir(): string }): { places: Parameters<typeof installCni>[0]; file: string } {
  const directory = t.testdir();
  const places = { configDir: path.join(directory, 'net.d'), binDirs: [path.join(directory, 'bin')] };
  installCni(places, pluginFile, '{}\n');
  return { places, file: path.join(directory, 'bin', 'loopback') };
}

t.test('it is installed where there is none, and goes where it is ours', (t) => {
  const { places, file } = installed(t);
  t.equal(readlinkSync(file), 'weft-cni');
  installCni(places, pluginFile, '{}\n');
  t.equal(readlinkSync(file), 'weft-cni', 'again');
  removeCni(places);
  t.notOk(lstatSync(file, { throwIfNoEntry: false }));

  const theirs = [
    (): void => writeFileSync(file, 'theirs'),
    (): void => symlinkSync('/opt/other/loopback', file),
  ];
  for (const make of theirs) {
    make();
    installCni(places, pluginFile, '{}\n');
    removeCni(places);
    t.ok(lstatSync(file, { throwIfNoEntry: false }), 'what somebody else put there stays');
    rmSync(file);
  }
  t.notOk(existsSync(path.join(path.dirname(file), 'weft-cni')));
  t.end();
});

if (skipUnlessRoot(t)) {
  t.test('the plugin that containerd wants beside the network', async (t) => {
    const namespace = testNamespace('loopback');
    createNamespace(namespace).close();
    t.teardown(() => removeNamespace(namespace));
    const netns = namespacePath(namespace);
    const plugin = new Plugin('/nonexistent', installed(t).file);
    const call = { containerId: 'c1', netns, ifname: 'lo' };
    const check = (): Promise<object> => plugin.call({ ...call, verb: 'CHECK' });

    t.match(await check(), { exitCode: 1, said: { code: 110 } }, 'lo is down at first');
    const addresses = [
      { address: '127.0.0.1/8', interface: 0 },
      { address: '::1/128', interface: 0 },
    ];
    for (const cniVersion of ['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0']) {
      const families = cniVersion < '1' ? [{ version: '4' }, { version: '6' }] : [{}, {}];
      t.same(await plugin.add({ ...call, config: { cniVersion } }), {
        cniVersion,
        interfaces: [{ name: 'lo', mac: '00:00:00:00:00:00', sandbox: netns }],
        ips: addresses.map((address, i) => ({ ...families[i], ...address })),
        dns: {},
      });
    }
    t.match(ip(namespace, 'address', 'show', 'lo'), [
      { flags: ['LOOPBACK', 'UP', 'LOWER_UP'], addr_info: [{ local: '127.0.0.1' }, { local: '::1' }] },
    ]);
    t.match(await check(), { exitCode: 0 });
    t.match(await plugin.call({ ...call, verb: 'DEL' }), { exitCode: 0, said: undefined });
    t.match(await plugin.call({ verb: 'DEL', containerId: 'c1' }), { exitCode: 0 }, 'without a namespace');

    run(namespace, 'sysctl', '-q', '-w', 'net.ipv6.conf.lo.disable_ipv6=1');
    t.match((await plugin.add(call)).ips, [{ address: '127.0.0.1/8' }]);
    t.equal((await plugin.add(call)).ips.length, 1, 'no IPv6, no address of it');

    const prevResult = {
      cniVersion: '1.1.0',
      ips: [],
      interfaces: [{ name: '"}]' }],
      x: { cniVersion: '9' },
    };
    t.same(await plugin.add({ ...call, config: { prevResult } }), prevResult, 'passed on');
  });

  t.test('what it refuses', async (t) => {
    const plugin = new Plugin('/nonexistent', installed(t).file);
    const call = { containerId: 'c1', netns: '/run/netns/nowhere', ifname: 'lo' };
    const refused = [
      [{ verb: 'ADD', ...call }, 8],
      [{ verb: 'ADD', ...call, netns: '/etc/hostname' }, 8],
      [{ verb: 'ADD', ...call, netns: '' }, 4],
      [{ verb: 'PLAY', ...call }, 4],
      [{ verb: 'ADD', ...call, config: { cniVersion: '0.2.0' } }, 1],
      [{ verb: 'ADD', ...call, config: { cniVersion: undefined, deeper: { cniVersion: '1.0.0' } } }, 1],
      [{ verb: 'CHECK', ...call, config: { cniVersion: '0.3.1' } }, 1],
      [{ verb: 'GC', config: { cniVersion: '1.0.0' } }, 1],
      [{ verb: 'STATUS', config: { cniVersion: '1.0.0' } }, 1],
    ] as const;
    for (const [each, code] of refused)
      t.match(
        await plugin.call(each),
        { exitCode: 1, said: { cniVersion: '1.1.0', code } },
        JSON.stringify(each),
      );
    for (const verb of ['GC', 'STATUS']) t.match(await plugin.call({ verb }), { exitCode: 0 }, verb);
    t.match(await plugin.call({ verb: 'VERSION' }), { said: { supportedVersions: { length: 5 } } });
  });

  t.test('nothing is left behind', (t) => {
    t.same(listNamespaces(testNamespace('')), []);
    t.end();
  });
}
