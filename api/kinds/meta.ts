import type { Static } from 'typebox';
import {
  atomic,
  anyObject,
  boolean,
  filled,
  int64,
  integer,
  list,
  map,
  string,
  struct,
  time,
} from './schema.ts';

const META = 'io.k8s.apimachinery.pkg.apis.meta.v1';

export const OwnerReference = atomic(
  struct(
    `${META}.OwnerReference`,
    { apiVersion: string(), kind: string(), name: string(), uid: string() },
    { controller: boolean(), blockOwnerDeletion: boolean() },
    'kind 1, name 3, uid 4, apiVersion 5, *controller 6, *blockOwnerDeletion 7',
  ),
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
  'manager 1, operation 2, apiVersion 3, time 4, fieldsType 6, fieldsV1 7, subresource 8',
);
export type ManagedFieldsEntry = Static<typeof ManagedFieldsEntry>;

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

const metaNumbers = `
  name 1, generateName 2, namespace 3, selfLink 4, uid 5, resourceVersion 6, generation 7,
  creationTimestamp 8, deletionTimestamp 9, *deletionGracePeriodSeconds 10, labels 11,
  annotations 12, ownerReferences 13, finalizers 14, managedFields 17`;

const metaTexts = {
  description: 'Name, labels and bookkeeping that every object has.',
  fieldTexts: {
    name: 'Unique among the objects of its kind in its namespace. Cannot be changed.',
    generateName: 'The beginning of a name that the server completes, for those who give no name.',
    namespace: 'The scope of the name. Cannot be changed.',
    uid: 'Given by the server; unlike a name, never used again.',
    resourceVersion:
      'Changes with every write. Sent back in an update, it says which state the update is meant for.',
    generation: 'Counts the changes to what is wanted (the spec).',
    creationTimestamp: 'When the object was made. Set by the server.',
    deletionTimestamp: 'When the object goes, or should have gone. Set by the server when it is deleted.',
    deletionGracePeriodSeconds: 'How long the object may take to end once it is deleted.',
    labels: 'Names and values by which objects are selected.',
    annotations: 'Names and values that tools keep with the object. Not for selecting.',
    ownerReferences: 'What the object belongs to: it goes when all of them are gone.',
    finalizers: 'Who has work to do before the object may go. Each takes its own name off the list.',
    managedFields: 'Which client set which field, as server-side apply notes it.',
  },
};

/** Metadata of every object. `name` is `''` only in a request that asks for `generateName`. */
export const ObjectMeta = struct(
  `${META}.ObjectMeta`,
  { name: filled(string(), '') },
  metaFields,
  metaNumbers,
  metaTexts,
);

/** Metadata of a template: a name is not expected. */
export const TemplateMeta = struct(
  `${META}.ObjectMeta`,
  {},
  { name: string(), ...metaFields },
  metaNumbers,
  metaTexts,
);
export type ObjectMeta = Static<typeof ObjectMeta>;

export const ListMeta = struct(
  `${META}.ListMeta`,
  {},
  { selfLink: string(), resourceVersion: string(), continue: string(), remainingItemCount: int64() },
  'selfLink 1, resourceVersion 2, continue 3, *remainingItemCount 4',
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
  'key 1, operator 2, values 3',
);
export type LabelSelectorRequirement = Static<typeof LabelSelectorRequirement>;

export const LabelSelector = atomic(
  struct(
    `${META}.LabelSelector`,
    {},
    { matchLabels: map(string()), matchExpressions: list(LabelSelectorRequirement) },
    'matchLabels 1, matchExpressions 2',
  ),
);
export type LabelSelector = Static<typeof LabelSelector>;

export const Condition = struct(
  `${META}.Condition`,
  { type: string(), status: string(), lastTransitionTime: time(), reason: string(), message: string() },
  { observedGeneration: int64() },
  'type 1, status 2, observedGeneration 3, lastTransitionTime 4, reason 5, message 6',
);
export type Condition = Static<typeof Condition>;

export const StatusCause = struct(
  `${META}.StatusCause`,
  {},
  { reason: string(), message: string(), field: string() },
  'reason 1, message 2, field 3',
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
  'name 1, group 2, kind 3, causes 4, retryAfterSeconds 5, uid 6',
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
  'metadata 1, status 2, message 3, reason 4, details 5, code 6',
);
export type Status = Static<typeof Status>;

const Preconditions = struct(
  `${META}.Preconditions`,
  {},
  { uid: string(), resourceVersion: string() },
  '*uid 1, *resourceVersion 2',
);

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
  `
    *gracePeriodSeconds 1, preconditions 2, *orphanDependents 3, *propagationPolicy 4, dryRun 5,
    *ignoreStoreReadErrorWithClusterBreakingPotential 6`,
);
export type DeleteOptions = Static<typeof DeleteOptions>;

/** The body of any kind of patch. */
export const Patch = anyObject(`${META}.Patch`);

/** `apiVersion` and `kind`, optional in a stored object's body. */
export const typeMeta = {
  apiVersion: string({ description: 'The group and version that the object is written in, e.g. `apps/v1`.' }),
  kind: string({ description: 'What the object is, e.g. `Deployment`. Cannot be changed.' }),
};
