import { execFileSync } from 'node:child_process';
import t from 'tap';
import { Conntrack } from '../../netns/conntrack.ts';
import type { ConntrackFilter } from '../../netns/conntrack.ts';
import { deleteConntrack, listConntrack } from '../conntrack.ts';
import { createNamespace, listNamespaces, removeNamespace, runInNamespace } from '../../netns/namespace.ts';
import { skipUnlessRoot } from '../root.ts';

const name = `weft-test${process.pid}`;
const shell = (script: string): string =>
  runInNamespace(name, () => execFileSync('bash', ['-c', script], { encoding: 'utf8' }));

/** Where the tracked connections of the namespace go to: `10.1.0.1 1001`. */
function tracked(): string[] {
  const lines = shell('cat /proc/net/nf_conntrack').trim().split('\n');
  return lines
    .flatMap((line) => /src=\S+ dst=(\S+) sport=\d+ dport=(\d+)/.exec(line)?.slice(1, 3).join(' ') ?? [])
    .map((line) => line.replace(/^(0000:){7}000/, '::').replace(/^fd00:(0000:){6}000/, 'fd00::'))
    .sort();
}

if (skipUnlessRoot(t)) {
  t.test('only what matches is forgotten', (t) => {
    createNamespace(name).close();
    t.teardown(() => removeNamespace(name));
    // A rule that looks at the connection's state is what makes the kernel track connections.
    shell(`ip link set lo up
      ip address add 10.1.0.1/32 dev lo; ip address add 10.1.0.2/32 dev lo
      ip address add fd00::1/128 dev lo nodad; ip address add fd00::2/128 dev lo nodad
      nft 'table inet t { chain c { type filter hook output priority 0; ct state new accept; }; }'
      for host in 10.1.0.1 10.1.0.2 fd00::1 fd00::2; do
        for port in 1001 1002; do echo x > /dev/udp/$host/$port; done
      done`);
    let left = tracked();
    t.equal(left.length, 8);
    const listed = runInNamespace(name, () => listConntrack('udp'));
    t.same(
      listed.map(({ origDst, origDstPort }) => `${origDst} ${origDstPort}`).sort(),
      left,
      'all are listed, of both families',
    );
    t.same(
      listed.map(({ replySrc, replySrcPort }) => `${replySrc} ${replySrcPort}`).sort(),
      left,
      'and answer for themselves',
    );
    t.same(
      runInNamespace(name, () => listConntrack('tcp')),
      [],
      'of one protocol only',
    );
    const cases: [ConntrackFilter, string[]][] = [
      [{ family: 'ipv4', protocol: 'tcp', origDst: '10.1.0.1' }, []],
      [{ family: 'ipv4', protocol: 'udp', origDst: '10.1.0.9' }, []],
      [{ family: 'ipv4', protocol: 'udp', origDst: '10.1.0.1', origDstPort: 1001 }, ['10.1.0.1 1001']],
      [{ family: 'ipv4', protocol: 'udp', replySrc: '10.1.0.2' }, ['10.1.0.2 1001', '10.1.0.2 1002']],
      [{ family: 'ipv6', protocol: 'udp', origDst: 'fd00::9' }, []],
      [{ family: 'ipv6', protocol: 'udp', origDst: 'fd00::1', origDstPort: 1002 }, ['fd00::1 1002']],
      [{ family: 'ipv6', protocol: 'udp', replySrc: 'fd00::2' }, ['fd00::2 1001', 'fd00::2 1002']],
      [{ family: 'ipv6', protocol: 'udp', origDstPort: 1001 }, ['fd00::1 1001']],
    ];
    for (const [filter, gone] of cases) {
      runInNamespace(name, () => deleteConntrack([filter]));
      left = left.filter((line) => !gone.includes(line));
      t.same(tracked(), left, JSON.stringify(filter));
    }
    t.same(left, ['10.1.0.1 1002']);
    const others = Array.from({ length: 10_000 }, (_, i): ConntrackFilter => {
      const origDst = `10.2.${i >> 8}.${i & 255}`;
      return {
        family: 'ipv4',
        protocol: i % 2 ? 'udp' : 'tcp',
        origDst,
        origDstPort: 1002,
        replySrc: origDst,
      };
    });
    runInNamespace(name, () => deleteConntrack(others));
    t.same(tracked(), left, 'ten thousand filters that match nothing');
    shell(`for host in 10.1.0.1 10.1.0.2 fd00::1 fd00::2; do
        for port in 1001 1002; do echo x > /dev/udp/$host/$port; done
      done`);
    const some: ConntrackFilter[] = [
      { family: 'ipv4', protocol: 'udp', origDst: '10.1.0.1', origDstPort: 1001, replySrc: '10.1.0.1' },
      { family: 'ipv4', protocol: 'udp', origDst: '10.1.0.1', origDstPort: 1002, replySrc: '10.1.0.2' },
      { family: 'ipv4', protocol: 'udp', replySrc: '10.1.0.2' },
      { family: 'ipv6', protocol: 'udp', origDstPort: 1002 },
      { family: 'ipv6', protocol: 'udp', origDst: 'fd00:0::0001' },
    ];
    runInNamespace(name, () => deleteConntrack([...others, ...some]));
    t.same([...new Set(tracked())], ['10.1.0.1 1002', 'fd00::2 1001'], 'a few among them');
    using kept = new Conntrack();
    runInNamespace(name, () => kept.list('udp'));
    kept.forget([{ family: 'ipv4', protocol: 'udp', origDst: '10.1.0.1', origDstPort: 1002 }]);
    t.same([...new Set(tracked())], ['fd00::2 1001'], 'one that is kept stays with its namespace');
    shell(`for host in 10.1.0.1 10.1.0.2 fd00::1 fd00::2; do
        for port in 1001 1002; do echo x > /dev/udp/$host/$port; done
        ping -q -n -c 1 $host
      done`);
    const ofFirst: ConntrackFilter[] = [
      { family: 'ipv4', origSrc: '10.1.0.1' },
      { family: 'ipv6', origSrc: 'fd00::1' },
      { family: 'ipv4', replySrc: '10.1.0.1' },
      { family: 'ipv6', replySrc: 'fd00::1' },
    ];
    runInNamespace(name, () => deleteConntrack(ofFirst));
    const second = ['10.1.0.2 1001', '10.1.0.2 1002', 'fd00::2 1001', 'fd00::2 1002'];
    t.same([...new Set(tracked())], second, 'of an address, whoever began');
    const echoes = shell('grep icmp /proc/net/nf_conntrack | grep -o "dst=[^ ]*" | sort -u')
      .trim()
      .split('\n');
    t.same(echoes, ['dst=10.1.0.2', 'dst=fd00:0000:0000:0000:0000:0000:0000:0002'], 'by whatever protocol');
    t.throws(() => deleteConntrack([{ family: 'ipv4', protocol: 'udp' }]), TypeError, 'never everything');
    t.throws(() => deleteConntrack([{ family: 'ipv4', origDstPort: 1001 }]), TypeError);
    t.end();
  });

  t.test('nothing is left behind', (t) => {
    t.same(listNamespaces(name), []);
    t.end();
  });
}
