import { isDeepStrictEqual } from 'node:util';
import { daemonSets } from '../../client/resources.ts';
import type { ControllerRevision } from '../../kinds/controller-revision.ts';
import type { DaemonSet } from '../../kinds/daemon-set.ts';
import type { Pod } from '../../kinds/pod.ts';
import { controllerReference } from '../workloads/claims.ts';
import type { OwnerKind } from '../workloads/claims.ts';
import { revisionLabel } from './daemons.ts';
import { templateHash } from '../workloads/template-hash.ts';

export const daemonSetOwner: OwnerKind<DaemonSet> = {
  apiVersion: 'apps/v1',
  kind: 'DaemonSet',
  resource: daemonSets,
};

/** Which revision a DaemonSet is at, and what its history lacks. */
export interface RevisionPlan {
  /** Of the present template; undefined while it is to be made. */
  readonly current: ControllerRevision | undefined;
  /** The number the present template must have. */
  readonly revision: number;
  readonly remove: readonly ControllerRevision[];
}

/** Decides as upstream's constructHistory and cleanupHistory. */
export function planRevisions(
  daemonSet: DaemonSet,
  revisions: readonly ControllerRevision[],
  pods: readonly Pod[],
): RevisionPlan {
  const wanted = revisionData(daemonSet);
  const ordered = [...revisions].sort((a, b) => a.revision - b.revision);
  const current = ordered.findLast(({ data }) => isDeepStrictEqual(data, wanted));
  const old = ordered.filter((each) => each !== current);
  const revision = Math.max(0, ...old.map((each) => each.revision)) + 1;
  const inUse = new Set(pods.map((pod) => pod.metadata.labels?.[revisionLabel]));
  const surplus = Math.max(0, old.length - (daemonSet.spec.revisionHistoryLimit ?? 10));
  const unused = old.filter(({ metadata }) => !inUse.has(metadata.labels?.[revisionLabel]));
  return { current, revision, remove: unused.slice(0, surplus) };
}

/** A strategic merge patch that brings a DaemonSet back to this template: what `kubectl rollout undo` sends. */
function revisionData({ spec }: DaemonSet): Record<string, unknown> {
  return { spec: { template: { ...spec.template, $patch: 'replace' } } };
}

export function isRevisionOf(daemonSet: DaemonSet, revision: ControllerRevision): boolean {
  return isDeepStrictEqual(revision.data, revisionData(daemonSet));
}

export function hashOf({ metadata }: ControllerRevision): string {
  return metadata.labels?.[revisionLabel] ?? '';
}

export function renderRevision(daemonSet: DaemonSet, revision: number): ControllerRevision {
  const { metadata, spec, status } = daemonSet;
  const hash = templateHash(spec.template, status?.collisionCount);
  return {
    apiVersion: 'apps/v1',
    kind: 'ControllerRevision',
    metadata: {
      name: `${metadata.name}-${hash}`,
      ...(metadata.namespace !== undefined && { namespace: metadata.namespace }),
      labels: { ...spec.template.metadata?.labels, [revisionLabel]: hash },
      ...(metadata.annotations && { annotations: metadata.annotations }),
      ownerReferences: [controllerReference(daemonSetOwner, daemonSet)],
    },
    data: revisionData(daemonSet),
    revision,
  };
}
