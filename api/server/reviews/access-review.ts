import type { Static } from 'typebox';
import { LabelSelectorRequirement, ObjectMeta, typeMeta } from '../../kinds/meta.ts';
import { boolean, list, map, string, struct } from '../../kinds/schema.ts';
import type { User } from '../authentication.ts';
import type { Authorizer } from '../authorizer.ts';
import { badRequest } from '../status-error.ts';
import type { Review } from './review.ts';

/** May somebody do something? `kubectl auth can-i`, and servers that leave the decision to us. */
const AUTHORIZATION = 'io.k8s.api.authorization.v1';

const FieldSelectorRequirement = struct(
  'io.k8s.apimachinery.pkg.apis.meta.v1.FieldSelectorRequirement',
  { key: string(), operator: string() },
  { values: list(string()) },
  'key 1, operator 2, values 3',
);

const ResourceAttributes = struct(
  `${AUTHORIZATION}.ResourceAttributes`,
  {},
  {
    namespace: string(),
    verb: string(),
    group: string(),
    version: string(),
    resource: string(),
    subresource: string(),
    name: string(),
    fieldSelector: struct(
      `${AUTHORIZATION}.FieldSelectorAttributes`,
      {},
      { rawSelector: string(), requirements: list(FieldSelectorRequirement) },
      'rawSelector 1, requirements 2',
    ),
    labelSelector: struct(
      `${AUTHORIZATION}.LabelSelectorAttributes`,
      {},
      { rawSelector: string(), requirements: list(LabelSelectorRequirement) },
      'rawSelector 1, requirements 2',
    ),
  },
  `
    namespace 1, verb 2, group 3, version 4, resource 5, subresource 6, name 7, fieldSelector 8,
    labelSelector 9`,
);

const NonResourceAttributes = struct(
  `${AUTHORIZATION}.NonResourceAttributes`,
  {},
  { path: string(), verb: string() },
  'path 1, verb 2',
);

const action = { resourceAttributes: ResourceAttributes, nonResourceAttributes: NonResourceAttributes };

const SelfSpec = struct(
  `${AUTHORIZATION}.SelfSubjectAccessReviewSpec`,
  {},
  action,
  'resourceAttributes 1, nonResourceAttributes 2',
);
type Action = Static<typeof SelfSpec>;

const SubjectSpec = struct(
  `${AUTHORIZATION}.SubjectAccessReviewSpec`,
  {},
  { ...action, user: string(), groups: list(string()), extra: map(list(string())), uid: string() },
  'resourceAttributes 1, nonResourceAttributes 2, user 3, groups 4, extra 5, uid 6',
);
type SubjectAction = Static<typeof SubjectSpec>;

const status = struct(
  `${AUTHORIZATION}.SubjectAccessReviewStatus`,
  {},
  { allowed: boolean(), denied: boolean(), reason: string(), evaluationError: string() },
  'allowed 1, reason 2, evaluationError 3, denied 4',
);

const group = { group: 'authorization.k8s.io', version: 'v1' };
const numbers = 'metadata 1, spec 2, status 3';
const optional = { ...typeMeta, metadata: ObjectMeta, status };

export const selfSubjectAccessReview: Review = {
  ...group,
  kind: 'SelfSubjectAccessReview',
  plural: 'selfsubjectaccessreviews',
  singular: 'selfsubjectaccessreview',
  namespaced: false,
  schema: struct(`${AUTHORIZATION}.SelfSubjectAccessReview`, { spec: SelfSpec }, optional, numbers),
  answer: (spec, { user, authorizer }) => decide(authorizer, user, spec as Action | undefined),
};

export const subjectAccessReview: Review = {
  ...group,
  kind: 'SubjectAccessReview',
  plural: 'subjectaccessreviews',
  singular: 'subjectaccessreview',
  namespaced: false,
  schema: struct(`${AUTHORIZATION}.SubjectAccessReview`, { spec: SubjectSpec }, optional, numbers),
  answer: (spec, { authorizer }) => decideFor(authorizer, spec as SubjectAction | undefined),
};

export const localSubjectAccessReview: Review = {
  ...group,
  kind: 'LocalSubjectAccessReview',
  plural: 'localsubjectaccessreviews',
  singular: 'localsubjectaccessreview',
  namespaced: true,
  schema: struct(`${AUTHORIZATION}.LocalSubjectAccessReview`, { spec: SubjectSpec }, optional, numbers),
  answer(spec, { authorizer, namespace }) {
    const { resourceAttributes } = (spec ?? {}) as SubjectAction;
    if (resourceAttributes?.namespace !== namespace) {
      throw badRequest(
        `spec.resourceAttributes.namespace: must be the namespace of the request, ${namespace}`,
      );
    }
    return decideFor(authorizer, spec as SubjectAction);
  },
};

function decideFor(authorizer: Authorizer, spec: SubjectAction | undefined): Promise<object> {
  const { user = '', groups = [] } = spec ?? {};
  if (user === '' && groups.length === 0)
    throw badRequest('spec.user: at least one of user or group must be specified');
  return decide(authorizer, { name: user, groups }, spec);
}

async function decide(authorizer: Authorizer, user: User, action: Action | undefined): Promise<object> {
  const { resourceAttributes: resource, nonResourceAttributes: path } = action ?? {};
  if ((resource === undefined) === (path === undefined)) {
    throw badRequest('spec: exactly one of nonResourceAttributes or resourceAttributes must be specified');
  }
  if (path) return { allowed: authorizer.allowsPath(user, path.path ?? '') };
  const allowed = await authorizer.allows(user, {
    verb: resource?.verb ?? '',
    group: resource?.group ?? '',
    plural: resource?.resource ?? '',
    subresource: resource?.subresource || undefined,
    namespace: resource?.namespace || undefined,
    name: resource?.name || undefined,
    fieldSelector: selectorText(resource?.fieldSelector),
  });
  return { allowed };
}

/** Newer clients send a field selector taken apart; a node may list its own pods only by one. */
function selectorText(selector: NonNullable<Action['resourceAttributes']>['fieldSelector']): string {
  if (selector?.rawSelector) return selector.rawSelector;
  const equals = (selector?.requirements ?? []).filter(({ operator }) => operator === 'In');
  return equals.map(({ key, values = [] }) => `${key}=${values[0] ?? ''}`).join(',');
}
