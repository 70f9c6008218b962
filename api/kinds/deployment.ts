import type { Static } from 'typebox';
import { renderAge } from './age.ts';
import { orNone } from './cells.ts';
import { validateDeploymentSpec, validateDeploymentStatus } from './deployment-validation.ts';
import type { Kind } from './kind.ts';
import { LabelSelector, ObjectMeta, typeMeta } from './meta.ts';
import { applyPodSpecDefaults } from './pod-defaults.ts';
import { PodTemplateSpec } from './pod-spec.ts';
import {
  boolean,
  filled,
  int64,
  integer,
  intOrString,
  list,
  retainKeys,
  string,
  struct,
  time,
} from './schema.ts';
import { specAndStatus } from './spec-and-status.ts';
import { column } from './table.ts';
import { renderSelector, replicaScale, templateCells, templateColumns } from './workload.ts';

const APPS = 'io.k8s.api.apps.v1';

const RollingUpdateDeployment = struct(
  `${APPS}.RollingUpdateDeployment`,
  {},
  { maxUnavailable: intOrString(), maxSurge: intOrString() },
  'maxUnavailable 1, maxSurge 2',
  {
    description: 'How many pods may be missing and how many may be too many while they are replaced.',
    fieldTexts: {
      maxUnavailable: 'How many pods may be missing, as a number or a percentage of replicas. 25% if absent.',
      maxSurge: 'How many pods more than replicas there may be, as a number or a percentage. 25% if absent.',
    },
  },
);

const DeploymentStrategy = struct(
  `${APPS}.DeploymentStrategy`,
  {},
  {
    type: string({ default: 'RollingUpdate', enum: ['Recreate', 'RollingUpdate'] }),
    rollingUpdate: RollingUpdateDeployment,
  },
  'type 1, rollingUpdate 2',
  {
    description: 'How pods are replaced when the template changes.',
    fieldTexts: { type: 'RollingUpdate replaces them step by step, Recreate ends the old ones first.' },
  },
);

const DeploymentSpec = struct(
  `${APPS}.DeploymentSpec`,
  {
    selector: LabelSelector,
    template: filled(PodTemplateSpec, {}),
    strategy: filled(retainKeys(DeploymentStrategy), {}),
  },
  {
    replicas: integer({ default: 1 }),
    minReadySeconds: integer(),
    revisionHistoryLimit: integer({ default: 10 }),
    paused: boolean(),
    progressDeadlineSeconds: integer({ default: 600 }),
  },
  `
    *replicas 1, selector 2, template 3, strategy 4, minReadySeconds 5, *revisionHistoryLimit 6,
    paused 7, *progressDeadlineSeconds 9`,
  {
    description: 'How many pods of which template to run, and how to replace them when it changes.',
    fieldTexts: {
      replicas: 'How many pods to run.',
      selector: 'Which pods belong to the Deployment: the labels of the template. Cannot be changed.',
      template: 'What its pods look like.',
      strategy: 'How pods are replaced when the template changes.',
      minReadySeconds: 'How long a pod must have been ready to count as available.',
      revisionHistoryLimit: 'How many old ReplicaSets are kept to roll back to.',
      paused: 'Whether changes to the template wait.',
      progressDeadlineSeconds: 'How long a change may be without progress before it is said to have failed.',
    },
  },
);
export type DeploymentSpec = Static<typeof DeploymentSpec>;

const DeploymentCondition = struct(
  `${APPS}.DeploymentCondition`,
  { type: string(), status: string() },
  { lastUpdateTime: time(), lastTransitionTime: time(), reason: string(), message: string() },
  'type 1, status 2, reason 4, message 5, lastUpdateTime 6, lastTransitionTime 7',
);

export type DeploymentCondition = Static<typeof DeploymentCondition>;

const DeploymentStatus = struct(
  `${APPS}.DeploymentStatus`,
  {},
  {
    observedGeneration: int64(),
    replicas: integer(),
    updatedReplicas: integer(),
    readyReplicas: integer(),
    availableReplicas: integer(),
    unavailableReplicas: integer(),
    terminatingReplicas: integer(),
    conditions: list(DeploymentCondition, { mergeKey: 'type' }),
    collisionCount: integer(),
  },
  `
    observedGeneration 1, replicas 2, updatedReplicas 3, availableReplicas 4,
    unavailableReplicas 5, conditions 6, readyReplicas 7, *collisionCount 8,
    *terminatingReplicas 9`,
  { description: 'What was last seen of the pods, and how the change under way is doing.' },
);
export type DeploymentStatus = Static<typeof DeploymentStatus>;

export const Deployment = struct(
  `${APPS}.Deployment`,
  { metadata: filled(ObjectMeta, {}), spec: filled(DeploymentSpec, {}) },
  { ...typeMeta, status: DeploymentStatus },
  'metadata 1, spec 2, status 3',
  { description: 'Runs pods of one template and replaces them step by step when the template changes.' },
);
export type Deployment = Static<typeof Deployment>;

export const deploymentKind: Kind<Deployment> = {
  group: 'apps',
  version: 'v1',
  kind: 'Deployment',
  plural: 'deployments',
  singular: 'deployment',
  shortNames: ['deploy'],
  categories: ['all'],
  namespaced: true,
  nameFormat: 'subdomain',
  schema: Deployment,
  subresources: ['status', 'scale'],
  generation: true,
  defaultPropagation: 'Background',
  columns: [
    column('Name'),
    column('Ready'),
    column('Up-to-date', 'integer'),
    column('Available', 'integer'),
    column('Age'),
    ...templateColumns,
  ],
  cells: ({ metadata, spec, status }, nowMs) => [
    metadata.name,
    `${status?.readyReplicas ?? 0}/${spec.replicas ?? 0}`,
    status?.updatedReplicas ?? 0,
    status?.availableReplicas ?? 0,
    renderAge(metadata.creationTimestamp, nowMs),
    ...templateCells(spec.template),
    orNone(renderSelector(spec.selector)),
  ],
  selectable: [],
  selectableFields: () => ({}),
  applyDefaults({ spec }) {
    applyPodSpecDefaults(spec.template.spec);
    if (spec.strategy.type !== 'RollingUpdate') return;
    spec.strategy.rollingUpdate = {
      ...spec.strategy.rollingUpdate,
      maxUnavailable: spec.strategy.rollingUpdate?.maxUnavailable ?? '25%',
      maxSurge: spec.strategy.rollingUpdate?.maxSurge ?? '25%',
    };
  },
  prepareForCreate(deployment) {
    deployment.status = {};
  },
  ...specAndStatus,
  validate: ({ spec, status }, old) => [
    ...validateDeploymentSpec(spec, old?.spec),
    ...validateDeploymentStatus(status, old?.status),
  ],
  scale: replicaScale(({ spec }) => renderSelector(spec.selector)),
};
