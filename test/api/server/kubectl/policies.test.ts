import t from 'tap';
import { kinds } from '../../../../api/kinds/registry.ts';
import { listKubectls } from '../../../kubectls.ts';
import { startServer } from '../fixture.ts';
import { Judge } from './judge.ts';
import type { Check } from './judge.ts';

const policy = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress:
  - from:
    - ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}
    - namespaceSelector: {matchLabels: {team: a}}
    ports: [{port: 80, endPort: 90}, {port: dns, protocol: UDP}]
  egress: [{}]
`;

const wrong = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: wrong}
spec:
  podSelector: {}
  ingress: [{from: [{ipBlock: {cidr: 10.0.0.0}}, {}], ports: [{port: 80, endPort: 79}]}]
`;

const event = (name: string, type: string, about: string, seconds: string): string => `
apiVersion: v1
kind: Event
metadata: {name: ${name}, namespace: default}
involvedObject: {apiVersion: v1, kind: ${about.split('/')[0] ?? ''}, name: ${about.split('/')[1] ?? ''}, namespace: default}
reason: Reason${name}
message: message of ${name}
type: ${type}
source: {component: tester}
firstTimestamp: "2026-01-01T00:00:${seconds}Z"
lastTimestamp: "2026-01-01T00:00:${seconds}Z"
count: 2
---`;

const newForm = `
apiVersion: events.k8s.io/v1
kind: Event
metadata: {name: fourth, namespace: default}
eventTime: "2026-01-01T00:00:04.000000Z"
reportingController: example.com/tester
reportingInstance: tester-1
action: Test
reason: Reasonfourth
note: message of fourth
regarding: {apiVersion: v1, kind: Pod, name: web, namespace: default}
type: Normal
`;

const files = {
  'policy.yaml': policy,
  'wrong.yaml': wrong,
  'events.yaml': [
    event('second', 'Warning', 'Pod/web', '02'),
    event('first', 'Normal', 'Pod/web', '01'),
    event('third', 'Normal', 'Service/web', '03'),
    newForm,
  ].join('\n'),
};

const policies: readonly Check[] = [
  ['create -f policy.yaml', 'networkpolicy.networking.k8s.io/web created'],
  ['get netpol', /^NAME +POD-SELECTOR +AGE\nweb +app=web +\d+s$/m],
  ['get networkpolicies web -o jsonpath={.spec.policyTypes}', '["Ingress","Egress"]'],
  ['get netpol web -o jsonpath={.metadata.generation}', '1'],
  [
    'describe netpol web',
    [
      /^Spec:\n +PodSelector: +app=web$/m,
      /^ +Allowing ingress traffic:\n +To Port( Range)?: 80(-90)?\/TCP\n +To Port: dns\/UDP\n +From:\n +IPBlock:\n +CIDR: 10\.0\.0\.0\/8\n +Except: 10\.1\.0\.0\/16\n +From:\n +NamespaceSelector: team=a$/m,
      /^ +Allowing egress traffic:\n +To Port: <any>/m,
      /^ +Policy Types: Ingress, Egress$/m,
    ],
  ],
  [
    'create -f wrong.yaml --validate=false',
    [
      /^The NetworkPolicy "wrong" is invalid/,
      /spec\.ingress\[0\]\.from\[0\]\.ipBlock\.cidr: Invalid value: "10\.0\.0\.0": must be a valid CIDR value/,
      /spec\.ingress\[0\]\.from\[1\]: Required value: must specify a peer/,
      /spec\.ingress\[0\]\.ports\[0\]\.endPort: Invalid value: 79: must be greater than or equal to `port`/,
    ],
    { code: 1 },
  ],
  ['delete netpol --all', 'networkpolicy.networking.k8s.io "web" deleted', { until: 32 }],
];

const accounts: readonly Check[] = [
  ['create sa robot', 'serviceaccount/robot created'],
  ['get sa robot', /^NAME +(SECRETS +)?AGE\nrobot +(0 +)?\d+s$/m],
  ['describe sa robot', [/^Name: +robot$/m, /^Image pull secrets: +<none>$/m, /^Tokens: +<none>$/m]],
  ['create sa robot', /serviceaccounts "robot" already exists/, { code: 1 }],
];

const oldestFirst = /Reasonfirst[^]*Reasonsecond[^]*Reasonthird[^]*Reasonfourth/;

const events: readonly Check[] = [
  [
    'create -f events.yaml',
    /event\/second created\nevent\/first created\nevent\/third created\nevent(\.events\.k8s\.io)?\/fourth created/,
  ],
  [
    'get events',
    /^LAST SEEN +TYPE +REASON +OBJECT +MESSAGE\n[^]*Warning +Reasonsecond +pod\/web +message of second$/m,
  ],
  ['get ev', /Normal +Reasonfourth +pod\/web +message of fourth$/m],
  ['get events.v1.events.k8s.io', /Warning +Reasonsecond +pod\/web +message of second$/m],
  ['get events.v1.events.k8s.io second -o jsonpath={.note}', 'message of second'],
  ['get events fourth -o jsonpath={.message}', 'message of fourth'],
  [
    'get events -o wide',
    /^LAST SEEN +TYPE +REASON +OBJECT +SUBOBJECT +SOURCE +MESSAGE +FIRST SEEN +COUNT +NAME$/m,
  ],
  ['get events --field-selector type=Warning -o name', 'event/second'],
  ['get events --field-selector involvedObject.kind=Service -o name', 'event/third'],
  [
    'get events --sort-by=.metadata.name -o custom-columns=N:.metadata.name',
    'N\nfirst\nfourth\nsecond\nthird',
  ],
  ['events', oldestFirst, { from: 27 }],
  [
    'events --types=Warning --no-headers',
    /^\S+ +\(x2 over \S+\) +Warning +Reasonsecond +Pod\/web +message of second$/m,
    { from: 27 },
  ],
  [
    'events --for pod/web',
    [/Reasonfirst[^]*Reasonsecond[^]*Reasonfourth/, /^((?!Reasonthird)[^])*$/],
    { from: 27 },
  ],
  ['events --for svc/web --types=Normal --no-headers', /^.* Reasonthird +Service\/web +.*\n$/, { from: 27 }],
  ['describe event second', [/^Name: +second$/m, /^Message: +message of second$/m]],
  ['delete event third', 'event "third" deleted', { until: 32 }],
];

for (const kubectl of listKubectls([27, 33])) {
  t.test(`kubectl ${kubectl.version}: policies, accounts, events`, async (t) => {
    const { server } = await startServer(t);
    const judge = await Judge.start(t, kubectl, server.adminKubeconfigPath, {
      ...files,
      'pod.yaml':
        'apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: c, image: nginx}]}\n',
      'svc.yaml': 'apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 80}]}\n',
    });
    await judge.check(t, [['create -f pod.yaml -f svc.yaml', /created/]]);
    await judge.check(t, [...policies, ...accounts, ...events]);
    const names = kinds.map((kind) => `${kind.plural}${kind.group === '' ? '' : `.${kind.group}`}`);
    const { stdout } = await judge.run('api-resources --no-headers -o name');
    for (const name of names) t.ok(stdout.split('\n').includes(name), name);
  });
}
