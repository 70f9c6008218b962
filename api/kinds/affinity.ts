import type { Static } from 'typebox';
import { LabelSelector } from './meta.ts';
import { atomic, int64, integer, list, string, struct } from './schema.ts';

const CORE = 'io.k8s.api.core.v1';

const NodeSelectorRequirement = struct(
  `${CORE}.NodeSelectorRequirement`,
  { key: string(), operator: string() },
  { values: list(string()) },
  'key 1, operator 2, values 3',
);

const NodeSelectorTerm = atomic(
  struct(
    `${CORE}.NodeSelectorTerm`,
    {},
    { matchExpressions: list(NodeSelectorRequirement), matchFields: list(NodeSelectorRequirement) },
    'matchExpressions 1, matchFields 2',
  ),
);

const NodeAffinity = struct(
  `${CORE}.NodeAffinity`,
  {},
  {
    requiredDuringSchedulingIgnoredDuringExecution: atomic(
      struct(
        `${CORE}.NodeSelector`,
        { nodeSelectorTerms: list(NodeSelectorTerm) },
        {},
        'nodeSelectorTerms 1',
      ),
    ),
    preferredDuringSchedulingIgnoredDuringExecution: list(
      struct(
        `${CORE}.PreferredSchedulingTerm`,
        { weight: integer(), preference: NodeSelectorTerm },
        {},
        'weight 1, preference 2',
      ),
    ),
  },
  `
    requiredDuringSchedulingIgnoredDuringExecution 1,
    preferredDuringSchedulingIgnoredDuringExecution 2`,
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
  `
    labelSelector 1, namespaces 2, topologyKey 3, namespaceSelector 4, matchLabelKeys 5,
    mismatchLabelKeys 6`,
);
const podAffinityFields = {
  requiredDuringSchedulingIgnoredDuringExecution: list(PodAffinityTerm),
  preferredDuringSchedulingIgnoredDuringExecution: list(
    struct(
      `${CORE}.WeightedPodAffinityTerm`,
      { weight: integer(), podAffinityTerm: PodAffinityTerm },
      {},
      'weight 1, podAffinityTerm 2',
    ),
  ),
};

export const Affinity = struct(
  `${CORE}.Affinity`,
  {},
  {
    nodeAffinity: NodeAffinity,
    podAffinity: struct(
      `${CORE}.PodAffinity`,
      {},
      podAffinityFields,
      `
        requiredDuringSchedulingIgnoredDuringExecution 1,
        preferredDuringSchedulingIgnoredDuringExecution 2`,
    ),
    podAntiAffinity: struct(
      `${CORE}.PodAntiAffinity`,
      {},
      podAffinityFields,
      `
        requiredDuringSchedulingIgnoredDuringExecution 1,
        preferredDuringSchedulingIgnoredDuringExecution 2`,
    ),
  },
  'nodeAffinity 1, podAffinity 2, podAntiAffinity 3',
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
  'key 1, operator 2, value 3, effect 4, *tolerationSeconds 5',
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
  `
    maxSkew 1, topologyKey 2, whenUnsatisfiable 3, labelSelector 4, *minDomains 5,
    *nodeAffinityPolicy 6, *nodeTaintsPolicy 7, matchLabelKeys 8`,
);
