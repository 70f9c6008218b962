import type { Affinity } from '../../kinds/affinity.ts';
import type { Node } from '../../kinds/node.ts';
import type { PodSpec } from '../../kinds/pod-spec.ts';
import { Selector } from '../../kinds/selector.ts';
import { matchesLabels } from '../pod-conditions.ts';

type Required = NonNullable<
  NonNullable<Affinity['nodeAffinity']>['requiredDuringSchedulingIgnoredDuringExecution']
>;
type Term = Required['nodeSelectorTerms'][number];
type Requirement = NonNullable<Term['matchFields']>[number];

/** The one field of a node that a requirement may name. */
const nameField = 'metadata.name';

/** Whether a node is one that the pod asks for, by nodeSelector and by required node affinity. */
export function matchesNode({ nodeSelector = {}, affinity }: PodSpec, node: Node): boolean {
  const hasSelector = Object.keys(nodeSelector).length > 0;
  if (hasSelector && !matchesLabels(nodeSelector, node.metadata.labels)) return false;
  const required = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return !required || required.nodeSelectorTerms.some((term) => matchesTerm(term, node));
}

function matchesTerm({ matchExpressions = [], matchFields = [] }: Term, { metadata }: Node): boolean {
  // A term without requirements selects nothing.
  if (matchExpressions.length + matchFields.length === 0) return false;
  const { name } = metadata;
  return holdAll(matchExpressions, metadata.labels) && holdAll(matchFields, { [nameField]: name });
}

function holdAll(requirements: readonly Requirement[], values: Record<string, string> | undefined): boolean {
  return requirements.every(({ key, operator, values: wanted = [] }) => {
    const compiled = operators.get(operator);
    return (
      compiled !== undefined && new Selector([{ key, operator: compiled, values: wanted }]).matches(values)
    );
  });
}

const operators = new Map([
  ['In', 'in'],
  ['NotIn', 'notin'],
  ['Exists', 'exists'],
  ['DoesNotExist', '!'],
  ['Gt', 'gt'],
  ['Lt', 'lt'],
] as const) as ReadonlyMap<string, 'in' | 'notin' | 'exists' | '!' | 'gt' | 'lt'>;

/** The affinity that sends a pod to one node, whatever other nodes it might have asked for. */
export function affinityTo(nodeName: string, affinity: Affinity | undefined): Affinity {
  const field = { key: nameField, operator: 'In', values: [nodeName] };
  return {
    ...affinity,
    nodeAffinity: {
      ...affinity?.nodeAffinity,
      requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchFields: [field] }] },
    },
  };
}

/** The node a pod runs on, or was made for. */
export function targetNode({ nodeName, affinity }: PodSpec): string | undefined {
  if (nodeName) return nodeName;
  const required = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  const fields = required?.nodeSelectorTerms.flatMap((term) => term.matchFields ?? []);
  return fields?.find(({ key, operator }) => key === nameField && operator === 'In')?.values?.[0];
}
