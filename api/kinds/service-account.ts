import type { Static } from 'typebox';
import { renderAge } from './age.ts';
import { LocalObjectReference } from './container.ts';
import type { Kind } from './kind.ts';
import { ObjectMeta, typeMeta } from './meta.ts';
import { ObjectReference } from './object-reference.ts';
import { boolean, filled, list, struct } from './schema.ts';
import { column } from './table.ts';

export const ServiceAccount = struct(
  'io.k8s.api.core.v1.ServiceAccount',
  { metadata: filled(ObjectMeta, {}) },
  {
    ...typeMeta,
    secrets: list(ObjectReference, { mergeKey: 'name' }),
    imagePullSecrets: list(LocalObjectReference),
    automountServiceAccountToken: boolean(),
  },
  'metadata 1, secrets 2, imagePullSecrets 3, *automountServiceAccountToken 4',
  { description: 'Whom a pod is, when it speaks to the API.' },
);
export type ServiceAccount = Static<typeof ServiceAccount>;

export const serviceAccountKind: Kind<ServiceAccount> = {
  group: '',
  version: 'v1',
  kind: 'ServiceAccount',
  plural: 'serviceaccounts',
  singular: 'serviceaccount',
  shortNames: ['sa'],
  categories: [],
  namespaced: true,
  nameFormat: 'subdomain',
  schema: ServiceAccount,
  subresources: [],
  generation: false,
  defaultPropagation: 'Background',
  columns: [column('Name'), column('Secrets'), column('Age')],
  cells: ({ metadata, secrets = [] }, nowMs) => [
    metadata.name,
    secrets.length,
    renderAge(metadata.creationTimestamp, nowMs),
  ],
  selectable: [],
  selectableFields: () => ({}),
  validate: () => [],
};
