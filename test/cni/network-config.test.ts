import t from 'tap';
import { parseNetworkConfig, versionOf } from '../../cni/network-config.ts';

const plain = { cniVersion: '1.1.0', name: 'weft', type: 'weft-cni' };

function parse(fields: object, args: Record<string, string> = {}) {
  return parseNetworkConfig(JSON.stringify({ ...plain, ...fields }), new Map(Object.entries(args)));
}

t.test('what a configuration must be', (t) => {
  t.match(parse({}), { version: '1.1.0', name: 'weft', wishes: {}, dns: {} });
  for (const text of ['', '{', '[]', '"x"', 'null'])
    t.throws(() => parseNetworkConfig(text, new Map()), { code: 6 }, text);
  for (const cniVersion of ['0.1.0', '0.2.0', '1.2.0', '2.0.0', '', 'x', undefined])
    t.throws(() => parse({ cniVersion }), { code: 1 }, String(cniVersion));
  for (const cniVersion of ['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'])
    t.equal(parse({ cniVersion }).version, cniVersion);
  for (const name of ['', undefined, '-x', 'a b', 'a/b'])
    t.throws(() => parse({ name }), { code: 7 }, String(name));
  t.throws(() => parse({ name: 3 }), { code: 6, message: /name is no string/ });
  t.throws(() => parse({ ipam: { type: 'host-local' } }), { code: 2, message: /ipam/ });
  t.match(parse({ ipam: {} }), { name: 'weft' });
  t.end();
});

t.test('the version to tell an error in', (t) => {
  t.equal(versionOf('{"cniVersion":"0.4.0","name":3}', '1.1.0'), '0.4.0');
  t.equal(versionOf('{"cniVersion":4}', '1.1.0'), '1.1.0');
  t.equal(versionOf('{', '1.1.0'), '1.1.0');
  t.end();
});

t.test('ips', (t) => {
  const wish = (fields: object, args = {}) => parse(fields, args).wishes.addresses;
  t.same(wish({ runtimeConfig: { ips: ['10.244.1.9/24', 'fd00::9'] } }), ['10.244.1.9', 'fd00::9']);
  t.same(wish({ args: { cni: { ips: ['10.244.1.8'] } } }), ['10.244.1.8']);
  t.same(wish({}, { IP: '10.244.1.7' }), ['10.244.1.7']);
  t.same(
    wish(
      { runtimeConfig: { ips: ['10.244.1.9'] }, args: { cni: { ips: ['10.244.1.8'] } } },
      { IP: '10.244.1.7' },
    ),
    ['10.244.1.9'],
  );
  t.throws(() => wish({ runtimeConfig: { ips: ['10.244.1'] } }), { code: 7 });
  t.throws(() => wish({ runtimeConfig: { ips: '10.244.1.9' } }), { code: 6 });
  t.throws(() => wish({ runtimeConfig: { ips: ['10.244.1.9', '10.244.1.8'] } }), { code: 7 });
  t.end();
});

t.test('mac', (t) => {
  const wish = (mac: unknown) => parse({ runtimeConfig: { mac } }).wishes.mac;
  t.equal(wish('02:00:5E:00:53:01'), '02:00:5e:00:53:01');
  t.equal(wish(''), undefined);
  t.equal(parse({}, { MAC: '02:00:5e:00:53:02' }).wishes.mac, '02:00:5e:00:53:02');
  for (const mac of ['02:00:5e:00:53', 'x', '01:00:5e:00:53:01', '00:00:00:00:00:00', '02-00-5e-00-53-01'])
    t.throws(() => wish(mac), { code: 7 }, mac);
  t.end();
});

