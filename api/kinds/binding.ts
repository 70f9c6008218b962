import type { Static } from 'typebox';
import { ObjectMeta, typeMeta } from './meta.ts';
import { ObjectReference } from './object-reference.ts';
import { filled, struct } from './schema.ts';

/** `POST pods/<name>/binding`: puts a pod on the node `target.name`. Never stored. */
export const Binding = struct(
  'io.k8s.api.core.v1.Binding',
  { metadata: filled(ObjectMeta, {}), target: ObjectReference },
  typeMeta,
);
export type Binding = Static<typeof Binding>;
