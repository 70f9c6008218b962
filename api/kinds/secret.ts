import type { Static } from 'typebox';
import { renderAge } from './age.ts';
import { validateData, validateImmutable } from './data-validation.ts';
import { invalid, required } from './field-error.ts';
import type { Kind } from './kind.ts';
import { ObjectMeta, typeMeta } from './meta.ts';
import { boolean, bytes, filled, map, string, struct } from './schema.ts';
import { column } from './table.ts';

export const Secret = struct(
  'io.k8s.api.core.v1.Secret',
  { metadata: filled(ObjectMeta, {}) },
  {
    ...typeMeta,
    immutable: boolean(),
    /** Base64 values. */
    data: map(bytes()),
    /** Plain values, written only: merged into `data` on create and update. */
    stringData: map(string()),
    type: string({ default: 'Opaque' }),
  },
  'metadata 1, data 2, type 3, stringData 4, *immutable 5',
  { description: 'Small data that is not for everyone to read: keys, passwords, certificates.' },
);
export type Secret = Static<typeof Secret>;

/** Keys a Secret of a well-known type must have. */
const typeKeys: Readonly<Record<string, readonly string[]>> = {
  'kubernetes.io/tls': ['tls.crt', 'tls.key'],
  'kubernetes.io/dockercfg': ['.dockercfg'],
  'kubernetes.io/dockerconfigjson': ['.dockerconfigjson'],
  'kubernetes.io/ssh-auth': ['ssh-privatekey'],
};

export const secretKind: Kind<Secret> = {
  group: '',
  version: 'v1',
  kind: 'Secret',
  plural: 'secrets',
  singular: 'secret',
  shortNames: [],
  categories: [],
  namespaced: true,
  nameFormat: 'subdomain',
  schema: Secret,
  subresources: [],
  generation: false,
  defaultPropagation: 'Background',
  columns: [column('Name'), column('Type'), column('Data'), column('Age')],
  cells: ({ metadata, type, data }, nowMs) => [
    metadata.name,
    type ?? '',
    String(Object.keys(data ?? {}).length),
    renderAge(metadata.creationTimestamp, nowMs),
  ],
  selectable: ['type'],
  selectableFields: ({ type }) => ({ type: type ?? '' }),
  applyDefaults(secret) {
    if (!secret.stringData) return;
    const encoded = Object.entries(secret.stringData).map(([key, text]) => [
      key,
      Buffer.from(text).toString('base64'),
    ]);
    secret.data = { ...secret.data, ...(Object.fromEntries(encoded) as Record<string, string>) };
    delete secret.stringData;
  },
  validate(secret, old) {
    const errors = validateData({ data: secret.data }, (text) => Buffer.byteLength(text, 'base64'));
    for (const key of typeKeys[secret.type ?? ''] ?? []) {
      if (secret.data?.[key] === undefined) errors.push(required(`data[${key}]`));
    }
    if (!old) return errors;
    if (secret.type !== old.type) errors.push(invalid('type', secret.type, 'field is immutable'));
    return [...errors, ...validateImmutable(secret, old, ['data'])];
  },
};
