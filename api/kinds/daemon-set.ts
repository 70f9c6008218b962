import type { Static } from 'typebox';
import { renderAge } from './age.ts';
import { orNone, renderLabels } from './cells.ts';
import { invalid, required, type FieldError } from './field-error.ts';
import { isNone, validateAtMostAll, validateIntOrPercent } from './int-or-percent.ts';
import type { Kind } from './kind.ts';
import { LabelSelector, ObjectMeta, typeMeta } from './meta.ts';
import { applyPodSpecDefaults } from './pod-defaults.ts';
import { PodTemplateSpec } from './pod-spec.ts';
import { filled, int64, integer, intOrString, list, string, struct } from './schema.ts';
import { specAndStatus } from './spec-and-status.ts';
import { column } from './table.ts';
import {
  renderSelector,
  templateCells,
  templateColumns,
  validateCollisions,
  validateCounts,
  validateTemplate,
  validateWorkloadSelector,
  workloadCondition,
} from './workload.ts';

const APPS = 'io.k8s.api.apps.v1';

const RollingUpdateDaemonSet = struct(
  `${APPS}.RollingUpdateDaemonSet`,
  {},
  { maxUnavailable: intOrString(), maxSurge: intOrString() },
  'maxUnavailable 1, maxSurge 2',
  { description: 'On how many nodes the pod may be missing, or be there twice, while pods are replaced.' },
);

const DaemonSetUpdateStrategy = struct(
  `${APPS}.DaemonSetUpdateStrategy`,
  {},
  {
    type: string({ default: 'RollingUpdate', enum: ['OnDelete', 'RollingUpdate'] }),
    rollingUpdate: RollingUpdateDaemonSet,
  },
  'type 1, rollingUpdate 2',
);

const DaemonSetSpec = struct(
  `${APPS}.DaemonSetSpec`,
  {
    selector: LabelSelector,
    template: filled(PodTemplateSpec, {}),
    updateStrategy: filled(DaemonSetUpdateStrategy, {}),
  },
  { minReadySeconds: integer(), revisionHistoryLimit: integer({ default: 10 }) },
  'selector 1, template 2, updateStrategy 3, minReadySeconds 4, *revisionHistoryLimit 6',
  { description: 'Which pod to run on each node, and how to replace it when the template changes.' },
);
type DaemonSetSpec = Static<typeof DaemonSetSpec>;

const DaemonSetCondition = workloadCondition(`${APPS}.DaemonSetCondition`);

const DaemonSetStatus = struct(
  `${APPS}.DaemonSetStatus`,
  {
    currentNumberScheduled: filled(integer(), 0),
    numberMisscheduled: filled(integer(), 0),
    desiredNumberScheduled: filled(integer(), 0),
    numberReady: filled(integer(), 0),
  },
  {
    observedGeneration: int64(),
    updatedNumberScheduled: integer(),
    numberAvailable: integer(),
    numberUnavailable: integer(),
    collisionCount: integer(),
    conditions: list(DaemonSetCondition, { mergeKey: 'type' }),
  },
  `
    currentNumberScheduled 1, numberMisscheduled 2, desiredNumberScheduled 3, numberReady 4,
    observedGeneration 5, updatedNumberScheduled 6, numberAvailable 7, numberUnavailable 8,
    *collisionCount 9, conditions 10`,
  { description: 'On how many nodes the pod should run, runs, is ready and is of the newest template.' },
);
export type DaemonSetStatus = Static<typeof DaemonSetStatus>;

export const DaemonSet = struct(
  `${APPS}.DaemonSet`,
  { metadata: filled(ObjectMeta, {}), spec: filled(DaemonSetSpec, {}) },
  { ...typeMeta, status: DaemonSetStatus },
  'metadata 1, spec 2, status 3',
  { description: 'Runs one pod of a template on every node, or on every node that fits.' },
);
export type DaemonSet = Static<typeof DaemonSet>;

