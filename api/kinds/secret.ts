import type { Static } from 'typebox';
import { ObjectMeta, typeMeta } from './meta.ts';
import { boolean, bytes, filled, map, string, struct } from './schema.ts';

export const Secret = struct(
  'io.k8s.api.core.v1.Secret',
  { metadata: filled(ObjectMeta, {}) },
  {
    ...typeMeta,
    immutable: boolean(),
    /** Base64 values. */
    data: map(bytes()),
    /** Plain values, written only: merged into `data` on create and update. */
    stringData: map(string()),
    type: string({ default: 'Opaque' }),
  },
);
export type Secret = Static<typeof Secret>;
