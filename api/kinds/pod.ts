import type { Static } from 'typebox';
import { ObjectMeta, typeMeta } from './meta.ts';
import { PodSpec } from './pod-spec.ts';
import { PodStatus } from './pod-status.ts';
import { filled, struct } from './schema.ts';

export const Pod = struct(
  'io.k8s.api.core.v1.Pod',
  { metadata: filled(ObjectMeta, {}), spec: filled(PodSpec, {}) },
  { ...typeMeta, status: PodStatus },
);
export type Pod = Static<typeof Pod>;
