import { DecodeError } from '../../kinds/decode.ts';
import type { SchemaNode } from '../../kinds/schema.ts';
import { decodeMessage } from './message.ts';
import { bytesOf, textOf } from './scalar.ts';
import { readFields } from './wire.ts';

export const protobufType = 'application/vnd.kubernetes.protobuf';

/** What every Kubernetes protobuf body begins with. */
const magic = Buffer.from('k8s\0');

/**
 * The object in a request's body, as the JSON of the same object: what `schema` describes, with its apiVersion and
 * kind. After its magic a body is a message `Unknown` (k8s.io/apimachinery/pkg/runtime/generated.proto): 1 the object's
 * type, 2 its bytes, 3 and 4 what form these have if another. Throws {@link DecodeError}.
 */
export function decodeBody(schema: SchemaNode, body: Buffer): Record<string, unknown> {
  if (!body.subarray(0, magic.length).equals(magic)) {
    throw new DecodeError('the body is not Kubernetes protobuf: it does not begin with "k8s\\0"');
  }
  const envelope = readFields(body.subarray(magic.length), 'the envelope');
  const [type, raw, encoding, contentType] = [1, 2, 3, 4].map((number) => envelope.get(number));
  const form = textOf(contentType, 'contentType');
  if (textOf(encoding, 'contentEncoding') !== '' || (form !== '' && form !== protobufType)) {
    throw new DecodeError('the object in the protobuf body is encoded in another form again');
  }
  const types = readFields(type ? bytesOf(type, 'typeMeta') : empty, 'typeMeta');
  const apiVersion = textOf(types.get(1), 'apiVersion');
  const kind = textOf(types.get(2), 'kind');
  try {
    return { apiVersion, kind, ...decodeMessage(schema, raw ? bytesOf(raw, 'the object') : empty) };
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    // Often it is an object of another kind than the path's.
    throw new DecodeError(`${kind} in version "${apiVersion}": ${error.message}`, { cause: error });
  }
}

const empty = Buffer.alloc(0);
