import { renderAge } from './age.ts';
import type { ObjectMeta } from './meta.ts';
import type { PodTemplateSpec } from './pod-spec.ts';
import { column } from './table.ts';
import { templateCells, templateColumns } from './workload.ts';

interface Replicated {
  metadata: ObjectMeta;
  spec: { replicas?: number; template?: PodTemplateSpec };
  status?: { replicas: number; readyReplicas?: number };
}

/** What ReplicationControllers and ReplicaSets do alike: all but what follows from their selector. */
export const replicated = {
  columns: [
    column('Name'),
    column('Desired', 'integer'),
    column('Current', 'integer'),
    column('Ready', 'integer'),
    column('Age'),
    ...templateColumns,
  ],
  selectable: ['status.replicas'],
  selectableFields: ({ status }: Replicated) => ({ 'status.replicas': String(status?.replicas ?? 0) }),
  prepareForCreate(object: Replicated): void {
    object.status = { replicas: 0 };
  },
};

/** The cells of {@link replicated}'s columns but for the selector. */
export function replicatedCells({ metadata, spec, status }: Replicated, nowMs: number): (string | number)[] {
  return [
    metadata.name,
    spec.replicas ?? 0,
    status?.replicas ?? 0,
    status?.readyReplicas ?? 0,
    renderAge(metadata.creationTimestamp, nowMs),
    ...templateCells(spec.template),
  ];
}
