import type { Static } from 'typebox';
import { ObjectMeta, typeMeta } from './meta.ts';
import { PodTemplateSpec } from './pod-spec.ts';
import { filled, int64, integer, list, map, string, struct, time } from './schema.ts';

const CORE = 'io.k8s.api.core.v1';

const ReplicationControllerCondition = struct(
  `${CORE}.ReplicationControllerCondition`,
  { type: string(), status: string() },
  { lastTransitionTime: time(), reason: string(), message: string() },
);

export const ReplicationControllerSpec = struct(
  `${CORE}.ReplicationControllerSpec`,
  {},
  {
    replicas: integer({ default: 1 }),
    minReadySeconds: integer(),
    selector: map(string()),
    template: PodTemplateSpec,
  },
);
export type ReplicationControllerSpec = Static<typeof ReplicationControllerSpec>;

export const ReplicationController = struct(
  `${CORE}.ReplicationController`,
  { metadata: filled(ObjectMeta, {}), spec: filled(ReplicationControllerSpec, {}) },
  {
    ...typeMeta,
    status: struct(
      `${CORE}.ReplicationControllerStatus`,
      { replicas: filled(integer(), 0) },
      {
        fullyLabeledReplicas: integer(),
        readyReplicas: integer(),
        availableReplicas: integer(),
        observedGeneration: int64(),
        conditions: list(ReplicationControllerCondition, { mergeKey: 'type' }),
      },
    ),
  },
);
export type ReplicationController = Static<typeof ReplicationController>;
