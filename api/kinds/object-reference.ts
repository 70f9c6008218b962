import type { Static } from 'typebox';
import { string, struct } from './schema.ts';

export const ObjectReference = struct(
  'io.k8s.api.core.v1.ObjectReference',
  {},
  {
    kind: string(),
    namespace: string(),
    name: string(),
    uid: string(),
    apiVersion: string(),
    resourceVersion: string(),
    fieldPath: string(),
  },
);
export type ObjectReference = Static<typeof ObjectReference>;
