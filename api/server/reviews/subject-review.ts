import { ObjectMeta, typeMeta } from '../../kinds/meta.ts';
import { list, map, string, struct } from '../../kinds/schema.ts';
import type { Review } from './review.ts';

const AUTHENTICATION = 'io.k8s.api.authentication.v1';

const UserInfo = struct(
  `${AUTHENTICATION}.UserInfo`,
  {},
  { username: string(), uid: string(), groups: list(string()), extra: map(list(string())) },
  'username 1, uid 2, groups 3, extra 4',
);

/** Who am I? `kubectl auth whoami`. */
export const selfSubjectReview: Review = {
  group: 'authentication.k8s.io',
  version: 'v1',
  kind: 'SelfSubjectReview',
  plural: 'selfsubjectreviews',
  singular: 'selfsubjectreview',
  namespaced: false,
  schema: struct(
    `${AUTHENTICATION}.SelfSubjectReview`,
    {},
    {
      ...typeMeta,
      metadata: ObjectMeta,
      status: struct(`${AUTHENTICATION}.SelfSubjectReviewStatus`, {}, { userInfo: UserInfo }, 'userInfo 1'),
    },
    'metadata 1, status 2',
  ),
  answer: (_spec, { user }) => Promise.resolve({ userInfo: { username: user.name, groups: user.groups } }),
};
