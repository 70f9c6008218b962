import t from 'tap';
import type { AuditFacts, FoundNamespace } from '../../../agent/ipam/audit.ts';
import { audit } from '../../../agent/ipam/audit.ts';
import type { ListedLease } from '../../../agent/ipam/lease-list.ts';
import { describeLease } from '../../../agent/network/lease.ts';
import { podAlias } from '../../../agent/network/marks.ts';

const pod = { uid: 'u1', namespace: 'default', name: 'web' };
const cni = { network: 'weft', containerId: 'c1' };
const own: ListedLease = {
  ...describeLease('u1', { addresses: ['10.244.1.2', 'fd00::2'], record: { pod } }),
  isStale: false,
};
const runtimes: ListedLease = {
  ...describeLease('cni:c1:eth0', { addresses: ['10.244.1.3'], record: { netns: '/run/netns/c1', cni } }),
  isStale: false,
};
const inside = (...addresses: string[]): FoundNamespace => new Map([['eth0', addresses]]);
const linkOf = ({ id, hostLink }: ListedLease, up = true): AuditFacts['links'][number] => ({
  name: hostLink,
  alias: podAlias(id),
  up,
});

/** A node on which all is well. */
const well = {
  leases: [own, runtimes],
  namespaces: new Map([
    ['u1', inside('10.244.1.2', 'fd00::2')],
    ['cni:c1:eth0', inside('10.244.1.3', 'fe80::1')],
  ]),
  links: [linkOf(own), linkOf(runtimes)],
  api: { uids: new Set(['u1']), pods: [{ ...pod, ips: ['10.244.1.2', 'fd00::2'], isHere: true }] },
} satisfies AuditFacts;

const withNamespace = (id: string, found: FoundNamespace): AuditFacts => ({
  ...well,
  namespaces: new Map<string, FoundNamespace>([...well.namespaces, [id, found]]),
});
const withPods = (...pods: NonNullable<AuditFacts['api']>['pods']): AuditFacts => ({
  ...well,
  api: { uids: well.api.uids, pods },
});

t.test('all is well', (t) => {
  t.same(audit(well), []);
  t.same(audit({ ...well, api: undefined }), [], 'as far as the kernel goes');
  const elsewhere = { uid: 'u9', namespace: 'default', name: 'far', ips: ['10.244.2.2'], isHere: false };
  t.same(audit(withPods(...well.api.pods, elsewhere)), []);
  t.end();
});

t.test('each difference, and what to do about it', (t) => {
  const other = { uid: 'u2', namespace: 'default', name: 'other', isHere: true };
  const cases: [AuditFacts, string, RegExp][] = [
    [
      { ...well, leases: [own, { ...runtimes, isStale: true }], links: [linkOf(own)] },
      'cni:c1:eth0 has 10.244.1.3 from before the machine started last',
      /^start the agent/,
    ],
    [
      withNamespace('cni:c1:eth0', 'nothing'),
      'cni:c1:eth0 has 10.244.1.3, but there is no /run/netns/c1',
      /^weft ipam release cni:c1:eth0$/,
    ],
    [
      withNamespace('cni:c1:eth0', 'no namespace'),
      'cni:c1:eth0 has 10.244.1.3, but /run/netns/c1 is no network namespace',
      /^weft ipam release cni:c1:eth0$/,
    ],
    [
      withNamespace('cni:c1:eth0', new Map([['eth1', ['10.244.1.3']]])),
      'cni:c1:eth0 has 10.244.1.3, but there is no eth0 in /run/netns/c1',
      /^remove container c1/,
    ],
    [
      withNamespace('u1', inside('10.244.1.2')),
      'pod default/web (u1) has fd00::2, but eth0 in /run/netns/weft-u1 does not',
      /^kubectl delete pod web --namespace default/,
    ],
    [
      { ...well, links: [linkOf(own)] },
      `cni:c1:eth0 has 10.244.1.3, but the node has no link ${runtimes.hostLink}`,
      /^remove container c1/,
    ],
    [
      { ...well, links: [linkOf(own), linkOf(runtimes, false)] },
      `cni:c1:eth0 has 10.244.1.3, but ${runtimes.hostLink}, the node's end of its link, is down`,
      new RegExp(`^ip link set ${runtimes.hostLink} up$`),
    ],
    [
      { ...well, links: [...well.links, { name: 'weft123', alias: 'weft:pod:nobody', up: true }] },
      'link weft123 (weft:pod:nobody) is there, but no lease for it',
      /^ip link delete weft123$/,
    ],
    [
      { ...well, leases: [own, { ...runtimes, ips: ['10.244.1.2'] }], ...withNamespaceOf('10.244.1.2') },
      '10.244.1.2 belongs to pod default/web (u1) and to cni:c1:eth0',
      /^delete all of them but one/,
    ],
    [
      { ...well, api: { uids: new Set(), pods: [] } },
      'pod default/web (u1) has 10.244.1.2, fd00::2, but the API has no such pod on this node',
      /^systemctl restart weft@agent; if it stays: weft ipam release u1 --force$/,
    ],
    [
      withPods(...well.api.pods, { ...other, ips: ['10.244.1.9'] }),
      'pod default/other has 10.244.1.9 in the API, but there is no lease of it',
      /^kubectl delete pod other --namespace default/,
    ],
    [
      withPods(...well.api.pods, { ...other, ips: ['10.244.1.3'] }),
      'pod default/other has 10.244.1.3 in the API, but it is leased to cni:c1:eth0',
      /^kubectl delete pod other/,
    ],
    [
      withPods(...well.api.pods, { ...other, ips: ['fd00::2'], isHere: false }),
      'fd00::2 belongs to pod default/web and to pod default/other',
      /^delete all of them but one/,
    ],
  ];
  for (const [facts, found, remedy] of cases) t.match(audit(facts), [{ found, remedy }], found);
  for (const [facts, found] of cases) t.equal(audit(facts).length, 1, `nothing but: ${found}`);
  t.end();
});

function withNamespaceOf(address: string): Pick<AuditFacts, 'namespaces'> {
  return { namespaces: new Map([...well.namespaces, ['cni:c1:eth0', inside(address)]]) };
}
