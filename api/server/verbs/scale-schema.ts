import { ObjectMeta, typeMeta } from '../../kinds/meta.ts';
import { integer, string, struct } from '../../kinds/schema.ts';

const id = 'io.k8s.api.autoscaling.v1.Scale';

export const scaleSchema = struct(
  id,
  {},
  {
    ...typeMeta,
    metadata: ObjectMeta,
    spec: struct(`${id}Spec`, {}, { replicas: integer() }, 'replicas 1'),
    status: struct(`${id}Status`, {}, { replicas: integer(), selector: string() }, 'replicas 1, selector 2'),
  },
  'metadata 1, spec 2, status 3',
);
