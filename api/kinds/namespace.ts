import type { Static } from 'typebox';
import { ObjectMeta, typeMeta } from './meta.ts';
import { filled, list, string, struct, time } from './schema.ts';

const CORE = 'io.k8s.api.core.v1';

const NamespaceCondition = struct(
  `${CORE}.NamespaceCondition`,
  { type: string(), status: string() },
  { lastTransitionTime: time(), reason: string(), message: string() },
);

export const Namespace = struct(
  `${CORE}.Namespace`,
  { metadata: filled(ObjectMeta, {}) },
  {
    ...typeMeta,
    spec: struct(`${CORE}.NamespaceSpec`, {}, { finalizers: list(string()) }),
    status: struct(
      `${CORE}.NamespaceStatus`,
      {},
      { phase: string(), conditions: list(NamespaceCondition, { mergeKey: 'type' }) },
    ),
  },
);
export type Namespace = Static<typeof Namespace>;
