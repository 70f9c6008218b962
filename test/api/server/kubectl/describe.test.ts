import t from 'tap';
import { kinds } from '../../../../api/kinds/registry.ts';
import { listKubectls } from '../../../kubectls.ts';
import { startServer } from '../fixture.ts';
import { Judge } from './judge.ts';
import type { Check } from './judge.ts';
import { objects, reportStates } from './objects.ts';

const checks: readonly Check[] = [
  [
    'describe pod web',
    [
      /^Name: +web$/m,
      /^Namespace: +default$/m,
      /^Priority: +0$/m,
      /^Service Account: +default$/m,
      /^Node: +node1\/192\.0\.2\.11$/m,
      /^Labels: +app=nginx\n +tier=front$/m,
      /^Status: +Running$/m,
      /^IP: +10\.244\.0\.2\nIPs:\n +IP: +10\.244\.0\.2$/m,
      /^ +Image: +nginx$/m,
      /^ +Port: +80\/TCP$/m,
      /^ +State: +Running$/m,
      /^ +Restart Count: +2$/m,
      /^ +Ready +True ?$/m,
      /^QoS Class: +BestEffort$/m,
      /^Tolerations: +node\.kubernetes\.io\/not-ready:NoExecute op=Exists for 300s\n +node\.kubernetes\.io\/unreachable:NoExecute op=Exists for 300s$/m,
      /^Events:\n +Type +Reason +Age +From +Message\n[^]*Warning +BackOff .* kubelet +Back-off restarting failed container/m,
    ],
    { from: 27 },
  ],
  [
    'describe pod web',
    [/^Priority: +0$/m, /^Node: +node1\/192\.0\.2\.11$/m, /Warning +BackOff /],
    { until: 26 },
  ],
  ['describe pods -l tier=back', [/^Name: +db$/m, /^Status: +Pending$/m, /^Node: +<none>$/m, /^ +A: +b$/m]],
  ['describe po/web svc/open', [/^Name: +web$/m, /^Name: +open$/m]],
  [
    'describe svc nginxsvc',
    [
      /^Selector: +app=nginx$/m,
      /^Type: +ClusterIP$/m,
      /^IP Family Policy: +SingleStack$/m,
      /^IP: +10\.96\.\d+\.\d+$/m,
      /^Port: +http +80\/TCP\nTargetPort: +80\/TCP\nEndpoints: +(<none>)?$/m,
      /^Session Affinity: +None$/m,
    ],
  ],
  ['describe svc kubernetes', /^Endpoints: +192\.0\.2\.1:\d+$/m],
  ['describe svc open', [/^NodePort: +<unset> +30080\/TCP$/m, /^External Traffic Policy: +Cluster$/m]],
  ['describe svc outside', [/^Type: +ExternalName$/m, /^External Name: +example\.com$/m]],
  ['describe ep open', [/^Subsets:\n +Addresses: +10\.1\.1\.1,10\.1\.1\.2\n/m, /^ +<unset> +80 +TCP$/m]],
  [
    'describe endpointslice open-1',
    [/^AddressType: +IPv4$/m, /^ +- Addresses: +10\.1\.1\.1$/m, /NodeName: +node1$/m],
    { from: 27 },
  ],
  [
    'describe rc my-nginx',
    [
      /^Replicas: +0 current \/ 2 desired$/m,
      /^Pods Status: +0 Running \/ 0 Waiting/m,
      /^ +Image: +nginx:1$/m,
    ],
  ],
  ['describe cm settings', [/^color:\n----\nblue$/m, /^long\.txt:\n----\none\ntwo$/m]],
  ['describe secret key', [/^Type: +Opaque$/m, /^password: +7 bytes$/m]],
  [
    'describe node node1',
    [
      /^Roles: +worker$/m,
      /^Lease:\n +HolderIdentity: +node1$/m,
      /^ +Ready +True .* KubeletReady/m,
      /^ +InternalIP: +192\.0\.2\.11\n +ExternalIP: +198\.51\.100\.11$/m,
      /^Non-terminated Pods: +\(1 in total\)$/m,
      /^ +default +web /m,
      /^ +cpu +0 \(0%\) +0 \(0%\)$/m,
    ],
  ],
  ['describe ns default', [/^Name: +default$/m, /^Status: +Active$/m]],
  ['describe lease node1 -n kube-node-lease', /^ +Holder Identity: +node1$/m],
  ['describe sa robot', [/^Name: +robot$/m, /^Image pull secrets: +<none>$/m]],
  [
    'describe netpol closed',
    [/^ +PodSelector: +app=db$/m, /^ +To Port: 5432\/TCP$/m, /^ +Not affecting egress traffic$/m],
  ],
  [
    'describe deploy site',
    [
      /^Replicas: +3 desired \| 0 updated \| 0 total \| 0 available/m,
      /^StrategyType: +RollingUpdate$/m,
      /^ +Image: +site:1$/m,
    ],
  ],
  ['describe rs set', /^Replicas: +0 current \/ 1 desired$/m],
  ['describe ds everywhere', [/^Desired Number of Nodes Scheduled: 0$/m, /^ +Image: +one:1$/m]],
  ['describe pod nobody', 'Error from server (NotFound): pods "nobody" not found', { code: 1 }],
  ['describe pod -n nowhere', 'No resources found in nowhere namespace.'],
  ['describe -f objects.yaml', [/^Name: +web$/m, /^Name: +my-nginx$/m, /^Name: +settings$/m], { from: 27 }],
];

for (const kubectl of listKubectls()) {
  t.test(`kubectl ${kubectl.version} describes`, async (t) => {
    const { server, client } = await startServer(t);
    const judge = await Judge.start(t, kubectl, server.adminKubeconfigPath, { 'objects.yaml': objects });
    const { code, stderr } = await judge.run('create -f objects.yaml');
    t.equal(code, 0, stderr);
    await reportStates(client);
    await judge.check(t, checks);
    // Of a kind without an object here nothing would be seen: objects.ts has one of each.
    const described = kinds.map((kind): Check => {
      const resource = kind.group === '' ? kind.plural : `${kind.plural}.${kind.version}.${kind.group}`;
      return [`describe ${resource} -A`, /^Name: +\S+$/m];
    });
    // kubectl 1.20 asks for the slices' first version, which Kubernetes has not served since 1.25.
    await judge.check(
      t,
      kubectl.minor < 21 ? described.filter(([line]) => !line.includes('slices')) : described,
    );
  });
}
