import type { Static } from 'typebox';
import { renderLabels } from './cells.ts';
import { required, type FieldError } from './field-error.ts';
import type { Kind } from './kind.ts';
import { applyPodSpecDefaults } from './pod-defaults.ts';
import { selectorOf } from './selector.ts';
import { ObjectMeta, typeMeta } from './meta.ts';
import { PodTemplateSpec } from './pod-spec.ts';
import { replicated, replicatedCells } from './replicated.ts';
import { atomic, filled, int64, integer, list, map, string, struct } from './schema.ts';
import { specAndStatus } from './spec-and-status.ts';
import {
  replicaScale,
  validateCounts,
  validateMatch,
  validateTemplate,
  workloadCondition,
} from './workload.ts';

const CORE = 'io.k8s.api.core.v1';

const ReplicationControllerCondition = workloadCondition(`${CORE}.ReplicationControllerCondition`);

const ReplicationControllerSpec = struct(
  `${CORE}.ReplicationControllerSpec`,
  {},
  {
    replicas: integer({ default: 1 }),
    minReadySeconds: integer(),
    selector: atomic(map(string())),
    template: PodTemplateSpec,
  },
  '*replicas 1, selector 2, template 3, minReadySeconds 4',
  { description: 'How many pods to run, which ones count, and what new ones look like.' },
);
type ReplicationControllerSpec = Static<typeof ReplicationControllerSpec>;

export const ReplicationController = struct(
  `${CORE}.ReplicationController`,
  { metadata: filled(ObjectMeta, {}), spec: filled(ReplicationControllerSpec, {}) },
  {
    ...typeMeta,
    status: struct(
      `${CORE}.ReplicationControllerStatus`,
      { replicas: filled(integer(), 0) },
      {
        fullyLabeledReplicas: integer(),
        readyReplicas: integer(),
        availableReplicas: integer(),
        observedGeneration: int64(),
        conditions: list(ReplicationControllerCondition, { mergeKey: 'type' }),
      },
      `
        replicas 1, fullyLabeledReplicas 2, observedGeneration 3, readyReplicas 4,
        availableReplicas 5, conditions 6`,
    ),
  },
  'metadata 1, spec 2, status 3',
  { description: 'Keeps a number of pods of one template running.' },
);
export type ReplicationController = Static<typeof ReplicationController>;

export const replicationControllerKind: Kind<ReplicationController> = {
  group: '',
  version: 'v1',
  kind: 'ReplicationController',
  plural: 'replicationcontrollers',
  singular: 'replicationcontroller',
  shortNames: ['rc'],
  categories: ['all'],
  namespaced: true,
  nameFormat: 'subdomain',
  schema: ReplicationController,
  subresources: ['status', 'scale'],
  generation: true,
  defaultPropagation: 'Orphan',
  ...replicated,
  cells: (controller, nowMs) => [
    ...replicatedCells(controller, nowMs),
    renderLabels(controller.spec.selector),
  ],
  applyDefaults({ metadata, spec }) {
    if (!spec.template) return;
    applyPodSpecDefaults(spec.template.spec);
    const labels = spec.template.metadata?.labels;
    if (!labels) return;
    if (isEmpty(spec.selector)) spec.selector = { ...labels };
    if (isEmpty(metadata.labels)) metadata.labels = { ...labels };
  },
  ...specAndStatus,
  validate: ({ spec }) => validateSpec(spec),
  scale: replicaScale(({ spec }) => selectorOf(spec.selector ?? {}).render()),
};

function isEmpty(labels: Readonly<Record<string, string>> | undefined): boolean {
  return Object.keys(labels ?? {}).length === 0;
}

function validateSpec(spec: ReplicationControllerSpec): FieldError[] {
  const { selector = {}, template } = spec;
  const errors = validateCounts(spec, 'spec', ['replicas', 'minReadySeconds']);
  if (isEmpty(selector)) errors.push(required('spec.selector'));
  if (!template) return [...errors, required('spec.template')];
  if (!isEmpty(selector)) errors.push(...validateMatch(selectorOf(selector), template.metadata?.labels));
  return [...errors, ...validateTemplate(template, 'spec.template', 'ReplicationController')];
}
