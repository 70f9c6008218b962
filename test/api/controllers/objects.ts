import type { DaemonSet } from '../../../api/kinds/daemon-set.ts';
import type { Deployment } from '../../../api/kinds/deployment.ts';
import type { Node } from '../../../api/kinds/node.ts';
import type { Pod } from '../../../api/kinds/pod.ts';
import type { ReplicationController } from '../../../api/kinds/replication-controller.ts';
import type { Service } from '../../../api/kinds/service.ts';
import { controllerReference } from '../../../api/controllers/workloads/claims.ts';
import type { OwnerKind } from '../../../api/controllers/workloads/claims.ts';
import { replicationControllers } from '../../../api/client/resources.ts';

/** Short descriptions of objects, for tables. */

export const replicationControllerKind: OwnerKind = {
  apiVersion: 'v1',
  kind: 'ReplicationController',
  resource: replicationControllers,
};

export interface PodSketch {
  readonly labels?: Record<string, string>;
  /** uid of the ReplicationController `rc` that owns it. */
  readonly owner?: string;
  readonly node?: string;
  readonly ready?: boolean;
  readonly readySince?: string;
  readonly phase?: string;
  readonly ips?: readonly string[];
  readonly deleting?: boolean;
  readonly created?: string;
  readonly restarts?: number;
  readonly annotations?: Record<string, string>;
  readonly spec?: Partial<Pod['spec']>;
}

export function pod(name: string, sketch: PodSketch = {}): Pod {
  const { labels = { app: 'web' }, owner, node, ready = false, ips = [], phase = 'Running' } = sketch;
  const condition = {
    type: 'Ready',
    status: ready ? 'True' : 'False',
    lastTransitionTime: sketch.readySince ?? '2026-01-01T00:00:00Z',
  };
  return {
    metadata: {
      name,
      namespace: 'default',
      uid: `uid-${name}`,
      labels,
      creationTimestamp: sketch.created ?? '2026-01-01T00:00:00Z',
      ...(sketch.annotations && { annotations: sketch.annotations }),
      ...(owner !== undefined && {
        ownerReferences: [
          controllerReference(replicationControllerKind, { metadata: { name: 'rc', uid: owner } }),
        ],
      }),
      ...(sketch.deleting === true && { deletionTimestamp: '2026-01-01T00:00:00Z' }),
    },
    spec: { containers: [], ...(node !== undefined && { nodeName: node }), ...sketch.spec },
    status: {
      phase,
      conditions: [condition],
      ...(ips[0] !== undefined && { podIP: ips[0], podIPs: ips.map((ip) => ({ ip })) }),
      containerStatuses: [
        { name: 'main', ready, restartCount: sketch.restarts ?? 0, image: 'web', imageID: '' },
      ],
    },
  };
}

export function node(
  name: string,
  sketch: Partial<Node['spec']> & { labels?: Record<string, string>; ready?: string } = {},
): Node {
  const { labels = {}, ready = 'True', ...spec } = sketch;
  return {
    metadata: { name, uid: `uid-${name}`, labels },
    spec,
    status: { conditions: [{ type: 'Ready', status: ready, lastTransitionTime: '2026-01-01T00:00:00Z' }] },
  };
}

export function replicationController(
  spec: Partial<ReplicationController['spec']> = {},
): ReplicationController {
  return {
    metadata: { name: 'rc', namespace: 'default', uid: 'uid-rc', generation: 3 },
    spec: {
      replicas: 2,
      selector: { app: 'web' },
      template: { metadata: { name: '', labels: { app: 'web' } }, spec: { containers: [] } },
      ...spec,
    },
  };
}

export function deployment(spec: Partial<Deployment['spec']> = {}): Deployment {
  const labels = { app: 'web' };
  return {
    metadata: { name: 'web', namespace: 'default', uid: 'uid-web', generation: 1 },
    spec: {
      replicas: 2,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [] } },
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%', maxUnavailable: '25%' } },
      progressDeadlineSeconds: 600,
      ...spec,
    },
  };
}

export function daemonSet(spec: Partial<DaemonSet['spec']> = {}): DaemonSet {
  const labels = { app: 'web' };
  return {
    metadata: { name: 'web', namespace: 'default', uid: 'uid-web', generation: 1 },
    spec: {
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [] } },
      updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1, maxSurge: 0 } },
      ...spec,
    },
  };
}

export function service(name: string, spec: Partial<Service['spec']> = {}): Service {
  return {
    metadata: { name, namespace: 'default', uid: `uid-${name}`, labels: { team: 'blue' } },
    spec: {
      clusterIP: '10.96.0.1',
      ipFamilies: ['IPv4'],
      selector: { app: 'web' },
      ports: [{ port: 80, protocol: 'TCP' }],
      ...spec,
    },
  };
}

export function names(pods: readonly { readonly metadata: { readonly name: string } }[]): string[] {
  return pods.map((one) => one.metadata.name);
}
