import type { Static } from 'typebox';
import { renderAge } from './age.ts';
import { validateData, validateImmutable } from './data-validation.ts';
import { invalid } from './field-error.ts';
import type { Kind } from './kind.ts';
import { ObjectMeta, typeMeta } from './meta.ts';
import { boolean, bytes, filled, map, string, struct } from './schema.ts';
import { column } from './table.ts';

export const ConfigMap = struct(
  'io.k8s.api.core.v1.ConfigMap',
  { metadata: filled(ObjectMeta, {}) },
  { ...typeMeta, immutable: boolean(), data: map(string()), binaryData: map(bytes()) },
  'metadata 1, data 2, binaryData 3, *immutable 4',
  { description: 'Configuration as named values or files.' },
);
export type ConfigMap = Static<typeof ConfigMap>;

export const configMapKind: Kind<ConfigMap> = {
  group: '',
  version: 'v1',
  kind: 'ConfigMap',
  plural: 'configmaps',
  singular: 'configmap',
  shortNames: ['cm'],
  categories: [],
  namespaced: true,
  nameFormat: 'subdomain',
  schema: ConfigMap,
  subresources: [],
  generation: false,
  defaultPropagation: 'Background',
  columns: [column('Name'), column('Data'), column('Age')],
  cells: ({ metadata, data, binaryData }, nowMs) => [
    metadata.name,
    String(Object.keys(data ?? {}).length + Object.keys(binaryData ?? {}).length),
    renderAge(metadata.creationTimestamp, nowMs),
  ],
  selectable: [],
  selectableFields: () => ({}),
  validate(map, old) {
    const errors = validateData({ data: map.data, binaryData: map.binaryData }, (text) =>
      Buffer.byteLength(text),
    );
    for (const key of Object.keys(map.binaryData ?? {})) {
      if (map.data?.[key] === undefined) continue;
      errors.push(invalid('data[' + key + ']', key, 'duplicate of key present in binaryData'));
    }
    return old ? [...errors, ...validateImmutable(map, old, ['data', 'binaryData'])] : errors;
  },
};
