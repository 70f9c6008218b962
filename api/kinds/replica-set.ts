import type { Static } from 'typebox';
import { renderAge } from './age.ts';
import { orNone } from './cells.ts';
import type { Kind } from './kind.ts';
import { LabelSelector, ObjectMeta, typeMeta } from './meta.ts';
import { applyPodSpecDefaults } from './pod-defaults.ts';
import { PodTemplateSpec } from './pod-spec.ts';
import { filled, int64, integer, list, string, struct, time } from './schema.ts';
import { column } from './table.ts';
import {
  renderSelector,
  templateCells,
  templateColumns,
  validateCounts,
  validateParts,
  validateTemplate,
  validateWorkloadSelector,
} from './workload.ts';

const APPS = 'io.k8s.api.apps.v1';

const ReplicaSetCondition = struct(
  `${APPS}.ReplicaSetCondition`,
  { type: string(), status: string() },
  { lastTransitionTime: time(), reason: string(), message: string() },
  'type 1, status 2, lastTransitionTime 3, reason 4, message 5',
);

const ReplicaSetSpec = struct(
  `${APPS}.ReplicaSetSpec`,
  { selector: LabelSelector, template: filled(PodTemplateSpec, {}) },
  { replicas: integer({ default: 1 }), minReadySeconds: integer() },
  '*replicas 1, selector 2, template 3, minReadySeconds 4',
  { description: 'How many pods to run, which ones count, and what new ones look like.' },
);

const ReplicaSetStatus = struct(
  `${APPS}.ReplicaSetStatus`,
  { replicas: filled(integer(), 0) },
  {
    fullyLabeledReplicas: integer(),
    readyReplicas: integer(),
    availableReplicas: integer(),
    terminatingReplicas: integer(),
    observedGeneration: int64(),
    conditions: list(ReplicaSetCondition, { mergeKey: 'type' }),
  },
  `
    replicas 1, fullyLabeledReplicas 2, observedGeneration 3, readyReplicas 4,
    availableReplicas 5, conditions 6, *terminatingReplicas 7`,
  { description: 'What was last seen of the pods, as the controller counts them.' },
);

export const ReplicaSet = struct(
  `${APPS}.ReplicaSet`,
  { metadata: filled(ObjectMeta, {}), spec: filled(ReplicaSetSpec, {}) },
  { ...typeMeta, status: ReplicaSetStatus },
  'metadata 1, spec 2, status 3',
  { description: 'Keeps a number of pods of one template running. Mostly made by a Deployment.' },
);
export type ReplicaSet = Static<typeof ReplicaSet>;

const counts = ['replicas', 'fullyLabeledReplicas', 'readyReplicas', 'availableReplicas'] as const;

export const replicaSetKind: Kind<ReplicaSet> = {
  group: 'apps',
  version: 'v1',
  kind: 'ReplicaSet',
  plural: 'replicasets',
  singular: 'replicaset',
  shortNames: ['rs'],
  categories: ['all'],
  namespaced: true,
  nameFormat: 'subdomain',
  schema: ReplicaSet,
  subresources: ['status', 'scale'],
  generation: true,
  defaultPropagation: 'Background',
  columns: [
    column('Name'),
    column('Desired', 'integer'),
    column('Current', 'integer'),
    column('Ready', 'integer'),
    column('Age'),
    ...templateColumns,
  ],
  cells: ({ metadata, spec, status }, nowMs) => [
    metadata.name,
    spec.replicas ?? 0,
    status?.replicas ?? 0,
    status?.readyReplicas ?? 0,
    renderAge(metadata.creationTimestamp, nowMs),
    ...templateCells(spec.template),
    orNone(renderSelector(spec.selector)),
  ],
  selectable: ['status.replicas'],
  selectableFields: ({ status }) => ({ 'status.replicas': String(status?.replicas ?? 0) }),
  applyDefaults: ({ spec }) => {
    applyPodSpecDefaults(spec.template.spec);
  },
  prepareForCreate(replicaSet) {
    replicaSet.status = { replicas: 0 };
  },
  prepareForUpdate(replicaSet, old) {
    if (old.status) replicaSet.status = old.status;
  },
  prepareForStatusUpdate(replicaSet, old) {
    replicaSet.spec = old.spec;
  },
  validate: ({ spec, status }, old) => [
    ...validateCounts(spec, 'spec', ['replicas', 'minReadySeconds']),
    // Upstream says deployment here, too.
    ...validateWorkloadSelector(spec, old?.spec, 'deployment'),
    ...validateTemplate(spec.template, 'spec.template', 'ReplicaSet'),
    ...validateCounts(status, 'status', [...counts, 'observedGeneration']),
    ...validateParts(status, [
      ['fullyLabeledReplicas', 'replicas', 'cannot be greater than status.replicas'],
      ['readyReplicas', 'replicas', 'cannot be greater than status.replicas'],
      ['availableReplicas', 'replicas', 'cannot be greater than status.replicas'],
      ['availableReplicas', 'readyReplicas', 'cannot be greater than readyReplicas'],
    ]),
  ],
  scale: {
    replicas: ({ spec }) => spec.replicas ?? 0,
    observedReplicas: ({ status }) => status?.replicas ?? 0,
    selector: ({ spec }) => renderSelector(spec.selector),
    setReplicas({ spec }, replicas) {
      spec.replicas = replicas;
    },
  },
};
