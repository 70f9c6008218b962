import type { Kind } from '../../kinds/kind.ts';
import type { KubeObject } from '../../kinds/meta.ts';
import { parseFieldSelector, parseLabelSelector } from '../../kinds/selector.ts';

/** The test of a request's label and field selectors. Throws SelectorError for selectors nobody can read. */
export function selectorOf(kind: Kind, query: URLSearchParams): (object: KubeObject) => boolean {
  const labels = parseLabelSelector(query.get('labelSelector') ?? '');
  const fields = parseFieldSelector(query.get('fieldSelector') ?? '');
  if (labels.empty && fields.empty) return () => true;
  return (object) =>
    (labels.empty || labels.matches(object.metadata.labels)) &&
    (fields.empty || fields.matches(fieldsOf(kind, object)));
}

function fieldsOf(kind: Kind, object: KubeObject): Record<string, string> {
  const { name, namespace } = object.metadata;
  return {
    'metadata.name': name,
    ...(namespace === undefined ? {} : { 'metadata.namespace': namespace }),
    ...kind.selectableFields(object),
  };
}
