import t from 'tap';
import { traitsOf } from '../../iptables/family.ts';
import { planPassage, withoutPassage } from '../../iptables/passage.ts';

const wanted = {
  clusterCIDRs: ['10.244.0.0/16', 'fd00:10:244::/56'],
  dnsIPs: ['10.96.0.10', 'fd00:10:96::a'],
};
const [ipv4, ipv6] = [traitsOf('ipv4'), traitsOf('ipv6')];

const bare = `*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [12:720]
:OUTPUT ACCEPT [0:0]
-A FORWARD -j DOCKER-USER
COMMIT
`;
const passed = `*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [12:720]
:OUTPUT ACCEPT [0:0]
:WEFT-HOST-FORWARD - [0:0]
:WEFT-HOST-INPUT - [0:0]
-A INPUT -m comment --comment "weft host" -j WEFT-HOST-INPUT
-A FORWARD -m comment --comment "weft host" -j WEFT-HOST-FORWARD
-A FORWARD -j DOCKER-USER
-A WEFT-HOST-FORWARD -s 10.244.0.0/16 -j ACCEPT
-A WEFT-HOST-FORWARD -d 10.244.0.0/16 -j ACCEPT
-A WEFT-HOST-INPUT -s 10.244.0.0/16 -d 10.96.0.10/32 -p udp -m udp --dport 53 -j ACCEPT
-A WEFT-HOST-INPUT -s 10.244.0.0/16 -d 10.96.0.10/32 -p tcp -m tcp --dport 53 -j ACCEPT
COMMIT
`;

t.test('a passage is made in one transaction, first in the chains of the kernel', (t) => {
  t.equal(
    planPassage(bare, ipv4, wanted),
    `*filter
:WEFT-HOST-FORWARD - [0:0]
:WEFT-HOST-INPUT - [0:0]
-A WEFT-HOST-FORWARD -s 10.244.0.0/16 -j ACCEPT
-A WEFT-HOST-FORWARD -d 10.244.0.0/16 -j ACCEPT
-A WEFT-HOST-INPUT -s 10.244.0.0/16 -d 10.96.0.10/32 -p udp -m udp --dport 53 -j ACCEPT
-A WEFT-HOST-INPUT -s 10.244.0.0/16 -d 10.96.0.10/32 -p tcp -m tcp --dport 53 -j ACCEPT
-I FORWARD 1 -m comment --comment "weft host" -j WEFT-HOST-FORWARD
-I INPUT 1 -m comment --comment "weft host" -j WEFT-HOST-INPUT
COMMIT
`,
  );
  t.match(planPassage(bare, ipv6, wanted), '-A WEFT-HOST-FORWARD -s fd00:10:244::/56 -j ACCEPT');
  t.end();
});

t.test('one that stands as wanted is left alone; one that somebody pushed back comes first again', (t) => {
  t.equal(planPassage(passed, ipv4, wanted), undefined);
  const [jump = ''] = /-A FORWARD -m comment.*\n/.exec(passed) ?? [];
  const pushed = passed
    .replace(jump, '')
    .replace('-A FORWARD -j DOCKER-USER\n', `-A FORWARD -j DOCKER-USER\n${jump}`);
  t.match(planPassage(pushed, ipv4, wanted), /\n-D FORWARD .*\n(-D INPUT .*\n)?-I FORWARD 1 /);
  t.match(planPassage(passed.replace(jump, ''), ipv4, wanted), '-I FORWARD 1 ');
  const others = { ...wanted, clusterCIDRs: ['10.16.0.0/12'] };
  t.match(planPassage(passed, ipv4, others), '-A WEFT-HOST-FORWARD -s 10.16.0.0/12 -j ACCEPT');
  t.end();
});

t.test('one that is not wanted goes, and where none is nothing happens', (t) => {
  t.equal(
    planPassage(passed, ipv4, undefined),
    `*filter
:WEFT-HOST-FORWARD - [0:0]
:WEFT-HOST-INPUT - [0:0]
-D FORWARD -m comment --comment "weft host" -j WEFT-HOST-FORWARD
-D INPUT -m comment --comment "weft host" -j WEFT-HOST-INPUT
-X WEFT-HOST-FORWARD
-X WEFT-HOST-INPUT
COMMIT
`,
  );
  t.equal(planPassage(bare, ipv4, undefined), undefined);
  t.notMatch(withoutPassage(passed), / -j WEFT-HOST/);
  t.end();
});
