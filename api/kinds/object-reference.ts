import type { Static } from 'typebox';
import { atomic, string, struct } from './schema.ts';

export const ObjectReference = atomic(
  struct(
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
    'kind 1, namespace 2, name 3, uid 4, apiVersion 5, resourceVersion 6, fieldPath 7',
  ),
);
export type ObjectReference = Static<typeof ObjectReference>;
