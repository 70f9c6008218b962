import t from 'tap';
import { listKubectls } from '../../../kubectls.ts';
import { startServer } from '../fixture.ts';
import { Judge } from './judge.ts';
import type { Check } from './judge.ts';

const asNode = '--as=system:node:n1 --as-group=system:nodes';

/** Who am I, and what may I do? Newer kubectls ask in protobuf. */
const checks: readonly Check[] = [
  ['auth can-i delete pods', 'yes'],
  ['auth can-i delete pods --as=bob', 'no', { code: 1 }],
  [`auth can-i delete pods ${asNode}`, 'no', { code: 1 }],
  [`auth can-i list services ${asNode}`, 'yes'],
  ['auth can-i get /metrics', 'yes'],
  ['auth can-i get /metrics --as=bob', 'no', { code: 1 }],
  ['auth can-i get /healthz --as=bob', 'yes'],
  ['auth can-i --list', [/^\*\.\* +\[\] +\[\] +\[\*\]$/m, /^ +\[\*\] +\[\] +\[\*\]$/m]],
  [
    'auth can-i --list --as=bob',
    [
      /^selfsubjectreviews\.authentication\.k8s\.io +\[\] +\[\] +\[create\]$/m,
      /^ +\[\/apis\/\*\] +\[\] +\[get\]$/m,
    ],
  ],
  [
    `auth can-i --list ${asNode}`,
    [
      /the list may be incomplete: a node may also reach/,
      /^endpointslices\.discovery\.k8s\.io .*\[get list watch\]$/m,
    ],
  ],
  ['auth whoami', [/^Username +admin$/m, /^Groups +\[system:masters system:authenticated\]$/m], { from: 27 }],
  [
    'auth whoami --as=bob --as-group=devs',
    [/^Username +bob$/m, /\[devs system:authenticated\]/],
    { from: 27 },
  ],
  [
    'get pods --as=bob',
    'Error from server (Forbidden): pods is forbidden: User "bob" cannot list resource "pods" in API group "" in the namespace "default"',
    { code: 1 },
  ],
  ['api-versions', [/^authentication\.k8s\.io\/v1$/m, /^authorization\.k8s\.io\/v1$/m, /^v1$/m]],
  [
    'api-resources --api-group=authorization.k8s.io -o name',
    [
      /^localsubjectaccessreviews\.authorization\.k8s\.io$/m,
      /^selfsubjectaccessreviews\.authorization\.k8s\.io$/m,
      /^selfsubjectrulesreviews\.authorization\.k8s\.io$/m,
      /^subjectaccessreviews\.authorization\.k8s\.io$/m,
    ],
  ],
  [
    'cluster-info',
    [/control plane.* is running at .*https:\/\/127\.0\.0\.1:\d+/, /CoreDNS.*services\/kube-dns:dns\/proxy/],
  ],
];

for (const kubectl of listKubectls([27, 33])) {
  t.test(`who and what, with kubectl ${kubectl.version}`, async (t) => {
    const { server } = await startServer(t);
    const judge = await Judge.start(t, kubectl, server.adminKubeconfigPath);
    await judge.check(t, checks);
  });
}
