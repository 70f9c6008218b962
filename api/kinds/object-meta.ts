import { forbidden, invalid, required, tooLong, type FieldError } from './field-error.ts';
import type { Kind } from './kind.ts';
import type { KubeObject, ObjectMeta } from './meta.ts';
import { checkLabelValue, checkName, checkQualifiedName } from './names.ts';

const ANNOTATIONS_LIMIT = 256 * 1024;

/** Mistakes in the metadata of a new object or an update. */
export function validateObjectMeta(kind: Kind, object: KubeObject, old?: KubeObject): FieldError[] {
  const meta = object.metadata;
  return [
    ...validateObjectName(kind, meta),
    ...validateLabels(meta.labels, 'metadata.labels'),
    ...validateAnnotations(meta.annotations, 'metadata.annotations'),
    ...validateOwners(meta),
    ...validateFinalizers(meta),
    ...(old ? validateMetaUpdate(meta, old.metadata) : []),
  ];
}

function validateObjectName(kind: Kind, meta: ObjectMeta): FieldError[] {
  const errors: FieldError[] = [];
  if (meta.generateName !== undefined && meta.generateName !== '') {
    // The generated suffix makes a trailing dash legal.
    const wrong = checkName(kind.nameFormat, meta.generateName.replace(/-$/, 'a'));
    if (wrong !== undefined) errors.push(invalid('metadata.generateName', meta.generateName, wrong));
  }
  if (meta.name === '') {
    if (!meta.generateName) errors.push(required('metadata.name', 'name or generateName is required'));
  } else {
    const wrong = checkName(kind.nameFormat, meta.name);
    if (wrong !== undefined) errors.push(invalid('metadata.name', meta.name, wrong));
  }
  if (kind.namespaced && !meta.namespace) errors.push(required('metadata.namespace'));
  if (!kind.namespaced && meta.namespace) {
    errors.push(forbidden('metadata.namespace', 'not allowed on this type'));
  }
  return errors;
}

export function validateLabels(labels: ObjectMeta['labels'], path: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const [key, value] of Object.entries(labels ?? {})) {
    const wrongKey = checkQualifiedName(key);
    if (wrongKey !== undefined) errors.push(invalid(path, key, wrongKey));
    const wrongValue = checkLabelValue(value);
    if (wrongValue !== undefined) errors.push(invalid(path, value, wrongValue));
  }
  return errors;
}

function validateAnnotations(annotations: ObjectMeta['annotations'], path: string): FieldError[] {
  const errors: FieldError[] = [];
  let size = 0;
  for (const [key, value] of Object.entries(annotations ?? {})) {
    const wrong = checkQualifiedName(key.toLowerCase());
    if (wrong !== undefined) errors.push(invalid(path, key, wrong));
    size += key.length + value.length;
  }
  if (size > ANNOTATIONS_LIMIT) errors.push(tooLong(path, ANNOTATIONS_LIMIT));
  return errors;
}

function validateOwners(meta: ObjectMeta): FieldError[] {
  const errors: FieldError[] = [];
  let controllers = 0;
  for (const [index, owner] of (meta.ownerReferences ?? []).entries()) {
    const path = `metadata.ownerReferences[${index}]`;
    for (const field of ['apiVersion', 'kind', 'name', 'uid'] as const) {
      if (owner[field] === '') errors.push(invalid(`${path}.${field}`, '', 'must not be empty'));
    }
    if (owner.controller) controllers += 1;
  }
  if (controllers > 1) {
    const detail = 'Only one reference can have Controller set to true';
    errors.push(invalid('metadata.ownerReferences', meta.ownerReferences, detail));
  }
  return errors;
}

function validateFinalizers(meta: ObjectMeta): FieldError[] {
  const errors: FieldError[] = [];
  for (const [index, finalizer] of (meta.finalizers ?? []).entries()) {
    const wrong = checkQualifiedName(finalizer);
    if (wrong !== undefined) errors.push(invalid(`metadata.finalizers[${index}]`, finalizer, wrong));
  }
  return errors;
}

const immutableMeta = ['name', 'namespace', 'uid', 'creationTimestamp'] as const;

function validateMetaUpdate(meta: ObjectMeta, old: ObjectMeta): FieldError[] {
  const errors: FieldError[] = [];
  for (const field of immutableMeta) {
    const value = meta[field];
    // The server fills in what a client leaves out.
    if (value === undefined || value === '' || value === old[field]) continue;
    errors.push(invalid(`metadata.${field}`, value, 'field is immutable'));
  }
  if (old.deletionTimestamp !== undefined) {
    const added = (meta.finalizers ?? []).filter((each) => !old.finalizers?.includes(each));
    if (added.length > 0) {
      const detail = `no new finalizers can be added if the object is being deleted, found new finalizers ${JSON.stringify(added)}`;
      errors.push(forbidden('metadata.finalizers', detail));
    }
  }
  return errors;
}
