import type { Kind } from '../../kinds/kind.ts';
import type { KubeObject } from '../../kinds/meta.ts';
import { decodeObject } from '../../kinds/object.ts';
import { readObject } from '../http/body.ts';
import { addWarnings } from '../http/exchange.ts';
import { badRequest } from '../status-error.ts';
import type { ResourceCall } from './call.ts';

/** The object of a request's body, for this path, with fields nobody knows treated as `fieldValidation` says. */
export async function decodeBody(call: ResourceCall): Promise<KubeObject> {
  const value = await readObject(call.exchange.request, call.resource.kind.schema);
  if (value === undefined) throw badRequest('the request has no body');
  const object = decodeChecked(call, call.resource.kind, value);
  placeObject(call, object);
  call.admit(object);
  return object;
}

/** Decodes a value; unknown fields are an error under Strict, a warning under Warn (the default), else dropped. */
export function decodeChecked(call: ResourceCall, kind: Kind, value: unknown): KubeObject {
  const { object, unknownFields } = decodeObject(kind, value);
  const validation = call.exchange.url.searchParams.get('fieldValidation') ?? 'Warn';
  if (!['Ignore', 'Warn', 'Strict', ''].includes(validation)) {
    const values = '"Ignore", "Strict", "Warn"';
    throw badRequest(`fieldValidation: Unsupported value: "${validation}": supported values: ${values}`);
  }
  if (unknownFields.length === 0 || validation === 'Ignore') return object;
  if (validation === 'Strict') {
    const { group, version } = kind;
    const type = `${kind.kind} in version "${group === '' ? version : `${group}/${version}`}"`;
    const list = unknownFields.join(', ');
    throw badRequest(`${type} cannot be handled as a ${kind.kind}: strict decoding error: ${list}`);
  }
  addWarnings(call.exchange.response, unknownFields);
  return object;
}

/** Puts the object where the path says, unless it says otherwise itself. */
function placeObject({ resource, path }: ResourceCall, object: KubeObject): void {
  const { metadata } = object;
  if (resource.kind.namespaced) {
    if (metadata.namespace && metadata.namespace !== path.namespace) {
      throw badRequest(
        'the namespace of the provided object does not match the namespace sent on the request',
      );
    }
    if (path.namespace !== undefined) metadata.namespace = path.namespace;
  }
  if (path.name === undefined) return;
  if (metadata.name !== '' && metadata.name !== path.name) {
    throw badRequest(
      `the name of the object (${metadata.name}) does not match the name on the URL (${path.name})`,
    );
  }
  metadata.name = path.name;
}
