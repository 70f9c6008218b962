import type { Static } from 'typebox';
import { orNone } from './cells.ts';
import type { Kind } from './kind.ts';
import { LabelSelector, ObjectMeta, typeMeta } from './meta.ts';
import { applyPodSpecDefaults } from './pod-defaults.ts';
import { PodTemplateSpec } from './pod-spec.ts';
import { replicated, replicatedCells } from './replicated.ts';
import { filled, int64, integer, list, struct } from './schema.ts';
import { specAndStatus } from './spec-and-status.ts';
import {
  renderSelector,
  replicaScale,
  validateCounts,
  validateParts,
  validateTemplate,
  validateWorkloadSelector,
  workloadCondition,
} from './workload.ts';

const APPS = 'io.k8s.api.apps.v1';

const ReplicaSetCondition = workloadCondition(`${APPS}.ReplicaSetCondition`);

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
  ...replicated,
  cells: (set, nowMs) => [...replicatedCells(set, nowMs), orNone(renderSelector(set.spec.selector))],
  applyDefaults: ({ spec }) => {
    applyPodSpecDefaults(spec.template.spec);
  },
  ...specAndStatus,
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
  scale: replicaScale(({ spec }) => renderSelector(spec.selector)),
};
