import { isDeepStrictEqual } from 'node:util';
import type { Static } from 'typebox';
import { renderAge } from './age.ts';
import { invalid, required, type FieldError } from './field-error.ts';
import type { Kind } from './kind.ts';
import { ObjectMeta, typeMeta } from './meta.ts';
import { anyObject, filled, int64, struct } from './schema.ts';
import { column } from './table.ts';

export const ControllerRevision = struct(
  'io.k8s.api.apps.v1.ControllerRevision',
  { metadata: filled(ObjectMeta, {}), revision: filled(int64(), 0) },
  { ...typeMeta, data: anyObject('io.k8s.apimachinery.pkg.runtime.RawExtension') },
  'metadata 1, data 2, revision 3',
  { description: 'One state that a DaemonSet had: what `kubectl rollout undo` goes back to.' },
);
export type ControllerRevision = Static<typeof ControllerRevision>;

export const controllerRevisionKind: Kind<ControllerRevision> = {
  group: 'apps',
  version: 'v1',
  kind: 'ControllerRevision',
  plural: 'controllerrevisions',
  singular: 'controllerrevision',
  shortNames: [],
  categories: [],
  namespaced: true,
  nameFormat: 'subdomain',
  schema: ControllerRevision,
  subresources: [],
  generation: false,
  defaultPropagation: 'Background',
  columns: [column('Name'), column('Controller'), column('Revision', 'integer'), column('Age')],
  cells: ({ metadata, revision }, nowMs) => [
    metadata.name,
    renderController(metadata),
    revision,
    renderAge(metadata.creationTimestamp, nowMs),
  ],
  selectable: [],
  selectableFields: () => ({}),
  validate: ({ data, revision }, old) => [
    ...(data ? [] : [required('data', 'data is mandatory')]),
    ...(revision < 0 ? [invalid('revision', revision, 'must be greater than or equal to 0')] : []),
    ...(old ? validateUnchanged(data, old.data) : []),
  ],
};

function validateUnchanged(data: unknown, old: unknown): FieldError[] {
  return isDeepStrictEqual(data, old) ? [] : [invalid('data', data, 'field is immutable')];
}

/** `daemonset.apps/web`. */
function renderController({ ownerReferences }: ControllerRevision['metadata']): string {
  const owner = ownerReferences?.find((each) => each.controller === true);
  if (!owner) return '<none>';
  const [group] = owner.apiVersion.includes('/') ? owner.apiVersion.split('/') : [''];
  return `${owner.kind.toLowerCase()}${group ? `.${group}` : ''}/${owner.name}`;
}
