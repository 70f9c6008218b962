import type { Static } from 'typebox';
import { ObjectMeta, typeMeta } from './meta.ts';
import { filled, integer, microTime, string, struct } from './schema.ts';

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
    ),
  },
);
export type Lease = Static<typeof Lease>;