t.test('portMappings', (t) => {
  const wish = (...portMappings: object[]) => parse({ runtimeConfig: { portMappings } }).wishes.ports;
  t.same(wish({ hostPort: 8080, containerPort: 80, protocol: 'udp', hostIP: '192.0.2.1' }), [
    { hostPort: 8080, containerPort: 80, protocol: 'UDP', hostIP: '192.0.2.1' },
  ]);
  t.same(wish({ hostPort: 8080, containerPort: 80, hostIP: '0.0.0.0' }), [
    { hostPort: 8080, containerPort: 80, protocol: 'TCP' },
  ]);
  t.equal(wish({ hostPort: 0, containerPort: 80 }), undefined);
  for (const wrong of [
    { hostPort: 65536, containerPort: 80 },
    { hostPort: 80, containerPort: 0 },
    { hostPort: 80, containerPort: 80, protocol: 'icmp' },
    { hostPort: 80, containerPort: 80, hostIP: 'here' },
  ])
    t.throws(() => wish(wrong), { code: 7 }, JSON.stringify(wrong));
  t.same(
    wish({ HostPort: 8080, ContainerPort: 80, Protocol: 'udp', HostIP: '' }),
    [{ hostPort: 8080, containerPort: 80, protocol: 'UDP' }],
    'as containerd writes it: Go takes names in any case',
  );
  t.throws(() => wish({ hostPort: '80' }), { code: 6, message: 'runtimeConfig.portMappings[0].hostPort' });
  t.end();
});

t.test('bandwidth', (t) => {
  const wish = (bandwidth: object) => parse({ runtimeConfig: { bandwidth } }).wishes.bandwidth;
  t.same(wish({ ingressRate: 1000, ingressBurst: 2000, egressRate: 0, egressBurst: 0 }), {
    ingress: { rate: 1000, burst: 2000 },
  });
  t.same(wish({ egressRate: 5, egressBurst: 6 }), { egress: { rate: 5, burst: 6 } });
  t.same(
    wish({ IngressRate: 5, IngressBurst: 0xffff_ffff }),
    { ingress: { rate: 5 } },
    'as containerd says it',
  );
  t.equal(wish({}), undefined);
  t.throws(() => wish({ ingressRate: 1000 }), { code: 7 });
  t.throws(() => wish({ ingressRate: -1, ingressBurst: 1 }), { code: 6 });
  t.end();
});

t.test('dns', (t) => {
  const dns = { nameservers: ['10.96.0.10'], search: ['svc.cluster.local'] };
  t.same(parse({ dns }).dns, dns);
  const runtime = { servers: ['192.0.2.53'], searches: ['example.org'], options: ['ndots:5'] };
  t.same(parse({ dns, runtimeConfig: { dns: runtime } }).dns, {
    nameservers: ['192.0.2.53'],
    search: ['example.org'],
    options: ['ndots:5'],
  });
  t.end();
});

t.test('ipRanges', (t) => {
  const wish = (...ipRanges: object[]) => parse({ runtimeConfig: { ipRanges } }).wishes.spans;
  t.same(wish([{ subnet: '10.244.1.0/24', rangeStart: '10.244.1.9' }], [{ subnet: 'fd00::/120' }]), [
    { first: '10.244.1.9', last: '10.244.1.255' },
    { first: 'fd00::', last: 'fd00::ff' },
  ]);
  t.throws(() => wish([{ subnet: '10.244.1.0' }]), { code: 7 });
  t.throws(() => wish([{ subnet: '10.244.1.0/24', rangeEnd: 'x' }]), { code: 7 });
  t.throws(() => wish({ subnet: '10.244.1.0/24' }), { code: 6 });
  t.end();
});

t.test('the pod', (t) => {
  const pod = { K8S_POD_NAMESPACE: 'default', K8S_POD_NAME: 'web', K8S_POD_UID: 'u1' };
  t.same(parse({}, pod).wishes.pod, { namespace: 'default', name: 'web', uid: 'u1' });
  t.equal(parse({}, { K8S_POD_NAMESPACE: 'default' }).wishes.pod, undefined);
  t.end();
});

t.test('what GC shall leave', (t) => {
  const list = (value: unknown) => parse({ 'cni.dev/valid-attachments': value }).validAttachments;
  t.same(list([{ containerID: 'c1', ifname: 'eth0' }]), [{ containerID: 'c1', ifname: 'eth0' }]);
  t.same(list([]), []);
  t.equal(parse({}).validAttachments, undefined);
  t.throws(() => list('all'), { code: 6 });
  t.end();
});
