import { DeleteOptions, ObjectMeta, typeMeta } from '../../kinds/meta.ts';
import { ObjectReference } from '../../kinds/object-reference.ts';
import { struct } from '../../kinds/schema.ts';

/** What is asked of a pod by an object that is not stored. */

/** To be put on a node: POST to pods/binding. */
export const Binding = struct(
  'io.k8s.api.core.v1.Binding',
  { target: ObjectReference },
  { ...typeMeta, metadata: ObjectMeta },
  'metadata 1, target 2',
);

/** To go, unless too few of its kind would be left: POST to pods/eviction. */
export const Eviction = struct(
  'io.k8s.api.policy.v1.Eviction',
  {},
  { ...typeMeta, metadata: ObjectMeta, deleteOptions: DeleteOptions },
  'metadata 1, deleteOptions 2',
);
