import type { Static } from 'typebox';
import { ObjectMeta, typeMeta } from './meta.ts';
import { boolean, bytes, filled, map, string, struct } from './schema.ts';

export const ConfigMap = struct(
  'io.k8s.api.core.v1.ConfigMap',
  { metadata: filled(ObjectMeta, {}) },
  { ...typeMeta, immutable: boolean(), data: map(string()), binaryData: map(bytes()) },
);
export type ConfigMap = Static<typeof ConfigMap>;
