import { isDeepStrictEqual } from 'node:util';
import { forbidden, invalid, notSupported, type FieldError } from './field-error.ts';
import type { ScaleAccess } from './kind.ts';
import { validateLabelSelector } from './label-selector-validation.ts';
import type { LabelSelector } from './meta.ts';
import { validateLabels } from './object-meta.ts';
import type { PodTemplateSpec } from './pod-spec.ts';
import { validatePodSpec } from './pod-validation.ts';
import { string, struct, time } from './schema.ts';
import { compileLabelSelector, type Selector } from './selector.ts';
import { column, type TableColumn } from './table.ts';

/** What the kinds have in common that keep pods of one template running. */

/** A condition of their status; `id` names it in the API. Deployments have one of their own. */
export function workloadCondition(id: string) {
  return struct(
    id,
    { type: string(), status: string() },
    { lastTransitionTime: time(), reason: string(), message: string() },
    'type 1, status 2, lastTransitionTime 3, reason 4, message 5',
  );
}

interface Scalable {
  spec: { replicas?: number };
  status?: { replicas?: number };
}

/** How /scale reads and writes a number of replicas. `selector` gives the selector as text. */
export function replicaScale<T extends Scalable>(selector: (object: T) => string): ScaleAccess<T> {
  return {
    replicas: ({ spec }) => spec.replicas ?? 0,
    observedReplicas: ({ status }) => status?.replicas ?? 0,
    selector,
    setReplicas({ spec }, replicas) {
      spec.replicas = replicas;
    },
  };
}

/** Mistakes in the template of pods that are to run for ever; `kind` is for the message. */
export function validateTemplate(template: PodTemplateSpec, path: string, kind: string): FieldError[] {
  const { restartPolicy, activeDeadlineSeconds } = template.spec;
  const errors = [
    ...validateLabels(template.metadata?.labels, `${path}.metadata.labels`),
    ...validatePodSpec(template.spec, `${path}.spec`),
  ];
  if (restartPolicy !== 'Always') {
    errors.push(notSupported(`${path}.spec.restartPolicy`, restartPolicy, ['Always']));
  }
  if (activeDeadlineSeconds !== undefined) {
    const detail = `activeDeadlineSeconds in ${kind} is not Supported`;
    errors.push(forbidden(`${path}.spec.activeDeadlineSeconds`, detail));
  }
  return errors;
}

/** A selector must select something, select the template's pods, and stay as it is. `kind` is for the message. */
export function validateWorkloadSelector(
  spec: { readonly selector: LabelSelector; readonly template: PodTemplateSpec },
  old: { readonly selector: LabelSelector } | undefined,
  kind: string,
): FieldError[] {
  const { selector } = spec;
  const path = 'spec.selector';
  const errors = validateLabelSelector(selector, path);
  if (errors.length > 0) return errors;
  const compiled = compileLabelSelector(selector);
  const labels = spec.template.metadata?.labels;
  if (compiled.empty) errors.push(invalid(path, selector, `empty selector is invalid for ${kind}`));
  else errors.push(...validateMatch(compiled, labels));
  if (old && !isDeepStrictEqual(selector, old.selector)) {
    errors.push(invalid(path, selector, 'field is immutable'));
  }
  return errors;
}

/** Whether a selector finds the pods of its own template. */
export function validateMatch(selector: Selector, labels: Record<string, string> | undefined): FieldError[] {
  if (selector.matches(labels)) return [];
  const detail = '`selector` does not match template `labels`';
  return [invalid('spec.template.metadata.labels', labels, detail)];
}

/** Fields of `object` below `path` that are negative and may not be. */
export function validateCounts<T extends object>(
  object: T | undefined,
  path: string,
  fields: readonly (keyof T & string)[],
): FieldError[] {
  return fields.flatMap((field) => {
    const value = object?.[field];
    if (typeof value !== 'number' || value >= 0) return [];
    return [invalid(`${path}.${field}`, value, 'must be greater than or equal to 0')];
  });
}

/** Fields of a status that count some of what another of its fields counts. */
export function validateParts<T extends object>(
  status: T | undefined,
  parts: readonly (readonly [part: keyof T & string, whole: keyof T & string, detail: string])[],
): FieldError[] {
  return parts.flatMap(([part, whole, detail]) => {
    const value = status?.[part] ?? 0;
    if (typeof value !== 'number' || value <= Number(status?.[whole] ?? 0)) return [];
    return [invalid(`status.${part}`, value, detail)];
  });
}

/** A count of collisions only grows. */
export function validateCollisions(
  status: { readonly collisionCount?: number } | undefined,
  old: { readonly collisionCount?: number } | undefined,
): FieldError[] {
  const count = status?.collisionCount ?? 0;
  if (count >= (old?.collisionCount ?? 0)) return [];
  return [invalid('status.collisionCount', count, 'cannot be decremented')];
}

/** The last columns of `kubectl get -o wide`. */
export const templateColumns: readonly TableColumn[] = [
  column('Containers', 'string', 'wide'),
  column('Images', 'string', 'wide'),
  column('Selector', 'string', 'wide'),
];

/** Their cells but for the selector. */
export function templateCells(template: PodTemplateSpec | undefined): string[] {
  const containers = template?.spec.containers ?? [];
  return [
    containers.map((each) => each.name).join(','),
    containers.map((each) => each.image ?? '').join(','),
  ];
}

/** A selector as `kubectl get -o wide` and Scale show it. */
export function renderSelector(selector: LabelSelector): string {
  return compileLabelSelector(selector).render();
}
