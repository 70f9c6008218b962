import { masters, nodeOf } from './authentication.ts';
import type { User } from './authentication.ts';

/** What users may do as rules to read; the authorizer decides by more than rules can say. */
interface Rights {
  readonly resourceRules: readonly {
    readonly verbs: readonly string[];
    readonly apiGroups: readonly string[];
    readonly resources: readonly string[];
  }[];
  readonly nonResourceRules: readonly {
    readonly verbs: readonly string[];
    readonly nonResourceURLs: readonly string[];
  }[];
  readonly incomplete: boolean;
  readonly evaluationError?: string;
}

/** Paths, with all below them, that everybody may read. */
export const openPaths = ['/healthz', '/livez', '/readyz', '/version'];

/** Paths, with all below them, that whoever is known may read. */
export const discoveryPaths = ['/api', '/apis', '/openapi'];

const all = ['*'];
const read = ['get', 'list', 'watch'];

const ofMasters: Rights = {
  resourceRules: [{ verbs: all, apiGroups: all, resources: all }],
  nonResourceRules: [{ verbs: all, nonResourceURLs: all }],
  incomplete: false,
};

const askingRules = [
  {
    verbs: ['create'],
    apiGroups: ['authorization.k8s.io'],
    resources: ['selfsubjectaccessreviews', 'selfsubjectrulesreviews'],
  },
  { verbs: ['create'], apiGroups: ['authentication.k8s.io'], resources: ['selfsubjectreviews'] },
];

const nodeRules = [
  { verbs: read, apiGroups: [''], resources: ['services', 'endpoints', 'namespaces', 'nodes'] },
  { verbs: read, apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'] },
  { verbs: ['list', 'watch'], apiGroups: [''], resources: ['pods'] },
  { verbs: ['create'], apiGroups: [''], resources: ['nodes'] },
  { verbs: ['create', 'patch', 'update'], apiGroups: [''], resources: ['events'] },
];

export function rightsOf(user: User): Rights {
  if (user.groups.includes(masters)) return ofMasters;
  const isKnown = user.groups.includes('system:authenticated');
  const paths = isKnown ? [...openPaths, ...discoveryPaths] : openPaths;
  const nonResourceRules = paths.map((path) => ({ verbs: ['get'], nonResourceURLs: [path, `${path}/*`] }));
  const asking = isKnown ? askingRules : [];
  if (nodeOf(user) === undefined) return { resourceRules: asking, nonResourceRules, incomplete: false };
  return {
    resourceRules: [...asking, ...nodeRules],
    nonResourceRules,
    incomplete: true,
    evaluationError: 'a node may also reach itself, its leases, its pods and what these mount',
  };
}
