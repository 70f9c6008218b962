import type { DeploymentSpec, DeploymentStatus } from './deployment.ts';
import { forbidden, invalid, type FieldError } from './field-error.ts';
import { isNone, validateAtMostAll, validateIntOrPercent } from './int-or-percent.ts';
import {
  validateCollisions,
  validateCounts,
  validateParts,
  validateTemplate,
  validateWorkloadSelector,
} from './workload.ts';

export function validateDeploymentSpec(spec: DeploymentSpec, old: DeploymentSpec | undefined): FieldError[] {
  const { minReadySeconds = 0, progressDeadlineSeconds } = spec;
  const errors = [
    ...validateCounts(spec, 'spec', ['replicas']),
    ...validateWorkloadSelector(spec, old, 'deployment'),
    // Its pods are its ReplicaSets', and upstream says so.
    ...validateTemplate(spec.template, 'spec.template', 'ReplicaSet'),
    ...validateStrategy(spec.strategy, 'spec.strategy'),
    ...validateCounts(spec, 'spec', ['minReadySeconds', 'revisionHistoryLimit', 'progressDeadlineSeconds']),
  ];
  if (progressDeadlineSeconds !== undefined && progressDeadlineSeconds <= minReadySeconds) {
    const detail = 'must be greater than minReadySeconds';
    errors.push(invalid('spec.progressDeadlineSeconds', progressDeadlineSeconds, detail));
  }
  return errors;
}

function validateStrategy(strategy: DeploymentSpec['strategy'], path: string): FieldError[] {
  const { type, rollingUpdate } = strategy;
  if (type === 'Recreate') {
    if (!rollingUpdate) return [];
    const detail = "may not be specified when strategy `type` is 'Recreate'";
    return [forbidden(`${path}.rollingUpdate`, detail)];
  }
  if (type !== 'RollingUpdate') return [];
  const { maxUnavailable = 0, maxSurge = 0 } = rollingUpdate ?? {};
  const at = `${path}.rollingUpdate`;
  const errors = [
    ...validateIntOrPercent(maxUnavailable, `${at}.maxUnavailable`),
    ...validateIntOrPercent(maxSurge, `${at}.maxSurge`),
  ];
  if (isNone(maxUnavailable) && isNone(maxSurge)) {
    errors.push(invalid(`${at}.maxUnavailable`, maxUnavailable, 'may not be 0 when `maxSurge` is 0'));
  }
  return [...errors, ...validateAtMostAll(maxUnavailable, `${at}.maxUnavailable`)];
}

const counts = [
  'observedGeneration',
  'replicas',
  'updatedReplicas',
  'readyReplicas',
  'availableReplicas',
  'unavailableReplicas',
  'collisionCount',
] as const;

export function validateDeploymentStatus(
  status: DeploymentStatus | undefined,
  old: DeploymentStatus | undefined,
): FieldError[] {
  return [
    ...validateCounts(status, 'status', counts),
    ...validateParts(status, [
      ['updatedReplicas', 'replicas', 'cannot be greater than status.replicas'],
      ['readyReplicas', 'replicas', 'cannot be greater than status.replicas'],
      ['availableReplicas', 'replicas', 'cannot be greater than status.replicas'],
      ['availableReplicas', 'readyReplicas', 'cannot be greater than readyReplicas'],
    ]),
    ...validateCollisions(status, old),
  ];
}
