import t from 'tap';
import { renderHosts, renderNodeHosts } from '../../../agent/pods/hosts-file.ts';
import { parseResolvConf, podResolver, renderResolvConf } from '../../../agent/pods/resolv-conf.ts';
import type { ResolverInput } from '../../../agent/pods/resolv-conf.ts';

const node = { nameservers: ['192.0.2.53'], searches: ['example.org'], options: ['timeout:1'] };

function resolver(input: Partial<ResolverInput>): string {
  return renderResolvConf(
    podResolver({
      namespace: 'shop',
      dnsPolicy: 'ClusterFirst',
      hostNetwork: false,
      cluster: { dnsIPs: ['10.96.0.10', 'fd00:10:96::a'], zone: 'cluster.local' },
      node,
      ...input,
    }),
  );
}

const ofNode = 'nameserver 192.0.2.53\nsearch example.org\noptions timeout:1\n';
const ofCluster =
  'nameserver 10.96.0.10\nnameserver fd00:10:96::a\nsearch shop.svc.cluster.local svc.cluster.local cluster.local example.org\noptions ndots:5\n';

t.test('resolv.conf by dnsPolicy', (test) => {
  test.equal(resolver({}), ofCluster);
  test.equal(resolver({ hostNetwork: true }), ofNode);
  test.equal(resolver({ dnsPolicy: 'ClusterFirstWithHostNet', hostNetwork: true }), ofCluster);
  test.equal(resolver({ dnsPolicy: 'Default' }), ofNode);
  test.equal(resolver({ dnsPolicy: 'None' }), '');
  test.equal(resolver({ cluster: { dnsIPs: [], zone: 'cluster.local' } }), ofNode);
  test.end();
});

t.test('dnsConfig adds and overrides', (test) => {
  const dnsConfig = {
    nameservers: ['192.0.2.1', '192.0.2.2', '10.96.0.10'],
    searches: ['extra.test', 'cluster.local'],
    options: [{ name: 'ndots', value: '1' }, { name: 'edns0' }],
  };
  test.equal(
    resolver({ dnsConfig }),
    'nameserver 10.96.0.10\nnameserver fd00:10:96::a\nnameserver 192.0.2.1\nsearch shop.svc.cluster.local svc.cluster.local cluster.local example.org extra.test\noptions ndots:1 edns0\n',
  );
  test.equal(
    resolver({ dnsPolicy: 'None', dnsConfig: { nameservers: ['192.0.2.9'] } }),
    'nameserver 192.0.2.9\n',
  );
  test.end();
});

t.test("the node's resolv.conf is read as glibc reads it", (test) => {
  const text =
    '# comment\nnameserver 192.0.2.1 ignored\nnameserver ::1\nsearch a.test\nsearch b.test c.test .\n; x\noptions ndots:2 rotate\noptions edns0\n';
  test.strictSame(parseResolvConf(text), {
    nameservers: ['192.0.2.1', '::1'],
    searches: ['b.test', 'c.test'],
    options: ['ndots:2', 'rotate', 'edns0'],
  });
  test.end();
});

t.test('/etc/hosts', (test) => {
  const input = { hostname: 'web', namespace: 'shop', zone: 'cluster.local', ips: ['10.244.1.2', 'fd00::2'] };
  const own = renderHosts({ ...input, aliases: [] });
  test.ok(own.startsWith('# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n'));
  test.ok(own.endsWith('\n10.244.1.2\tweb\nfd00::2\tweb\n'));
  const aliases = [{ ip: '192.0.2.7', hostnames: ['a.test', 'b.test'] }];
  const full = renderHosts({ ...input, subdomain: 'db', aliases });
  test.match(full, '10.244.1.2\tweb.db.shop.svc.cluster.local\tweb\n');
  test.ok(full.endsWith('\n# Entries added by HostAliases.\n192.0.2.7\ta.test\tb.test\n'));
  test.equal(
    renderNodeHosts('127.0.0.1 localhost\n', []),
    '# Kubernetes-managed hosts file (host network).\n127.0.0.1 localhost\n',
  );
  test.end();
});
