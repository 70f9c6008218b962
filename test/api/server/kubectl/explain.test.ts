import t from 'tap';
import { apiVersionOf } from '../../../../api/kinds/kind.ts';
import { kinds } from '../../../../api/kinds/registry.ts';
import { listKubectls } from '../../../kubectls.ts';
import { startServer } from '../fixture.ts';
import { Judge } from './judge.ts';
import type { Check } from './judge.ts';

const checks: readonly Check[] = [
  [
    'explain rc',
    [/^KIND: +ReplicationController$/m, /^VERSION: +v1$/m, /^ +spec\t<(ReplicationControllerSpec|Object)>/m],
  ],
  ['explain pods.spec', [/^ +containers\t<\[\](Container|Object)>/m, /^ +nodeName\t<string>/m]],
  ['explain pod.spec.containers.ports.containerPort', /<integer>/],
  [
    'explain pod.spec.containers.livenessProbe.httpGet',
    [/^ +path\t<string>/m, /^ +port\t<(IntOrString|string)>/m],
  ],
  ['explain svc.spec.ports', [/^ +nodePort\t<integer>/m, /^ +port\t<integer> ?-?(required)?/m]],
  ['explain service.spec.type', /(FIELD: type <string>|KIND: +Service)/],
  ['explain pod.metadata.labels', /map\[string\]string/],
  ['explain node.status.addresses', [/^ +address\t<string>/m, /^ +type\t<string>/m]],
  ['explain endpointslices.endpoints.conditions', /^ +ready\t<boolean>/m],
  [
    'explain pod.spec.containers --recursive',
    [
      /^ +livenessProbe\t<(Probe|Object)>/m,
      /^ +httpGet\t<(HTTPGetAction|Object)>/m,
      /^ +hostPort\t<integer>/m,
    ],
  ],
  ['explain deployments --api-version=apps/v1', /^ +spec\t<(DeploymentSpec|Object)>/m],
  [
    'explain rc --output=plaintext-openapiv2',
    [/^KIND: +ReplicationController$/m, /^ +spec\t<(ReplicationControllerSpec|Object)>/m],
    { from: 27 },
  ],
  ['explain pods.spec.nothing', /field "nothing" does not exist/, { code: 1 }],
  [
    'explain nothing',
    /the server doesn't have a resource type "nothing"|couldn't find resource for "[^"]*nothing/,
    { code: 1 },
  ],
];

for (const kubectl of listKubectls()) {
  t.test(`kubectl ${kubectl.version} explains`, async (t) => {
    const { server } = await startServer(t);
    const judge = await Judge.start(t, kubectl, server.adminKubeconfigPath);
    await judge.check(t, checks);
    for (const kind of kinds) {
      const { plural, kind: name } = kind;
      const version = kind.group === '' ? kind.version : `(${apiVersionOf(kind)}|${kind.version})`;
      await judge.check(t, [
        [
          `explain ${plural} --recursive --api-version=${apiVersionOf(kind)}`,
          [
            new RegExp(`^KIND: +${name}$`, 'm'),
            new RegExp(`^VERSION: +${version}$`, 'm'),
            /^ +metadata\t<(ObjectMeta|Object)>/m,
          ],
        ],
      ]);
    }
  });
}
