import type { Test } from 'tap';

import { addresses } from '../network.ts';
import type { FamilyName } from '../network.ts';
import { servedPort } from './objects.ts';
import type { Draft } from './objects.ts';
import { PacketWatch, sendSctpInit } from './packets.ts';
import type { Part, Question, Scene } from './scene.ts';

async function nodePortElsewhere(t: Test, scene: Scene): Promise<void> {
  await scene.put({ name: 'web', nodePort: 30_999, to: ['pod2'] });
  await scene.ask(t, [
    ['pod1', 'node:30999', 'pod2 sees pod1', "the node's address: the Service"],
    ['outside', 'also:30999', 'pod2 sees bridge', 'another address of the node: the Service'],
    ['pod1', 'bridge:30999', 'host sees pod1', "the pod bridge's: the host's own listener"],
    ['node', 'loopback:30999', 'host sees loopback', "loopback: the host's own listener"],
    ['pod1', 'dns:30999', 'refused', 'the DNS address: nobody'],
    ['pod1', 'web:30999', 'refused', 'the clusterIP: nobody'],
  ]);
  await scene.drop('web');
}

/** The node's own server of that port stands for its vxlan. */
async function tunnelPort(t: Test, scene: Scene): Promise<void> {
  await scene.put({ name: 'web', nodePort: servedPort, to: [] });
  await scene.ask(t, [['outside', `node:${servedPort}`, 'node sees outside', 'no Service’s']], ['udp']);
  await scene.ask(t, [['outside', `node:${servedPort}`, 'refused', 'it is UDP’s alone']], ['tcp']);
  await scene.drop('web');
  const ports = [{ name: 'a', protocol: 'UDP', port: servedPort, targetPort: servedPort }];
  await scene.put({ name: 'same', ports, to: [] });
  await scene.ask(
    t,
    [
      ['node', `same:${servedPort}`, 'refused', 'at a Service’s address it is the Service’s'],
      ['node', `unallocated:${servedPort}`, 'refused', 'so at one that nobody has'],
    ],
    ['udp'],
  );
  await scene.put({ name: 'same', ports, to: ['far'] });
  await scene.ask(t, [['node', `same:${servedPort}`, 'far sees node', 'and is served']], ['udp']);
  await scene.drop('same');
}

async function nodePortAddresses(t: Test, scene: Scene): Promise<void> {
  const choose = async (...chosen: readonly string[]): Promise<void> => {
    scene.nodePortAddresses = chosen;
    await scene.backend.sync(scene.rules());
  };
  const also: Question[] = [
    ['outside', 'also:30004', 'pod2 sees bridge', 'the address that was chosen'],
    ['outside', 'node:30004', 'refused', 'not the other one'],
  ];
  await scene.put({ name: 'web', nodePort: 30_004, to: ['pod2'] });
  await choose('primary');
  await scene.ask(t, [
    ['outside', 'node:30004', 'pod2 sees bridge', 'primary: the address in nodeIPs'],
    ['node', 'node:30004', 'pod2 sees bridge', 'also from the node itself'],
    ['outside', 'also:30004', 'refused', 'and no other'],
  ]);
  await choose('192.0.2.100/31', '2001:db8::100/127');
  await scene.ask(t, also);
  await choose('0.0.0.0/0', '::/0');
  await scene.ask(t, [
    ['outside', 'node:30004', 'pod2 sees bridge', 'everything: each address of the node'],
    ['outside', 'also:30004', 'pod2 sees bridge', 'likewise'],
    ['pod1', 'bridge:30004', 'refused', 'but never the pod bridge'],
    ['pod1', 'dns:30004', 'refused', 'nor the DNS address'],
    ['pod1', 'web:30004', 'refused', 'nor a Service address'],
  ]);
  await choose();
  await scene.drop('web');
}

async function externalAddresses(t: Test, scene: Scene): Promise<void> {
  await scene.put({ name: 'web', external: true, balancer: true, to: ['far'] });
  for (const kind of ['external', 'balancer']) {
    await scene.ask(t, [
      ['outside', `web/${kind}:80`, 'far sees node', 'from outside'],
      ['pod1', `web/${kind}:80`, 'far sees pod1', 'from a pod'],
      ['node', `web/${kind}:80`, 'far sees node', 'from the node'],
    ]);
  }
  await scene.drop('web');
}

async function ipModeProxy(t: Test, scene: Scene): Promise<void> {
  await scene.put({ name: 'web', balancer: 'Proxy', nodePort: 30_005, to: ['pod2'] });
  for (const family of scene.families) {
    const { address } = scene.locate(family, 'web/balancer:80');
    const there = [address, 'dev', 'lo'];
    // Without nodad an IPv6 address is tentative for a moment, on loopback too.
    await scene.network.exec(
      'outside',
      'ip',
      'address',
      'add',
      ...there,
      ...(family === 'ipv6' ? ['nodad'] : []),
    );
    await scene.network.serve('outside', 'balancer', 'tcp', address, 80);
    const answer = await scene.network.ask('node', 'tcp', address, 80);
    t.equal(
      scene.describe(family, answer),
      'balancer sees node',
      `${family}: packets go to the load balancer itself`,
    );
    await scene.network.exec('outside', 'ip', 'address', 'delete', ...there);
  }
  await scene.ask(t, [['outside', 'node:30005', 'pod2 sees bridge', 'which comes back by the NodePort']]);
  await scene.drop('web');
}

