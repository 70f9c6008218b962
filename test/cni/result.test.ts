import t from 'tap';
import { compareResult } from '../../cni/check.ts';
import { Fields } from '../../cni/fields.ts';
import { appendResult, parseResult, renderResult } from '../../cni/result.ts';
import type { CniResult } from '../../cni/result.ts';
import type { CniVersion } from '../../cni/versions.ts';

const result: CniResult = {
  interfaces: [
    { name: 'weft0123', mac: '02:00:5e:00:53:01', mtu: 1450 },
    { name: 'eth0', mac: '02:00:5e:00:53:02', mtu: 1450, sandbox: '/run/netns/c1' },
  ],
  ips: [
    { address: '10.244.1.5/32', gateway: '10.244.1.1', interface: 1 },
    { address: 'fd00::5/128', gateway: 'fd00::1', interface: 1 },
  ],
  routes: [{ dst: '0.0.0.0/0', gw: '10.244.1.1', mtu: 1400 }],
  dns: { nameservers: ['10.96.0.10'] },
};

function render(version: CniVersion, given: CniResult = result): Record<string, unknown> {
  return JSON.parse(renderResult(given, version)) as Record<string, unknown>;
}

t.test('a result in every version', (t) => {
  t.same(render('1.1.0'), { cniVersion: '1.1.0', ...result });
  const older = {
    interfaces: [
      { name: 'weft0123', mac: '02:00:5e:00:53:01' },
      { name: 'eth0', mac: '02:00:5e:00:53:02', sandbox: '/run/netns/c1' },
    ],
    ips: result.ips,
    routes: [{ dst: '0.0.0.0/0', gw: '10.244.1.1' }],
    dns: result.dns,
  };
  t.same(render('1.0.0'), { cniVersion: '1.0.0', ...older });
  const [v4, v6] = result.ips;
  const ips = [
    { version: '4', ...v4 },
    { version: '6', ...v6 },
  ];
  for (const version of ['0.4.0', '0.3.1', '0.3.0'] as const)
    t.same(render(version), { cniVersion: version, ...older, ips });
  t.end();
});

t.test('a result of every version is read, and passed on', (t) => {
  for (const version of ['0.3.0', '0.4.0', '1.0.0', '1.1.0'] as const) {
    const read = parseResult(new Fields(render(version)));
    t.same(render(version, read), render(version), version);
  }
  const strange = { interfaces: [{ name: 'x', vendor: 1 }], ips: [], routes: [], dns: {} };
  t.match(render('1.1.0', parseResult(new Fields(strange))), strange, 'what is unknown stays');
  t.throws(() => parseResult(new Fields({ ips: [{ address: 3 }] })), { code: 6 });
  t.end();
});

t.test('behind what another plugin made', (t) => {
  const before = { interfaces: [{ name: 'tap0' }], ips: [], routes: [], dns: {} };
  const both = appendResult(before, result);
  t.same(
    both.interfaces.map(({ name }) => name),
    ['tap0', 'weft0123', 'eth0'],
  );
  t.same(
    both.ips.map((ip) => ip.interface),
    [2, 2],
  );
  t.same(both.dns, result.dns);
  t.same(appendResult({ ...before, dns: { domain: 'x' } }, result).dns, { domain: 'x' });
  t.end();
});

t.test('CHECK: what is ours must be in it, what is more does not matter', (t) => {
  const made = { name: 'eth0', mac: '02:00:5e:00:53:02', addresses: ['10.244.1.5', 'fd00::5'] };
  const interfaces = [...result.interfaces, { name: 'eth1', sandbox: '/run/netns/c1' }];
  const ips = [...result.ips, { address: '192.0.2.9/24', interface: 2 }];
  t.same(compareResult({ ...result, interfaces, ips, routes: [] }, made), []);
  t.match(compareResult({ ...result, interfaces: [] }, made), [/no interface eth0/]);
  t.match(compareResult(result, { ...made, mac: '02:00:5e:00:53:09' }), [/hardware address/]);
  t.match(compareResult({ ...result, ips: result.ips.slice(1) }, made), [/10\.244\.1\.5/]);
  t.match(compareResult(result, { ...made, addresses: ['10.244.1.6'] }), [/10\.244\.1\.6/]);
  t.end();
});
