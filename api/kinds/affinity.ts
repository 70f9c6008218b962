import type { Static } from 'typebox';
import { LabelSelector } from './meta.ts';
import { int64, integer, list, string, struct } from './schema.ts';

const CORE = 'io.k8s.api.core.v1';

const NodeSelectorRequirement = struct(
  `${CORE}.NodeSelectorRequirement`,
  { key: string(), operator: string() },
  { values: list(string()) },
);

const NodeSelectorTerm = struct(
  `${CORE}.NodeSelectorTerm`,
  {},
  { matchExpressions: list(NodeSelectorRequirement), matchFields: list(NodeSelectorRequirement) },
);

const NodeAffinity = struct(
  `${CORE}.NodeAffinity`,
  {},
  {
    requiredDuringSchedulingIgnoredDuringExecution: struct(
      `${CORE}.NodeSelector`,
      { nodeSelectorTerms: list(NodeSelectorTerm) },
      {},
    ),
    preferredDuringSchedulingIgnoredDuringExecution: list(
      struct(`${CORE}.PreferredSchedulingTerm`, { weight: integer(), preference: NodeSelectorTerm }, {}),
    ),
  },
);

const PodAffinityTerm = struct(
  `${CORE}.PodAffinityTerm`,
  { topologyKey: string() },
  {
    labelSelector: LabelSelector,
    namespaces: list(string()),
    namespaceSelector: LabelSelector,
    matchLabelKeys: list(string()),
    mismatchLabelKeys: list(string()),
  },
);
const podAffinityFields = {
  requiredDuringSchedulingIgnoredDuringExecution: list(PodAffinityTerm),
  preferredDuringSchedulingIgnoredDuringExecution: list(
    struct(`${CORE}.WeightedPodAffinityTerm`, { weight: integer(), podAffinityTerm: PodAffinityTerm }, {}),
  ),
};

export const Affinity = struct(
  `${CORE}.Affinity`,
  {},
  {
    nodeAffinity: NodeAffinity,
    podAffinity: struct(`${CORE}.PodAffinity`, {}, podAffinityFields),
    podAntiAffinity: struct(`${CORE}.PodAntiAffinity`, {}, podAffinityFields),
  },
);
export type Affinity = Static<typeof Affinity>;

export const Toleration = struct(
  `${CORE}.Toleration`,
  {},
  {
    key: string(),
    operator: string(),
    value: string(),
    effect: string(),
    tolerationSeconds: int64(),
  },
);
export type Toleration = Static<typeof Toleration>;

export const TopologySpreadConstraint = struct(
  `${CORE}.TopologySpreadConstraint`,
  { maxSkew: integer(), topologyKey: string(), whenUnsatisfiable: string() },
  {
    labelSelector: LabelSelector,
    minDomains: integer(),
    nodeAffinityPolicy: string(),
    nodeTaintsPolicy: string(),
    matchLabelKeys: list(string()),
  },
);
