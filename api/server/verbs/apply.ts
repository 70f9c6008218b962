import type { KubeObject, ManagedFieldsEntry } from '../../kinds/meta.ts';
import { decodeConfiguration, decodeObject } from '../../kinds/object.ts';
import { applyConfiguration } from '../fields/apply.ts';
import type { ApplyRequest } from '../fields/apply.ts';
import { ConfigurationError } from '../fields/configuration.ts';
import type { Document } from '../http/body.ts';
import { sendJson } from '../http/exchange.ts';
import { createObject, timestamp } from '../registry/create.ts';
import { maxAttempts } from '../registry/resource.ts';
import type { FieldRecorder } from '../registry/resource.ts';
import { updateObject } from '../registry/update.ts';
import type { UpdateScope } from '../registry/update.ts';
import { badRequest, conflict, isRefusal, modified } from '../status-error.ts';
import { isDryRun, objectName, queryFlag, subresourceOf } from './call.ts';
import type { ResourceCall } from './call.ts';
import { placeObject } from './decode.ts';
import { refuseObject, validateFields } from './field-validation.ts';
import { managerOf } from './manager.ts';
import { presenterFor } from './present.ts';

/** Server-side apply to an object, which is made if it is missing, or to its status. */
export async function applyDocument(
  call: ResourceCall,
  document: Document,
  scope: UpdateScope,
): Promise<void> {
  const { exchange, resource } = call;
  const { kind } = resource;
  const manager = managerOf(exchange, 'apply');
  const { object: configuration, unknownFields } = decodeConfiguration(kind, document.value);
  validateFields(exchange, { unknownFields, document }, refuseObject(kind));
  placeObject(call, configuration);
  const applier = applierFor(call, { configuration, manager, subresource: subresourceOf(scope) });
  const { code, object } = await store(call, applier, configuration, scope);
  await sendJson(exchange, code, presenterFor(kind, exchange).one(object));
}

/** An apply as the registry takes it: how the object changes, and who manages it then. */
interface Applier {
  readonly change: (current: KubeObject | undefined) => KubeObject;
  readonly record: FieldRecorder;
}

/** Applies a decoded configuration of the object itself; /scale makes one from what it is sent. */
export function applierFor(
  call: ResourceCall,
  parts: Pick<ApplyRequest, 'configuration' | 'manager' | 'subresource'>,
): Applier {
  const { kind } = call.resource;
  const force = queryFlag(call.exchange.url.searchParams, 'force');
  if (parts.configuration.metadata.managedFields) throw badRequest('metadata.managedFields must be nil');
  const request: ApplyRequest = { kind, force, now: timestamp(Date.now()), ...parts };
  let managedFields: ManagedFieldsEntry[] | undefined;
  return {
    change: (current) => {
      const applied = attempt(request, current);
      managedFields = applied.managedFields;
      const { object } = decodeObject(kind, applied.object);
      call.admit(object);
      return object;
    },
    record: () => managedFields,
  };
}

function attempt(request: ApplyRequest, current: KubeObject | undefined) {
  try {
    return applyConfiguration(request, current);
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    const { kind, configuration } = request;
    const { namespace = '', name } = configuration.metadata;
    const object = `${namespace}/${name}; ${kind.group}/${kind.version}, Kind=${kind.kind}`;
    throw badRequest(`failed to create typed patch object (${object}): ${error.message}`, error);
  }
}

async function store(
  call: ResourceCall,
  { change, record }: Applier,
  configuration: KubeObject,
  scope: UpdateScope,
): Promise<{ code: number; object: KubeObject }> {
  const { resource, exchange } = call;
  const options = { dryRun: isDryRun(exchange.url.searchParams), record };
  const at = objectName(call);
  for (let tries = 0; tries < maxAttempts; tries += 1) {
    try {
      return { code: 200, object: await updateObject(resource, at, change, scope, options) };
    } catch (error) {
      if (scope !== 'object' || !isRefusal(error, 'NotFound')) throw error;
    }
    await call.permit('create');
    checkMissing(call, configuration);
    try {
      return { code: 201, object: await createObject(resource, change(undefined), options) };
    } catch (error) {
      if (!isRefusal(error, 'AlreadyExists')) throw error;
    }
  }
  throw conflict(resource.kind, at.name, modified);
}

/** Who applies to one certain object does not mean a new one. */
function checkMissing({ resource, path }: ResourceCall, { metadata }: KubeObject): void {
  const { uid, resourceVersion } = metadata;
  const missing = 'and no existing object was found';
  if (uid) {
    const why = `uid mismatch: the provided object specified uid ${uid}, ${missing}`;
    throw conflict(resource.kind, path.name ?? '', why);
  }
  if (resourceVersion) throw conflict(resource.kind, path.name ?? '', modified);
}
