import { ObjectMeta, typeMeta } from '../../kinds/meta.ts';
import { boolean, list, string, struct } from '../../kinds/schema.ts';
import { rightsOf } from '../rights.ts';
import type { Review } from './review.ts';

const AUTHORIZATION = 'io.k8s.api.authorization.v1';

const ResourceRule = struct(
  `${AUTHORIZATION}.ResourceRule`,
  { verbs: list(string()) },
  { apiGroups: list(string()), resources: list(string()), resourceNames: list(string()) },
  'verbs 1, apiGroups 2, resources 3, resourceNames 4',
);

const NonResourceRule = struct(
  `${AUTHORIZATION}.NonResourceRule`,
  { verbs: list(string()) },
  { nonResourceURLs: list(string()) },
  'verbs 1, nonResourceURLs 2',
);

/** What may I do? `kubectl auth can-i --list`. */
export const selfSubjectRulesReview: Review = {
  group: 'authorization.k8s.io',
  version: 'v1',
  kind: 'SelfSubjectRulesReview',
  plural: 'selfsubjectrulesreviews',
  singular: 'selfsubjectrulesreview',
  namespaced: false,
  schema: struct(
    `${AUTHORIZATION}.SelfSubjectRulesReview`,
    {
      spec: struct(`${AUTHORIZATION}.SelfSubjectRulesReviewSpec`, {}, { namespace: string() }, 'namespace 1'),
    },
    {
      ...typeMeta,
      metadata: ObjectMeta,
      status: struct(
        `${AUTHORIZATION}.SubjectRulesReviewStatus`,
        {},
        {
          resourceRules: list(ResourceRule),
          nonResourceRules: list(NonResourceRule),
          incomplete: boolean(),
          evaluationError: string(),
        },
        'resourceRules 1, nonResourceRules 2, incomplete 3, evaluationError 4',
      ),
    },
    'metadata 1, spec 2, status 3',
  ),
  answer: (_spec, { user }) => Promise.resolve(rightsOf(user)),
};
