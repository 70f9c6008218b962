import { isRecord } from '../../kinds/decode.ts';
import { apiVersionOf } from '../../kinds/kind.ts';
import type { Kind } from '../../kinds/kind.ts';
import type { KubeObject } from '../../kinds/meta.ts';
import type { SchemaNode } from '../../kinds/schema.ts';
import { compare } from './compare.ts';
import { ConfigurationError, fieldsOf } from './configuration.ts';
import { difference } from './field-set.ts';
import type { FieldSet } from './field-set.ts';

/** Where a client that applies by itself keeps what it applied. */
const annotation = 'kubectl.kubernetes.io/last-applied-configuration';

/** The fields that were applied from the client and still have the applied values. */
export function lastAppliedFields(kind: Kind, schema: SchemaNode, live: KubeObject): FieldSet | undefined {
  const configuration = parse(live.metadata.annotations?.[annotation]);
  if (!isRecord(configuration) || configuration['apiVersion'] !== apiVersionOf(kind)) return undefined;
  try {
    const changes = compare(schema, configuration, live);
    const lost = [changes?.modified, changes?.added, changes?.removed];
    return lost.reduce<FieldSet | undefined>(difference, fieldsOf(schema, configuration));
  } catch (error) {
    // An annotation that is no configuration of this kind proves nothing.
    if (error instanceof ConfigurationError) return undefined;
    throw error;
  }
}

/** Keeps the annotation, where it is, at what was applied last, for clients that go back to applying by themselves. */
export function withLastApplied(object: KubeObject, configuration: KubeObject): KubeObject {
  const { annotations } = object.metadata;
  if (!annotations?.[annotation]) return object;
  const { [annotation]: _, ...others } = configuration.metadata.annotations ?? {};
  const applied = { ...configuration, metadata: { ...configuration.metadata, annotations: others } };
  const kept = { ...annotations, [annotation]: `${JSON.stringify(applied)}\n` };
  return { ...object, metadata: { ...object.metadata, annotations: kept } };
}

function parse(text: string | undefined): unknown {
  if (!text) return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
