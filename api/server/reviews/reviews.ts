import { localSubjectAccessReview, selfSubjectAccessReview, subjectAccessReview } from './access-review.ts';
import type { Review } from './review.ts';
import { selfSubjectRulesReview } from './rules-review.ts';
import { selfSubjectReview } from './subject-review.ts';

/** Every kind of question the API answers. */
export const reviews: readonly Review[] = [
  selfSubjectReview,
  // What kubectl 1.27 asks for.
  { ...selfSubjectReview, version: 'v1beta1' },
  localSubjectAccessReview,
  selfSubjectAccessReview,
  selfSubjectRulesReview,
  subjectAccessReview,
];

interface Place {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
}

export function findReview({ group, version, plural }: Place): Review | undefined {
  return reviews.find(
    (review) => review.group === group && review.version === version && review.plural === plural,
  );
}
