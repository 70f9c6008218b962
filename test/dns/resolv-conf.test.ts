import t from 'tap';
import { listUpstreams, parseResolvConf } from '../../dns/resolv-conf.ts';

const RESOLVED = '/run/systemd/resolve/resolv.conf';

function list(files: Record<string, string>, configured: string[] = [], own: string[] = ['10.96.0.10']) {
  return listUpstreams({ configured, own, readFile: (path) => files[path] });
}

t.test('resolv.conf as resolv.conf(5) describes it', (t) => {
  const text = `
# a comment
nameserver 192.0.2.1 # another
nameserver\t2001:db8::1
;nameserver 192.0.2.9
domain old.test
search a.test b.test
options ndots:5 edns0
options rotate
nonsense x`;
  t.strictSame(parseResolvConf(text), {
    nameservers: ['192.0.2.1', '2001:db8::1'],
    searches: ['a.test', 'b.test'],
    options: ['ndots:5', 'edns0', 'rotate'],
  });
  t.strictSame(parseResolvConf(''), { nameservers: [], searches: [], options: [] });
  t.end();
});

t.test('configured servers come first, in every spelling', (t) => {
  const { servers, source } = list({ '/etc/resolv.conf': 'nameserver 192.0.2.9' }, [
    '192.0.2.1',
    '192.0.2.2:5353',
    '2001:db8::1',
    '[2001:db8::2]:5353',
    '[2001:db8::3]',
  ]);
  t.equal(source, 'configuration');
  t.strictSame(servers, [
    { host: '192.0.2.1', port: 53 },
    { host: '192.0.2.2', port: 5353 },
    { host: '2001:db8::1', port: 53 },
    { host: '2001:db8::2', port: 5353 },
    { host: '2001:db8::3', port: 53 },
  ]);
  for (const wrong of ['dns.example.test', '192.0.2.1:0', '192.0.2.1:70000', '[192.0.2.1', '']) {
    t.throws(() => list({}, [wrong]), { code: 'BadRecord' }, wrong);
  }
  t.end();
});

t.test("the node's servers; a local resolver is one of them", (t) => {
  const { servers, source, skipped } = list({
    '/etc/resolv.conf': 'nameserver 127.0.0.1\nnameserver 192.0.2.1',
  });
  t.equal(source, '/etc/resolv.conf');
  t.strictSame(
    servers.map(({ host }) => host),
    ['127.0.0.1', '192.0.2.1'],
  );
  t.strictSame(skipped, []);
  t.end();
});

t.test("systemd-resolved's stub is replaced by the servers behind it, with an explanation", (t) => {
  const { servers, source, skipped } = list({
    '/etc/resolv.conf': 'nameserver 127.0.0.53',
    [RESOLVED]: 'nameserver 192.0.2.1\nnameserver 192.0.2.2',
  });
  t.equal(source, RESOLVED);
  t.strictSame(
    servers.map(({ host }) => host),
    ['192.0.2.1', '192.0.2.2'],
  );
  t.match(skipped, [/127\.0\.0\.53 .* systemd-resolved/]);
  t.strictSame(list({ '/etc/resolv.conf': 'nameserver 127.0.0.53' }).servers, []);
  t.end();
});

t.test('our own address is never asked, however it is written', (t) => {
  const { servers, skipped } = list(
    { '/etc/resolv.conf': 'nameserver 10.96.0.10\nnameserver fd00:10:96:0:0:0:0:a\nnameserver 192.0.2.1' },
    [],
    ['10.96.0.10', 'fd00:10:96::a'],
  );
  t.strictSame(
    servers.map(({ host }) => host),
    ['192.0.2.1'],
  );
  t.match(skipped, [/10\.96\.0\.10 .* ask itself/, /fd00/]);
  t.equal(list({}, ['10.96.0.10:5353']).servers.length, 1, 'another server on the same address');
  t.strictSame(list({}).servers, [], 'no file, no servers');
  t.end();
});
