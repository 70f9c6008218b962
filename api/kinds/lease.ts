import type { Static } from 'typebox';
import { renderAge } from './age.ts';
import { invalid } from './field-error.ts';
import type { Kind } from './kind.ts';
import { ObjectMeta, typeMeta } from './meta.ts';
import { filled, integer, microTime, string, struct } from './schema.ts';
import { column } from './table.ts';

const COORDINATION = 'io.k8s.api.coordination.v1';

export const Lease = struct(
  `${COORDINATION}.Lease`,
  { metadata: filled(ObjectMeta, {}) },
  {
    ...typeMeta,
    spec: struct(
      `${COORDINATION}.LeaseSpec`,
      {},
      {
        holderIdentity: string(),
        leaseDurationSeconds: integer(),
        acquireTime: microTime(),
        renewTime: microTime(),
        leaseTransitions: integer(),
        strategy: string(),
        preferredHolder: string(),
      },
      `
        *holderIdentity 1, *leaseDurationSeconds 2, acquireTime 3, renewTime 4, *leaseTransitions 5,
        *strategy 6, *preferredHolder 7`,
    ),
  },
  'metadata 1, spec 2',
  { description: 'Who holds a role, and until when: heartbeats of nodes, elections of leaders.' },
);
export type Lease = Static<typeof Lease>;

export const leaseKind: Kind<Lease> = {
  group: 'coordination.k8s.io',
  version: 'v1',
  kind: 'Lease',
  plural: 'leases',
  singular: 'lease',
  shortNames: [],
  categories: [],
  namespaced: true,
  nameFormat: 'subdomain',
  schema: Lease,
  subresources: [],
  generation: false,
  defaultPropagation: 'Background',
  columns: [column('Name'), column('Holder'), column('Age')],
  cells: ({ metadata, spec }, nowMs) => [
    metadata.name,
    spec?.holderIdentity ?? '',
    renderAge(metadata.creationTimestamp, nowMs),
  ],
  selectable: [],
  selectableFields: () => ({}),
  validate({ spec }) {
    const duration = spec?.leaseDurationSeconds;
    const transitions = spec?.leaseTransitions;
    return [
      ...(duration !== undefined && duration <= 0
        ? [invalid('spec.leaseDurationSeconds', duration, 'must be greater than 0')]
        : []),
      ...(transitions !== undefined && transitions < 0
        ? [invalid('spec.leaseTransitions', transitions, 'must be greater than or equal to 0')]
        : []),
    ];
  },
};