async function independentProtocols(t: Test, scene: Scene): Promise<void> {
  const port = (protocol: 'TCP' | 'UDP', name: string): Draft['ports'] => [
    { name, protocol, port: 80, targetPort: 8080, nodePort: 30_006 },
  ];
  await scene.put(
    { name: 'stream', ports: port('TCP', 'a'), nodePort: 30_006, to: ['pod1'] },
    { name: 'datagram', ports: port('UDP', 'b'), nodePort: 30_006, to: ['far'] },
  );
  await scene.ask(
    t,
    [['outside', 'node:30006', 'pod1 sees bridge', 'one Service has the NodePort over TCP']],
    ['tcp'],
  );
  await scene.ask(t, [['outside', 'node:30006', 'far sees node', 'another has it over UDP']], ['udp']);
  await scene.ask(t, [['node', 'stream:80', 'refused', 'a Service of TCP only']], ['udp']);
  await scene.ask(t, [['node', 'datagram:80', 'refused', 'a Service of UDP only']], ['tcp']);
  await scene.drop('stream', 'datagram');
}

const icmp = { ipv4: 'icmp type', ipv6: 'icmpv6 type' } as const;

async function sctp(t: Test, scene: Scene): Promise<void> {
  const { network, families } = scene;
  const ports: Draft['ports'] = [
    { name: 'association', protocol: 'SCTP', port: 80, targetPort: 8080, nodePort: 30_007 },
    { name: 'stream', protocol: 'TCP', port: 80, targetPort: 8080, nodePort: 30_007 },
  ];
  const draft = { name: 'web', ports, nodePort: 30_007, external: true, balancer: true } as const;
  const targets = ['web:80', 'web/external:80', 'web/balancer:80', 'node:30007'];
  const send = (): void => {
    for (const family of families) {
      for (const target of targets) {
        const { address, port } = scene.locate(family, target);
        sendSctpInit(network, 'pod1', family, address, port);
      }
    }
  };
  await scene.put({ ...draft, to: ['pod2'] });
  const arrivals = families.map((family) => `meta nfproto ${family} meta l4proto sctp th dport 8080`);
  {
    await using pod2 = await PacketWatch.start(network, 'pod2', arrivals);
    send();
    await pod2.until(targets.length * families.length);
    t.equal(
      await pod2.count(),
      targets.length * families.length,
      'each kind of address leads to the endpoint',
    );
  }
  await scene.put({ ...draft, to: [] });
  const refusals = families.map((family) => `${icmp[family]} destination-unreachable`);
  await using pod1 = await PacketWatch.start(network, 'pod1', refusals);
  await using pod2 = await PacketWatch.start(network, 'pod2', arrivals);
  send();
  await pod1.until(targets.length * families.length);
  t.equal(await pod2.count(), 0, 'without endpoints each refuses');
  await scene.drop('web');
}

const lengths = { ipv4: '32', ipv6: '128' } as const;

async function sourceRanges(t: Test, scene: Scene): Promise<void> {
  const put = (...ranges: readonly string[]) =>
    scene.put({
      name: 'web',
      balancer: true,
      external: true,
      nodePort: 30_008,
      to: ['pod1'],
      spec: { loadBalancerSourceRanges: [...ranges] },
    });
  const hosts = (...names: ('outside' | 'pod2' | 'node')[]): string[] =>
    scene.families.flatMap((family) => names.map((name) => `${addresses[family][name]}/${lengths[family]}`));
  const strangers = ['203.0.113.0/24 ', ' 2001:db8:99::/64'];
  await put(...strangers, ...hosts('outside').map((range) => `  ${range}\t`));
  await scene.ask(t, [
    ['outside', 'web/balancer:80', 'pod1 sees bridge', 'a listed source, white space around it'],
    ['pod2', 'web/balancer:80', 'nothing', 'a pod that is not listed'],
    ['peer', 'node:30008', 'pod1 sees bridge', 'the NodePort is not filtered'],
    ['pod2', 'node:30008', 'pod1 sees pod2', 'for nobody'],
    ['pod2', 'web/external:80', 'pod1 sees pod2', 'nor is the externalIP'],
    ['pod2', 'web:80', 'pod1 sees pod2', 'nor the clusterIP'],
    ['node', 'web/balancer:80', 'nothing', 'a process of the node, which is not listed'],
  ]);
  await put(...hosts('pod2', 'node'));
  await scene.ask(t, [
    ['outside', 'web/balancer:80', 'nothing', 'a source that is no longer listed'],
    ['pod2', 'web/balancer:80', 'pod1 sees pod2', 'a pod that is listed'],
    ['node', 'web/balancer:80', 'pod1 sees bridge', 'the node, listed'],
  ]);
  await put('203.0.113.0/24', '2001:db8:99::/64');
  await scene.ask(t, [['pod2', 'web/balancer:80', 'nothing', 'nobody of this network is listed']]);
  await scene.drop('web');
}

