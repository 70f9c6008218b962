import t from 'tap';
import { renderHosts, renderNodeHosts } from '../../../agent/pods/hosts-file.ts';
import { nodeResolver, podResolver, renderResolvConf } from '../../../agent/pods/resolv-conf.ts';
import type { PodResolver, ResolverInput } from '../../../agent/pods/resolv-conf.ts';

const node = { nameservers: ['192.0.2.53'], searches: ['example.org'], options: ['timeout:1'] };

function resolve(input: Partial<ResolverInput>): PodResolver {
  return podResolver({
    namespace: 'shop',
    dnsPolicy: 'ClusterFirst',
    hostNetwork: false,
    cluster: { dnsIPs: ['10.96.0.10', 'fd00:10:96::a'], zone: 'cluster.local' },
    node,
    ...input,
  });
}

function resolver(input: Partial<ResolverInput>): string {
  return renderResolvConf(resolve(input).resolver);
}

/** The last line of a pod's search domains, and what is told of those that are missing. */
function searchesOf(input: Partial<ResolverInput>): { searches: string[]; warnings: string[] } {
  const { resolver, warnings } = resolve(input);
  return {
    searches: [...resolver.searches],
    warnings: warnings.map(({ reason, message }) => `${reason}: ${message}`),
  };
}

const ofShop = ['shop.svc.cluster.local', 'svc.cluster.local', 'cluster.local'];

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

t.test('what is more than resolvers read is left out and told', (test) => {
  const nameservers = ['192.0.2.1', '192.0.2.2', '192.0.2.3'];
  const many = resolve({ dnsConfig: { nameservers } });
  test.strictSame(many.resolver.nameservers, ['10.96.0.10', 'fd00:10:96::a', '192.0.2.1']);
  test.strictSame(many.warnings, [
    {
      reason: 'DNSConfigForming',
      message:
        'resolvers read 3 nameservers: 192.0.2.2 192.0.2.3 are left out; applied: 10.96.0.10 fd00:10:96::a 192.0.2.1',
    },
  ]);
  test.strictSame(
    resolve({ dnsPolicy: 'None', dnsConfig: { nameservers } }).warnings,
    [],
    'three are none too many',
  );

  const domains = Array.from({ length: 32 }, (_, index) => `d${index}.test`);
  const full = searchesOf({ node: { ...node, searches: domains } });
  test.strictSame(full.searches, [...ofShop, ...domains.slice(0, 29)]);
  test.match(full.warnings, [
    /^DNSConfigForming: .*: d29.test d30.test d31.test are left out; applied: shop\.svc/,
  ]);
  test.strictSame(searchesOf({ node: { ...node, searches: domains.slice(0, 29) } }).warnings, [], '32 fit');

  const long = `${'a'.repeat(63)}.`.repeat(4).slice(0, 254);
  const tooLong = searchesOf({ dnsConfig: { searches: [long, 'after.test'] } });
  test.strictSame(tooLong.searches, [...ofShop, 'example.org', 'after.test']);
  test.match(tooLong.warnings, [/: aaaaaaaaaa.*… is left out; applied: /]);

  const wide = Array.from({ length: 10 }, (_, index) => `${index}${long.slice(0, 198)}`);
  const cut = searchesOf({
    dnsPolicy: 'None',
    dnsConfig: { nameservers: ['192.0.2.9'], searches: [...wide, 'z'.repeat(49)] },
  });
  test.strictSame(cut.searches, wide.slice(0, 10), '1999 characters');
  test.equal(cut.warnings.length, 1);
  const exact = { nameservers: ['192.0.2.9'], searches: [...wide, 'z'.repeat(48)] };
  test.strictSame(searchesOf({ dnsPolicy: 'None', dnsConfig: exact }).warnings, [], '2048 characters fit');
  test.end();
});

t.test('a cluster without DNS addresses is told', (test) => {
  const cluster = { dnsIPs: [], zone: 'cluster.local' };
  test.match(resolve({ cluster }).warnings, [{ reason: 'MissingClusterDNS' }]);
  test.strictSame(resolve({ cluster, dnsPolicy: 'Default' }).warnings, []);
  test.strictSame(resolve({ cluster, hostNetwork: true }).warnings, []);
  test.end();
});

t.test('what the node itself uses', (test) => {
  const files: Record<string, string> = {
    '/etc/resolv.conf': 'nameserver 192.0.2.1\nnameserver ::1\nsearch b.test .\noptions ndots:2 rotate\n',
    '/run/systemd/resolve/resolv.conf': 'nameserver 192.0.2.7\nsearch real.test\n',
  };
  const read = (upstreams: string[], changes: Record<string, string> = {}): string =>
    renderResolvConf(nodeResolver({ upstreams, readFile: (path) => ({ ...files, ...changes })[path] ?? '' }));
  test.equal(read([]), 'nameserver 192.0.2.1\nnameserver ::1\nsearch b.test .\noptions ndots:2 rotate\n');
  test.equal(
    read(['192.0.2.53', '192.0.2.54:5353']),
    'nameserver 192.0.2.53\nsearch b.test .\noptions ndots:2 rotate\n',
    'a port cannot be written',
  );
  test.equal(read(['192.0.2.54:5353']), read([]));
  const stub = { '/etc/resolv.conf': 'nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch b.test\n' };
  test.equal(read([], stub), 'nameserver 192.0.2.7\nsearch real.test\n');
  const without = { ...stub, '/run/systemd/resolve/resolv.conf': '' };
  test.equal(read([], without), 'nameserver 127.0.0.53\nsearch b.test\noptions edns0 trust-ad\n');
  test.equal(read([], { '/etc/resolv.conf': '' }), '');
  const { searches } = resolve({ node: { nameservers: [], searches: ['.'], options: [] } }).resolver;
  test.strictSame(searches, ofShop, "systemd-resolved's root is no use in a cluster");
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
