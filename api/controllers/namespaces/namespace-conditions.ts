import type { KubeObject } from '../../kinds/meta.ts';
import type { Namespace } from '../../kinds/namespace.ts';

/** What of one collection is still in a namespace that is being deleted. */
export interface Remainder {
  readonly group: string;
  readonly plural: string;
  readonly objects: readonly KubeObject[];
}

type Conditions = NonNullable<NonNullable<Namespace['status']>['conditions']>;

/**
 * What a namespace that is being deleted says of its content, in the namespace controller's own words: `kubectl get`
 * and people look at them for what holds it.
 */
export function renderConditions(
  before: Conditions,
  remainders: readonly Remainder[],
  now: string,
): Conditions {
  const left = remainders.filter(({ objects }) => objects.length > 0);
  const holders = countFinalizers(left);
  const remaining = left.map(
    ({ group, plural, objects }) => `${plural}.${group} has ${objects.length} resource instances`,
  );
  const held = [...holders].map(([finalizer, count]) => `${finalizer} in ${count} resource instances`);
  const said = [
    no('NamespaceDeletionDiscoveryFailure', 'ResourcesDiscovered', 'All resources successfully discovered'),
    no(
      'NamespaceDeletionGroupVersionParsingFailure',
      'ParsedGroupVersions',
      'All legacy kube types successfully parsed',
    ),
    no(
      'NamespaceDeletionContentFailure',
      'ContentDeleted',
      'All content successfully deleted, may be waiting on finalization',
    ),
    remaining.length === 0
      ? no('NamespaceContentRemaining', 'ContentRemoved', 'All content successfully removed')
      : yes(
          'NamespaceContentRemaining',
          'SomeResourcesRemain',
          `Some resources are remaining: ${remaining.sort().join(', ')}`,
        ),
    held.length === 0
      ? no(
          'NamespaceFinalizersRemaining',
          'ContentHasNoFinalizers',
          'All content-preserving finalizers finished',
        )
      : yes(
          'NamespaceFinalizersRemaining',
          'SomeFinalizersRemain',
          `Some content in the namespace has finalizers remaining: ${held.sort().join(', ')}`,
        ),
  ];
  const others = before.filter(({ type }) => said.every((each) => each.type !== type));
  return [...others, ...said.map((condition) => withTime(condition, before, now))];
}

function countFinalizers(remainders: readonly Remainder[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { metadata } of remainders.flatMap(({ objects }) => objects)) {
    for (const each of metadata.finalizers ?? []) counts.set(each, (counts.get(each) ?? 0) + 1);
  }
  return counts;
}

const no = (type: string, reason: string, message: string) => ({ type, status: 'False', reason, message });
const yes = (type: string, reason: string, message: string) => ({ type, status: 'True', reason, message });

function withTime(condition: ReturnType<typeof no>, before: Conditions, now: string): Conditions[number] {
  const same = before.find(({ type, status }) => type === condition.type && status === condition.status);
  return { ...condition, lastTransitionTime: same?.lastTransitionTime ?? now };
}
