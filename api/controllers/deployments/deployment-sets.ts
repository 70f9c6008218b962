import { isDeepStrictEqual } from 'node:util';
import { deployments } from '../../client/resources.ts';
import type { Deployment } from '../../kinds/deployment.ts';
import type { LabelSelector } from '../../kinds/meta.ts';
import type { PodTemplateSpec } from '../../kinds/pod-spec.ts';
import type { ReplicaSet } from '../../kinds/replica-set.ts';
import { controllerReference } from '../workloads/claims.ts';
import type { OwnerKind } from '../workloads/claims.ts';
import { maxSurge } from './deployment-scaling.ts';
import { templateHash } from '../workloads/template-hash.ts';

export const deploymentOwner: OwnerKind<Deployment> = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  resource: deployments,
};

const hashLabel = 'pod-template-hash';
export const revisionAnnotation = 'deployment.kubernetes.io/revision';
const revisionHistory = 'deployment.kubernetes.io/revision-history';
/** How many replicas the Deployment wanted, and at most had, when the ReplicaSet got its size. */
export const desiredReplicas = 'deployment.kubernetes.io/desired-replicas';
export const maxReplicas = 'deployment.kubernetes.io/max-replicas';

/** Annotations that a Deployment does not hand down. */
const ownAnnotations = new Set([
  'kubectl.kubernetes.io/last-applied-configuration',
  revisionAnnotation,
  revisionHistory,
  desiredReplicas,
  maxReplicas,
  'deprecated.deployment.rollback.to',
]);

type Annotations = Readonly<Record<string, string>>;

/** The ReplicaSet of the present template; the oldest, should there be several. */
export function findNewReplicaSet({ spec }: Deployment, sets: readonly ReplicaSet[]): ReplicaSet | undefined {
  const wanted = withoutHash(spec.template);
  return [...sets].sort(byAge).find((set) => isDeepStrictEqual(withoutHash(set.spec.template), wanted));
}

function withoutHash(template: PodTemplateSpec): PodTemplateSpec {
  const { [hashLabel]: _, ...labels } = template.metadata?.labels ?? {};
  return { ...template, metadata: { ...template.metadata, labels } };
}

/** Oldest first. */
export function byAge(a: ReplicaSet, b: ReplicaSet): number {
  const age = Date.parse(a.metadata.creationTimestamp ?? '') - Date.parse(b.metadata.creationTimestamp ?? '');
  return age || (a.metadata.name < b.metadata.name ? -1 : 1);
}

/** 0 for one that has none. */
export function revisionOf(set: ReplicaSet): number {
  return Number(set.metadata.annotations?.[revisionAnnotation] ?? 0) || 0;
}

/** The ReplicaSet for a Deployment's present template. */
export function renderReplicaSet(deployment: Deployment, revision: number, replicas: number): ReplicaSet {
  const { metadata, spec, status } = deployment;
  const hash = templateHash(spec.template, status?.collisionCount);
  const labels = { ...spec.template.metadata?.labels, [hashLabel]: hash };
  return {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: {
      name: `${metadata.name}-${hash}`,
      ...(metadata.namespace !== undefined && { namespace: metadata.namespace }),
      labels,
      annotations: {
        ...handedDown(metadata.annotations),
        [revisionAnnotation]: String(revision),
        ...sizeAnnotations(deployment),
      },
      ownerReferences: [controllerReference(deploymentOwner, deployment)],
    },
    spec: {
      replicas,
      ...(spec.minReadySeconds !== undefined && { minReadySeconds: spec.minReadySeconds }),
      selector: withHash(spec.selector, hash),
      template: { ...spec.template, metadata: { ...spec.template.metadata, labels } },
    },
  };
}

function withHash(selector: LabelSelector, hash: string): LabelSelector {
  return { ...selector, matchLabels: { ...selector.matchLabels, [hashLabel]: hash } };
}

function handedDown(annotations: Annotations = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(annotations).filter(([name]) => !ownAnnotations.has(name)));
}

/** What a ReplicaSet is marked with when it gets a size. */
export function sizeAnnotations({ spec }: Deployment): Record<string, string> {
  const replicas = spec.replicas ?? 0;
  return { [desiredReplicas]: String(replicas), [maxReplicas]: String(replicas + maxSurge(spec)) };
}

/** What the new ReplicaSet's annotations must say: the Deployment's own, and the newest revision. */
export function newSetAnnotations(
  { metadata }: Deployment,
  set: ReplicaSet,
  revision: number,
): Record<string, string> {
  const before = set.metadata.annotations ?? {};
  const annotations = { ...before, ...handedDown(metadata.annotations) };
  const old = before[revisionAnnotation];
  if (revisionOf(set) >= revision) return annotations;
  annotations[revisionAnnotation] = String(revision);
  if (old !== undefined) {
    annotations[revisionHistory] = [before[revisionHistory], old].filter((each) => each).join(',');
  }
  return annotations;
}
