import type { ApiClient } from '../../../../api/client/client.ts';
import { events, nodes, pods } from '../../../../api/client/resources.ts';

/** One object of each kind, and several where commands choose among them. */
export const objects = `
apiVersion: v1
kind: Node
metadata: {name: node1, labels: {node-role.kubernetes.io/worker: ''}}
---
apiVersion: v1
kind: ReplicationController
metadata: {name: my-nginx}
spec:
  replicas: 2
  template:
    metadata: {labels: {app: nginx}}
    spec: {containers: [{name: nginx, image: 'nginx:1'}, {name: side, image: busybox}]}
---
apiVersion: v1
kind: Service
metadata: {name: nginxsvc, labels: {app: nginx}}
spec: {ports: [{port: 80, name: http}, {port: 443, name: https}], selector: {app: nginx}}
---
apiVersion: v1
kind: Service
metadata: {name: outside}
spec: {type: ExternalName, externalName: example.com}
---
apiVersion: v1
kind: Service
metadata: {name: open}
spec: {type: NodePort, ports: [{port: 80, nodePort: 30080}], selector: {tier: front}}
---
apiVersion: v1
kind: Service
metadata: {name: headless}
spec: {clusterIP: None, ports: [{port: 53, protocol: UDP}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: nginx, tier: front}}
spec: {nodeName: node1, containers: [{name: nginx, image: nginx, ports: [{containerPort: 80}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: db, labels: {app: db, tier: back}}
spec: {containers: [{name: db, image: db, env: [{name: A, value: b}]}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {color: blue, 'long.txt': "one\\ntwo"}
---
apiVersion: v1
kind: Secret
metadata: {name: key}
stringData: {password: hunter2}
---
apiVersion: v1
kind: Endpoints
metadata: {name: open}
subsets: [{addresses: [{ip: 10.1.1.1}, {ip: 10.1.1.2}], ports: [{port: 80}]}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: open-1, labels: {kubernetes.io/service-name: open}}
addressType: IPv4
endpoints: [{addresses: [10.1.1.1], conditions: {ready: true}, nodeName: node1}]
ports: [{port: 80}]
---
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata: {name: node1, namespace: kube-node-lease}
spec: {holderIdentity: node1, leaseDurationSeconds: 40, renewTime: '2026-01-01T00:00:00.000000Z'}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: robot}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress: [{from: [{podSelector: {matchLabels: {app: nginx}}}], ports: [{port: 5432}]}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: site}
spec:
  replicas: 3
  selector: {matchLabels: {app: site}}
  template:
    metadata: {labels: {app: site}}
    spec: {containers: [{name: site, image: 'site:1'}]}
---
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: set}
spec:
  selector: {matchLabels: {app: set}}
  template:
    metadata: {labels: {app: set}}
    spec: {containers: [{name: set, image: 'set:1'}]}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: everywhere}
spec:
  selector: {matchLabels: {app: everywhere}}
  template:
    metadata: {labels: {app: everywhere}}
    spec: {containers: [{name: one, image: 'one:1'}]}
---
apiVersion: apps/v1
kind: ControllerRevision
metadata: {name: everywhere-1}
revision: 1
data: {spec: {}}
`;

/** Puts the objects into the states that nodes and controllers would report. */
export async function reportStates(client: ApiClient): Promise<void> {
  const at = '2026-01-01T00:00:00Z';
  await client.patchStatus(
    nodes,
    { name: 'node1' },
    {
      status: {
        addresses: [
          { type: 'InternalIP', address: '192.0.2.11' },
          { type: 'ExternalIP', address: '198.51.100.11' },
        ],
        conditions: [{ type: 'Ready', status: 'True', reason: 'KubeletReady', lastTransitionTime: at }],
        capacity: { cpu: '2', memory: '4Gi', pods: '110' },
        nodeInfo: {
          ...{ machineID: '', systemUUID: '', bootID: '', kubeProxyVersion: '', operatingSystem: 'linux' },
          ...{ architecture: 'amd64', kernelVersion: '6.1.0', osImage: 'Debian GNU/Linux 12' },
          ...{ containerRuntimeVersion: 'runc://1.1.5', kubeletVersion: 'v1.32.0' },
        },
      },
    },
    'strategic',
  );
  const status = {
    phase: 'Running',
    startTime: at,
    hostIP: '192.0.2.11',
    podIP: '10.244.0.2',
    podIPs: [{ ip: '10.244.0.2' }],
    conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: at }],
    containerStatuses: [
      {
        ...{ name: 'nginx', image: 'nginx', imageID: '', ready: true, restartCount: 2 },
        state: { running: { startedAt: at } },
      },
    ],
  };
  const web = { namespace: 'default', name: 'web' };
  const { metadata } = await client.patchStatus(pods, web, { status }, 'strategic');
  await client.create(events, {
    metadata: { namespace: 'default', name: 'web.1' },
    type: 'Warning',
    reason: 'BackOff',
    message: 'Back-off restarting failed container',
    involvedObject: { apiVersion: 'v1', kind: 'Pod', ...web, ...(metadata.uid ? { uid: metadata.uid } : {}) },
    source: { component: 'kubelet', host: 'node1' },
    firstTimestamp: at,
    lastTimestamp: at,
    count: 3,
  });
}
