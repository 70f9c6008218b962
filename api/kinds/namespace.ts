import type { Static } from 'typebox';
import { renderAge } from './age.ts';
import type { Kind } from './kind.ts';
import { ObjectMeta, typeMeta } from './meta.ts';
import { filled, list, string, struct, time } from './schema.ts';
import { column } from './table.ts';

const CORE = 'io.k8s.api.core.v1';

const NamespaceCondition = struct(
  `${CORE}.NamespaceCondition`,
  { type: string(), status: string() },
  { lastTransitionTime: time(), reason: string(), message: string() },
  'type 1, status 2, lastTransitionTime 4, reason 5, message 6',
);

export const Namespace = struct(
  `${CORE}.Namespace`,
  { metadata: filled(ObjectMeta, {}) },
  {
    ...typeMeta,
    spec: struct(`${CORE}.NamespaceSpec`, {}, { finalizers: list(string()) }, 'finalizers 1'),
    status: struct(
      `${CORE}.NamespaceStatus`,
      {},
      { phase: string(), conditions: list(NamespaceCondition, { mergeKey: 'type' }) },
      'phase 1, conditions 2',
    ),
  },
  'metadata 1, spec 2, status 3',
  { description: 'A scope for names: most objects live in one.' },
);
export type Namespace = Static<typeof Namespace>;

export const namespaceKind: Kind<Namespace> = {
  group: '',
  version: 'v1',
  kind: 'Namespace',
  plural: 'namespaces',
  singular: 'namespace',
  shortNames: ['ns'],
  categories: [],
  namespaced: false,
  nameFormat: 'label',
  schema: Namespace,
  subresources: ['status'],
  generation: false,
  defaultPropagation: 'Background',
  columns: [column('Name'), column('Status'), column('Age')],
  cells: ({ metadata, status }, nowMs) => [
    metadata.name,
    status?.phase ?? '',
    renderAge(metadata.creationTimestamp, nowMs),
  ],
  selectable: ['status.phase'],
  selectableFields: ({ status }) => ({ 'status.phase': status?.phase ?? '' }),
  applyDefaults({ metadata }) {
    if (metadata.name === '') return;
    metadata.labels = { ...metadata.labels, 'kubernetes.io/metadata.name': metadata.name };
  },
  prepareForCreate(namespace) {
    namespace.spec = { finalizers: ['kubernetes'] };
    namespace.status = { phase: 'Active' };
  },
  prepareForUpdate(namespace, old) {
    if (old.spec) namespace.spec = old.spec;
    if (old.status) namespace.status = old.status;
  },
  prepareForStatusUpdate(namespace, old) {
    if (old.spec) namespace.spec = old.spec;
  },
  validate: () => [],
};