async function oneFamilyRanges(t: Test, scene: Scene): Promise<void> {
  const own: FamilyName = scene.families[0] ?? 'ipv4';
  const other = own === 'ipv4' ? '2001:db8::/64' : '192.0.2.0/24';
  await scene.put({ name: 'web', balancer: true, to: ['pod1'], spec: { loadBalancerSourceRanges: [other] } });
  for (const family of scene.families) {
    const { address } = scene.locate(family, 'web/balancer:80');
    const answer = await scene.network.ask('outside', 'tcp', address, 80, { timeoutMs: 400 });
    const expected = family === own ? 'nothing' : 'pod1 sees bridge';
    t.equal(scene.describe(family, answer), expected, `${family}: a list of ${other} only`);
  }
  await scene.drop('web');
}

async function notOurs(t: Test, scene: Scene): Promise<void> {
  const before = await listing(scene);
  const to = ['pod2'] as const;
  await scene.put(
    { name: 'headless', to, spec: { clusterIP: 'None', clusterIPs: ['None'] } },
    { name: 'elsewhere', to, spec: { type: 'ExternalName', externalName: 'example.com', clusterIPs: [] } },
    {
      name: 'marked',
      to,
      external: true,
      nodePort: 30_009,
      labels: { 'service.kubernetes.io/headless': '' },
    },
    {
      name: 'proxied',
      to,
      external: true,
      labels: { 'service.kubernetes.io/service-proxy-name': 'another' },
    },
  );
  t.equal(await listing(scene), before, 'no rule for any of them');
  const { network } = scene;
  for (const family of scene.families) {
    const ip = family === 'ipv4' ? 'ip' : 'ip6';
    const { address } = scene.locate(family, 'proxied:80');
    const rule = `${ip} daddr ${address} tcp dport 80 dnat ${ip} to ${addresses[family].pod2}`;
    const chain = 'type nat hook prerouting priority -101;';
    await network.exec(
      'node',
      'nft',
      `table ${ip} another { chain c { ${chain} ${rule}:8080; }; }`.replace(
        /to (\S+:\S+):8080/,
        'to [$1]:8080',
      ),
    );
  }
  await scene.ask(
    t,
    [['pod1', 'proxied:80', 'pod2 sees pod1', 'the other proxy serves its Service']],
    ['tcp'],
  );
  for (const family of scene.families) {
    await network.exec('node', 'nft', 'delete', 'table', family === 'ipv4' ? 'ip' : 'ip6', 'another');
  }
  await scene.drop('headless', 'elsewhere', 'marked', 'proxied');
}

/** All rules of the node, counters and generated handles aside. */
async function listing({ network, subject, families }: Scene): Promise<string> {
  const texts = families.map((family) => {
    const [program = '', ...args] = subject.list[family];
    return network.exec('node', program, ...args);
  });
  return (await Promise.all(texts)).join('\n').replaceAll(/^#.*$|\[\d+:\d+\]/gm, '');
}

async function families(t: Test, scene: Scene): Promise<void> {
  for (const family of scene.families) {
    const only = { name: 'web', nodePort: 30_010, external: true } as const;
    await scene.put({ ...only, slices: [{ endpoints: ['pod2'], families: [family] }] });
    for (const each of scene.families) {
      for (const to of ['web:80', 'web/external:80', 'node:30010']) {
        const { address, port } = scene.locate(each, to);
        const got = scene.describe(each, await scene.network.ask('pod1', 'tcp', address, port));
        const wanted = each === family ? 'pod2 sees pod1' : 'refused';
        t.equal(got, wanted, `endpoints of ${family} only: ${each} ${to}`);
      }
    }
  }
  await scene.drop('web');
}

export const addressParts: readonly Part[] = [
  { title: 'NodePort on every address of the node, and on no other', run: nodePortElsewhere },
  { title: 'the port of the vxlan is no NodePort', run: tunnelPort },
  { title: 'nodePortAddresses: ranges and primary', run: nodePortAddresses },
  { title: 'externalIPs and load balancer addresses', run: externalAddresses },
  { title: 'a load balancer address whose ipMode is Proxy', run: ipModeProxy },
  { title: 'TCP and UDP are independent on one port number', run: independentProtocols },
  { title: 'SCTP, at every kind of address', run: sctp },
  { title: 'loadBalancerSourceRanges', run: sourceRanges },
  { title: 'loadBalancerSourceRanges of one family only', run: oneFamilyRanges },
  { title: "headless, ExternalName and other proxies' Services", run: notOurs },
  { title: 'the families of a Service are independent', run: families },
];
