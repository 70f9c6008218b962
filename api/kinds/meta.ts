import type { Static } from 'typebox';
import { anyObject, boolean, filled, int64, integer, list, map, string, struct, time } from './schema.ts';

const META = 'io.k8s.apimachinery.pkg.apis.meta.v1';

export const OwnerReference = struct(
  `${META}.OwnerReference`,
  { apiVersion: string(), kind: string(), name: string(), uid: string() },
  { controller: boolean(), blockOwnerDeletion: boolean() },
);
export type OwnerReference = Static<typeof OwnerReference>;

const ManagedFieldsEntry = struct(
  `${META}.ManagedFieldsEntry`,
  {},
  {
    manager: string(),
    operation: string(),
    apiVersion: string(),
    time: time(),
    fieldsType: string(),
    fieldsV1: anyObject(`${META}.FieldsV1`),
    subresource: string(),
  },
);

const metaFields = {
  generateName: string(),
  namespace: string(),
  selfLink: string(),
  uid: string(),
  resourceVersion: string(),
  generation: int64(),
  creationTimestamp: time(),
  deletionTimestamp: time(),
  deletionGracePeriodSeconds: int64(),
  labels: map(string()),
  annotations: map(string()),
  ownerReferences: list(OwnerReference, { mergeKey: 'uid' }),
  finalizers: list(string(), { strategy: 'merge' }),
  managedFields: list(ManagedFieldsEntry),
};

/** Metadata of every object. `name` is `''` only in a request that asks for `generateName`. */
export const ObjectMeta = struct(`${META}.ObjectMeta`, { name: filled(string(), '') }, metaFields, {
  description: 'Name, labels and bookkeeping that every object has.',
});

/** Metadata of a template: a name is not expected. */
export const TemplateMeta = struct(
  `${META}.ObjectMeta`,
  {},
  { name: string(), ...metaFields },
  { description: 'Name, labels and bookkeeping that every object has.' },
);
export type ObjectMeta = Static<typeof ObjectMeta>;

export const ListMeta = struct(
  `${META}.ListMeta`,
  {},
  { selfLink: string(), resourceVersion: string(), continue: string(), remainingItemCount: int64() },
);
export type ListMeta = Static<typeof ListMeta>;

/** What every object of the API has. */
export interface KubeObject {
  apiVersion?: string;
  kind?: string;
  metadata: ObjectMeta;
}

export interface List<T> {
  apiVersion: string;
  kind: string;
  metadata: ListMeta;
  items: T[];
}

export interface WatchEvent<T> {
  type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  object: T;
}

export const LabelSelectorRequirement = struct(
  `${META}.LabelSelectorRequirement`,
  { key: string(), operator: string() },
  { values: list(string()) },
);
export type LabelSelectorRequirement = Static<typeof LabelSelectorRequirement>;

export const LabelSelector = struct(
  `${META}.LabelSelector`,
  {},
  { matchLabels: map(string()), matchExpressions: list(LabelSelectorRequirement) },
);
export type LabelSelector = Static<typeof LabelSelector>;

export const Condition = struct(
  `${META}.Condition`,
  { type: string(), status: string(), lastTransitionTime: time(), reason: string(), message: string() },
  { observedGeneration: int64() },
);
export type Condition = Static<typeof Condition>;

export const StatusCause = struct(
  `${META}.StatusCause`,
  {},
  { reason: string(), message: string(), field: string() },
);
export type StatusCause = Static<typeof StatusCause>;

export const StatusDetails = struct(
  `${META}.StatusDetails`,
  {},
  {
    name: string(),
    group: string(),
    kind: string(),
    uid: string(),
    causes: list(StatusCause),
    retryAfterSeconds: integer(),
  },
);
export type StatusDetails = Static<typeof StatusDetails>;

/** The answer to a request that returns no object: every error, and some deletions. */
export const Status = struct(
  `${META}.Status`,
  {},
  {
    apiVersion: string(),
    kind: string(),
    metadata: ListMeta,
    status: string(),
    message: string(),
    reason: string(),
    details: StatusDetails,
    code: integer(),
  },
);
export type Status = Static<typeof Status>;

const Preconditions = struct(`${META}.Preconditions`, {}, { uid: string(), resourceVersion: string() });

export const DeleteOptions = struct(
  `${META}.DeleteOptions`,
  {},
  {
    apiVersion: string(),
    kind: string(),
    gracePeriodSeconds: int64(),
    preconditions: Preconditions,
    orphanDependents: boolean(),
    propagationPolicy: string(),
    dryRun: list(string()),
    ignoreStoreReadErrorWithClusterBreakingPotential: boolean(),
  },
);
export type DeleteOptions = Static<typeof DeleteOptions>;

/** The body of any kind of patch. */
export const Patch = anyObject(`${META}.Patch`);

/** `apiVersion` and `kind`, optional in a stored object's body. */
export const typeMeta = { apiVersion: string(), kind: string() };
