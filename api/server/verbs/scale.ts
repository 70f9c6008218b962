import type { Static } from 'typebox';
import { decodeValue } from '../../kinds/decode.ts';
import type { ScaleAccess } from '../../kinds/kind.ts';
import type { KubeObject } from '../../kinds/meta.ts';
import { nodeOf } from '../../kinds/schema.ts';
import { readDocument } from '../http/body.ts';
import type { Document } from '../http/body.ts';
import { sendJson } from '../http/exchange.ts';
import { applyPatch, applyType } from '../patch/patch.ts';
import { decodeEntry } from '../registry/codec.ts';
import { readEntry } from '../registry/resource.ts';
import type { FieldRecorder } from '../registry/resource.ts';
import { updateObject } from '../registry/update.ts';
import { badRequest, noSuchPath } from '../status-error.ts';
import type { StatusError } from '../status-error.ts';
import { applierFor } from './apply.ts';
import { isDryRun, objectName } from './call.ts';
import type { ResourceCall } from './call.ts';
import { refuseObject, refusePatch, validateFields } from './field-validation.ts';
import { managerOf, recorderFor } from './manager.ts';
import { readPatch } from './patch.ts';
import { scaleSchema } from './scale-schema.ts';

const scaleType = { group: 'autoscaling', version: 'v1', kind: 'Scale' };
const subresource = 'scale';

/** autoscaling/v1 Scale: the number of replicas of a kind that has them, seen by itself. */
interface Scale {
  kind: 'Scale';
  apiVersion: 'autoscaling/v1';
  metadata: Pick<
    KubeObject['metadata'],
    'name' | 'namespace' | 'uid' | 'resourceVersion' | 'creationTimestamp'
  >;
  spec: { replicas: number };
  status: { replicas: number; selector: string };
}

export async function getScaleVerb(call: ResourceCall): Promise<void> {
  const { resource, exchange } = call;
  const object = decodeEntry(resource.kind, await readEntry(resource, objectName(call)));
  await sendJson(exchange, 200, renderScale(accessOf(call), object));
}

export async function updateScaleVerb(call: ResourceCall): Promise<void> {
  const document = await readDocument(call.exchange.request, scaleSchema);
  if (document.value === undefined) throw badRequest('the request has no body');
  const wanted = decodeScale(call, document.value, document, refuseObject(scaleType));
  await writeScale(call, 'other', () => wanted);
}

export async function patchScaleVerb(call: ResourceCall): Promise<void> {
  const { type, document } = await readPatch(call.exchange);
  if (type === applyType) return applyScale(call, document);
  await writeScale(call, 'patch', (current) => {
    const patched = applyPatch(type, scaleSchema, current, document.value);
    return decodeScale(call, patched, document, refusePatch(document));
  });
}

async function writeScale(
  call: ResourceCall,
  type: 'patch' | 'other',
  change: (current: Scale) => WantedScale,
): Promise<void> {
  const access = accessOf(call);
  const record = recorderFor(call, subresource, type);
  await storeScale(call, record, (current) => {
    const { replicas = 0, resourceVersion } = change(renderScale(access, current));
    access.setReplicas(current, replicas);
    if (resourceVersion) current.metadata.resourceVersion = resourceVersion;
    return current;
  });
}

/** Applies the number of replicas alone. */
async function applyScale(call: ResourceCall, document: Document): Promise<void> {
  const { exchange } = call;
  const access = accessOf(call);
  const manager = managerOf(exchange, 'apply');
  const scale = decodeScale(call, document.value, document, refuseObject(scaleType));
  if (scale.kind !== 'Scale' || scale.apiVersion !== 'autoscaling/v1') {
    throw badRequest(`invalid object type: ${scale.apiVersion ?? ''}, Kind=${scale.kind ?? ''}`);
  }
  const { resourceVersion = '' } = scale;
  const metadata = { name: objectName(call).name, ...(resourceVersion === '' ? {} : { resourceVersion }) };
  const configuration = { metadata, spec: {} };
  if (scale.replicas !== undefined) access.setReplicas(configuration, scale.replicas);
  const { change, record } = applierFor(call, { configuration, manager, subresource });
  await storeScale(call, record, change);
}

async function storeScale(
  call: ResourceCall,
  record: FieldRecorder,
  change: (current: KubeObject) => KubeObject,
): Promise<void> {
  const { resource, exchange } = call;
  const options = { dryRun: isDryRun(exchange.url.searchParams), record };
  const object = await updateObject(resource, objectName(call), change, 'object', options);
  await sendJson(exchange, 200, renderScale(accessOf(call), object));
}

function accessOf({ resource }: ResourceCall): ScaleAccess<KubeObject> {
  if (!resource.kind.scale) throw noSuchPath();
  return resource.kind.scale;
}

function renderScale(access: ScaleAccess<KubeObject>, object: KubeObject): Scale {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      ...(uid === undefined ? {} : { uid }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
      ...(creationTimestamp === undefined ? {} : { creationTimestamp }),
    },
    spec: { replicas: access.replicas(object) },
    status: { replicas: access.observedReplicas(object), selector: access.selector(object) },
  };
}

/** What a request says of a Scale. */
interface WantedScale {
  readonly kind: string | undefined;
  readonly apiVersion: string | undefined;
  readonly replicas: number | undefined;
  readonly resourceVersion: string | undefined;
}

function decodeScale(
  { exchange }: ResourceCall,
  value: unknown,
  document: Document,
  refuse: (mistake: string) => StatusError,
): WantedScale {
  const unknown: string[] = [];
  const decoding = { unknown, fill: false };
  const scale = decodeValue(nodeOf(scaleSchema), value, '', decoding) as Static<typeof scaleSchema>;
  const unknownFields = unknown.map((path) => `unknown field "${path}"`);
  validateFields(exchange, { unknownFields, document }, refuse);
  return {
    kind: scale.kind,
    apiVersion: scale.apiVersion,
    replicas: scale.spec?.replicas,
    resourceVersion: scale.metadata?.resourceVersion,
  };
}