const noDaemonPods: DaemonSetStatus = {
  currentNumberScheduled: 0,
  numberMisscheduled: 0,
  desiredNumberScheduled: 0,
  numberReady: 0,
};

export const daemonSetKind: Kind<DaemonSet> = {
  group: 'apps',
  version: 'v1',
  kind: 'DaemonSet',
  plural: 'daemonsets',
  singular: 'daemonset',
  shortNames: ['ds'],
  categories: ['all'],
  namespaced: true,
  nameFormat: 'subdomain',
  schema: DaemonSet,
  subresources: ['status'],
  generation: true,
  defaultPropagation: 'Background',
  columns: [
    column('Name'),
    column('Desired', 'integer'),
    column('Current', 'integer'),
    column('Ready', 'integer'),
    column('Up-to-date', 'integer'),
    column('Available', 'integer'),
    column('Node Selector'),
    column('Age'),
    ...templateColumns,
  ],
  cells: ({ metadata, spec, status = noDaemonPods }, nowMs) => [
    metadata.name,
    status.desiredNumberScheduled,
    status.currentNumberScheduled,
    status.numberReady,
    status.updatedNumberScheduled ?? 0,
    status.numberAvailable ?? 0,
    renderLabels(spec.template.spec.nodeSelector),
    renderAge(metadata.creationTimestamp, nowMs),
    ...templateCells(spec.template),
    orNone(renderSelector(spec.selector)),
  ],
  selectable: [],
  selectableFields: () => ({}),
  applyDefaults({ spec }) {
    applyPodSpecDefaults(spec.template.spec);
    if (spec.updateStrategy.type !== 'RollingUpdate') return;
    spec.updateStrategy.rollingUpdate = {
      ...spec.updateStrategy.rollingUpdate,
      maxUnavailable: spec.updateStrategy.rollingUpdate?.maxUnavailable ?? 1,
      maxSurge: spec.updateStrategy.rollingUpdate?.maxSurge ?? 0,
    };
  },
  prepareForCreate(daemonSet) {
    daemonSet.status = { ...noDaemonPods };
  },
  ...specAndStatus,
  validate: ({ spec, status }, old) => [
    ...validateWorkloadSelector(spec, old?.spec, 'daemonset'),
    ...validateTemplate(spec.template, 'spec.template', 'DaemonSet'),
    ...validateCounts(spec, 'spec', ['minReadySeconds', 'revisionHistoryLimit']),
    ...validateStrategy(spec.updateStrategy, 'spec.updateStrategy.rollingUpdate'),
    ...validateCounts(status, 'status', statusCounts),
    ...validateCollisions(status, old?.status),
  ],
};

const statusCounts = [
  'currentNumberScheduled',
  'numberMisscheduled',
  'desiredNumberScheduled',
  'numberReady',
  'observedGeneration',
  'updatedNumberScheduled',
  'numberAvailable',
  'numberUnavailable',
  'collisionCount',
] as const;

function validateStrategy(strategy: DaemonSetSpec['updateStrategy'], path: string): FieldError[] {
  if (strategy.type !== 'RollingUpdate') return [];
  const { maxUnavailable = 0, maxSurge = 0 } = strategy.rollingUpdate ?? {};
  const errors = [
    ...validateIntOrPercent(maxUnavailable, `${path}.maxUnavailable`),
    ...validateIntOrPercent(maxSurge, `${path}.maxSurge`),
  ];
  if (!isNone(maxUnavailable) && !isNone(maxSurge)) {
    errors.push(invalid(`${path}.maxSurge`, maxSurge, 'may not be set when maxUnavailable is non-zero'));
  }
  if (isNone(maxUnavailable) && isNone(maxSurge)) {
    errors.push(required(`${path}.maxUnavailable`, 'cannot be 0 when maxSurge is 0'));
  }
  return [
    ...errors,
    ...validateAtMostAll(maxUnavailable, `${path}.maxUnavailable`),
    ...validateAtMostAll(maxSurge, `${path}.maxSurge`),
  ];
}
