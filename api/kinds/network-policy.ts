import type { Static } from 'typebox';
import { renderAge } from './age.ts';
import { orNone } from './cells.ts';
import type { Kind } from './kind.ts';
import { LabelSelector, ObjectMeta, typeMeta } from './meta.ts';
import { validateNetworkPolicySpec } from './network-policy-validation.ts';
import { filled, integer, intOrString, list, string, struct } from './schema.ts';
import { column } from './table.ts';
import { renderSelector } from './workload.ts';

const NETWORKING = 'io.k8s.api.networking.v1';

const IPBlock = struct(
  `${NETWORKING}.IPBlock`,
  { cidr: filled(string(), '') },
  { except: list(string()) },
  'cidr 1, except 2',
  { description: 'A range of addresses, without those in `except`.' },
);
export type IPBlock = Static<typeof IPBlock>;

const NetworkPolicyPort = struct(
  `${NETWORKING}.NetworkPolicyPort`,
  {},
  { protocol: string({ default: 'TCP' }), port: intOrString(), endPort: integer() },
  '*protocol 1, port 2, *endPort 3',
);
export type NetworkPolicyPort = Static<typeof NetworkPolicyPort>;

const NetworkPolicyPeer = struct(
  `${NETWORKING}.NetworkPolicyPeer`,
  {},
  { podSelector: LabelSelector, namespaceSelector: LabelSelector, ipBlock: IPBlock },
  'podSelector 1, namespaceSelector 2, ipBlock 3',
  { description: 'Who is on the other side: pods, the pods of namespaces, or a range of addresses.' },
);
export type NetworkPolicyPeer = Static<typeof NetworkPolicyPeer>;

const NetworkPolicySpec = struct(
  `${NETWORKING}.NetworkPolicySpec`,
  { podSelector: filled(LabelSelector, {}) },
  {
    ingress: list(
      struct(
        `${NETWORKING}.NetworkPolicyIngressRule`,
        {},
        { ports: list(NetworkPolicyPort), from: list(NetworkPolicyPeer) },
        'ports 1, from 2',
      ),
    ),
    egress: list(
      struct(
        `${NETWORKING}.NetworkPolicyEgressRule`,
        {},
        { ports: list(NetworkPolicyPort), to: list(NetworkPolicyPeer) },
        'ports 1, to 2',
      ),
    ),
    policyTypes: list(string()),
  },
  'podSelector 1, ingress 2, egress 3, policyTypes 4',
);
export type NetworkPolicySpec = Static<typeof NetworkPolicySpec>;

export const NetworkPolicy = struct(
  `${NETWORKING}.NetworkPolicy`,
  { metadata: filled(ObjectMeta, {}), spec: filled(NetworkPolicySpec, {}) },
  { ...typeMeta },
  'metadata 1, spec 2',
  { description: 'What traffic is allowed to and from a set of pods. Stored and checked, not enforced.' },
);
export type NetworkPolicy = Static<typeof NetworkPolicy>;

export const networkPolicyKind: Kind<NetworkPolicy> = {
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'NetworkPolicy',
  plural: 'networkpolicies',
  singular: 'networkpolicy',
  shortNames: ['netpol'],
  categories: [],
  namespaced: true,
  nameFormat: 'subdomain',
  schema: NetworkPolicy,
  subresources: [],
  generation: true,
  defaultPropagation: 'Background',
  columns: [column('Name'), column('Pod-Selector'), column('Age')],
  cells: ({ metadata, spec }, nowMs) => [
    metadata.name,
    orNone(renderSelector(spec.podSelector)),
    renderAge(metadata.creationTimestamp, nowMs),
  ],
  selectable: [],
  selectableFields: () => ({}),
  applyDefaults({ spec }) {
    if (spec.policyTypes?.length) return;
    // Only who says something of egress restricts it.
    spec.policyTypes = spec.egress?.length ? ['Ingress', 'Egress'] : ['Ingress'];
  },
  validate: ({ spec }) => validateNetworkPolicySpec(spec),
};
