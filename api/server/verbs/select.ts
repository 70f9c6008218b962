import type { Kind } from '../../kinds/kind.ts';
import type { KubeObject } from '../../kinds/meta.ts';
import { parseFieldSelector, parseLabelSelector } from '../../kinds/selector.ts';
import { badRequest } from '../status-error.ts';

/** Fields of every kind that a selector may ask about. */
const named: readonly string[] = ['metadata.name', 'metadata.namespace'];

/** What a request selects of a collection. */
export interface Selection {
  /** Absent: everything matches. */
  readonly matches: ((object: KubeObject) => boolean) | undefined;
  /** The only name that can match, where the field selector pins it. */
  readonly name: string | undefined;
}

/**
 * Reads a request's label and field selectors. They ask about what the user is shown of an object: about the rest they
 * must not even be able to guess. Throws SelectorError or StatusError 400 for what nobody can select by.
 */
export function selectionOf(
  kind: Kind,
  query: URLSearchParams,
  shown: (object: KubeObject) => KubeObject = (object) => object,
): Selection {
  const labels = parseLabelSelector(query.get('labelSelector') ?? '');
  const fields = parseFieldSelector(query.get('fieldSelector') ?? '');
  const unknown = fields.keys.find((key) => !named.includes(key) && !kind.selectable.includes(key));
  if (unknown !== undefined) throw badRequest(`field label not supported: ${unknown}`);
  const matches = (stored: KubeObject): boolean => {
    const object = shown(stored);
    return (
      (labels.empty || labels.matches(object.metadata.labels)) &&
      (fields.empty || fields.matches(fieldsOf(kind, object)))
    );
  };
  return {
    matches: labels.empty && fields.empty ? undefined : matches,
    name: fields.exactly('metadata.name'),
  };
}

function fieldsOf(kind: Kind, object: KubeObject): Record<string, string> {
  const { name, namespace } = object.metadata;
  return {
    'metadata.name': name,
    ...(namespace === undefined ? {} : { 'metadata.namespace': namespace }),
    ...kind.selectableFields(object),
  };
}
