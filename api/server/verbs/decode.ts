import type { KubeObject } from '../../kinds/meta.ts';
import { decodeObject } from '../../kinds/object.ts';
import { readDocument } from '../http/body.ts';
import { badRequest } from '../status-error.ts';
import type { ResourceCall } from './call.ts';
import { refuseObject, validateFields } from './field-validation.ts';

/** The object of a request's body, for this path, with fields nobody knows treated as `fieldValidation` says. */
export async function decodeBody(call: ResourceCall): Promise<KubeObject> {
  const { exchange, resource } = call;
  const document = await readDocument(exchange.request, resource.kind.schema);
  if (document.value === undefined) throw badRequest('the request has no body');
  const { object, unknownFields } = decodeObject(resource.kind, document.value);
  validateFields(exchange, { unknownFields, document }, refuseObject(resource.kind));
  placeObject(call, object);
  call.admit(object);
  return object;
}

/** Puts the object where the path says, unless it says otherwise itself. */
export function placeObject({ resource, path }: ResourceCall, object: KubeObject): void {
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
