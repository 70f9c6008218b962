import t from 'tap';
import { networkPolicyKind } from '../../../api/kinds/network-policy.ts';
import { create, mistakes } from './objects.ts';

type Part = Record<string, unknown>;

const metadata = { name: 'web', namespace: 'default', creationTimestamp: '2026-01-01T00:55:00Z' };
const now = Date.parse('2026-01-01T01:00:00Z');

const policy = (spec: Part): Part => ({ metadata, spec });
const wrong = (spec: Part): string[] => mistakes(networkPolicyKind, policy(spec));

t.test('defaults', (t) => {
  t.strictSame(create(networkPolicyKind, { metadata }).spec, { podSelector: {}, policyTypes: ['Ingress'] });
  const both = create(networkPolicyKind, policy({ egress: [{ ports: [{ port: 53 }] }] }));
  t.strictSame(both.spec, {
    podSelector: {},
    policyTypes: ['Ingress', 'Egress'],
    egress: [{ ports: [{ port: 53, protocol: 'TCP' }] }],
  });
  const said = create(networkPolicyKind, policy({ egress: [{}], policyTypes: ['Egress'] }));
  t.strictSame(said.spec.policyTypes, ['Egress'], 'what the request says stays');
  t.end();
});

t.test('columns', (t) => {
  const cells = (spec: Part) => networkPolicyKind.cells(create(networkPolicyKind, policy(spec)), now);
  t.strictSame(cells({}), ['web', '<none>', '5m']);
  const matchExpressions = [{ key: 'tier', operator: 'In', values: ['a', 'b'] }];
  t.strictSame(cells({ podSelector: { matchLabels: { app: 'x' }, matchExpressions } }), [
    'web',
    'app=x,tier in (a,b)',
    '5m',
  ]);
  t.end();
});

const validBlocks: readonly Part[] = [
  { cidr: '10.0.0.0/8', except: ['10.1.0.0/16', '10.2.0.0/32'] },
  { cidr: '2001:db8::/64', except: ['2001:db8::8/126'] },
  { cidr: '0.0.0.0/0', except: ['192.0.2.1/32'] },
];

t.test('what is right', (t) => {
  for (const ipBlock of validBlocks) t.strictSame(wrong({ ingress: [{ from: [{ ipBlock }] }] }), []);
  const ports = [{}, { port: 1 }, { port: 'http', protocol: 'UDP' }, { port: 80, endPort: 80 }];
  t.strictSame(wrong({ egress: [{ ports, to: [{ podSelector: {}, namespaceSelector: {} }] }] }), []);
  t.end();
});

const notCIDR = 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)';

const portMistakes: readonly [Part, string][] = [
  [{ port: 0 }, 'port: Invalid value: 0: must be between 1 and 65535, inclusive'],
  [{ port: 'a--b' }, 'port: Invalid value: "a--b": must not contain consecutive hyphens'],
  [{ protocol: 'ICMP' }, 'protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"'],
  [{ endPort: 9 }, 'endPort: Invalid value: 9: may not be specified when `port` is not specified'],
  [
    { port: 'http', endPort: 9 },
    'endPort: Invalid value: 9: may not be specified when `port` is non-numeric',
  ],
  [{ port: 80, endPort: 79 }, 'endPort: Invalid value: 79: must be greater than or equal to `port`'],
  [{ port: 80, endPort: 65536 }, 'endPort: Invalid value: 65536: must be between 1 and 65535, inclusive'],
];

const peerMistakes: readonly [Part, string][] = [
  [{}, ': Required value: must specify a peer'],
  [
    { podSelector: {}, ipBlock: { cidr: '10.0.0.0/8' } },
    ': Forbidden: may not specify both ipBlock and another peer',
  ],
  [{ ipBlock: {} }, '.ipBlock.cidr: Required value'],
  [{ ipBlock: { cidr: '10.0.0.0' } }, `.ipBlock.cidr: Invalid value: "10.0.0.0": ${notCIDR}`],
  [
    { ipBlock: { cidr: '10.0.0.0/8', except: ['10.0.0'] } },
    `.ipBlock.except[0]: Invalid value: "10.0.0": ${notCIDR}`,
  ],
  [
    { ipBlock: { cidr: '10.0.0.0/8', except: ['10.0.0.0/8'] } },
    '.ipBlock.except[0]: Invalid value: "10.0.0.0/8": must be a strict subset of `cidr`',
  ],
  [
    { ipBlock: { cidr: '10.0.0.0/8', except: ['fd00::/64'] } },
    '.ipBlock.except[0]: Invalid value: "fd00::/64": must be a strict subset of `cidr`',
  ],
  [
    { namespaceSelector: { matchExpressions: [{ key: 'a', operator: 'In' }] } },
    ".namespaceSelector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
  ],
  [
    { podSelector: { matchLabels: { a: '-' } } },
    '.podSelector.matchLabels: Invalid value: "-": a valid label',
  ],
];

t.test('what is wrong, in both directions', (t) => {
  for (const [port, message] of portMistakes) {
    t.strictSame(wrong({ ingress: [{ ports: [port] }] }), [`spec.ingress[0].ports[0].${message}`]);
    t.strictSame(wrong({ egress: [{}, { ports: [port] }] }), [`spec.egress[1].ports[0].${message}`]);
  }
  for (const [peer, message] of peerMistakes) {
    const [ingress = ''] = wrong({ ingress: [{ from: [peer] }] });
    t.ok(ingress.startsWith(`spec.ingress[0].from[0]${message}`), ingress);
    const [egress = ''] = wrong({ egress: [{ to: [peer] }] });
    t.ok(egress.startsWith(`spec.egress[0].to[0]${message}`), egress);
  }
  t.strictSame(wrong({ policyTypes: ['Up'] }), [
    'spec.policyTypes[0]: Unsupported value: "Up": supported values: "Egress", "Ingress"',
  ]);
  t.strictSame(wrong({ policyTypes: ['Ingress', 'Egress', 'Ingress'] }), [
    'spec.policyTypes: Invalid value: ["Ingress","Egress","Ingress"]: may not specify more than two policyTypes',
  ]);
  t.strictSame(wrong({ podSelector: { matchExpressions: [{ key: 'a', operator: 'Like' }] } }), [
    'spec.podSelector.matchExpressions[0].operator: Invalid value: "Like": not a valid selector operator',
  ]);
  t.end();
});
