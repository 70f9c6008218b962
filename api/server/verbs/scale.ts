import type { KubeObject } from '../../kinds/meta.ts';
import type { ScaleAccess } from '../../kinds/kind.ts';
import { readObject } from '../http/body.ts';
import { sendJson } from '../http/exchange.ts';
import { applyPatch } from '../patch/patch.ts';
import { decodeEntry } from '../registry/codec.ts';
import { readEntry } from '../registry/resource.ts';
import { updateObject } from '../registry/update.ts';
import { badRequest, noSuchPath } from '../status-error.ts';
import { isDryRun, objectName } from './call.ts';
import type { ResourceCall } from './call.ts';
import { readPatch } from './patch.ts';
import { scaleSchema } from './scale-schema.ts';

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
  const wanted = await readObject(call.exchange.request, scaleSchema);
  await writeScale(call, () => wanted);
}

export async function patchScaleVerb(call: ResourceCall): Promise<void> {
  const { type, patch } = await readPatch(call.exchange);
  await writeScale(call, (current) => applyPatch(type, scaleSchema, current, patch));
}

async function writeScale(call: ResourceCall, change: (current: Scale) => unknown): Promise<void> {
  const { resource, exchange } = call;
  const access = accessOf(call);
  const dryRun = isDryRun(exchange.url.searchParams);
  const object = await updateObject(
    resource,
    objectName(call),
    (current) => {
      const { replicas, resourceVersion } = readScale(change(renderScale(access, current)));
      access.setReplicas(current, replicas);
      if (resourceVersion) current.metadata.resourceVersion = resourceVersion;
      return current;
    },
    'object',
    { dryRun },
  );
  await sendJson(exchange, 200, renderScale(access, object));
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

function readScale(value: unknown): { replicas: number; resourceVersion: string | undefined } {
  const scale = (value ?? {}) as {
    spec?: { replicas?: unknown } | null;
    metadata?: { resourceVersion?: unknown } | null;
  };
  const replicas = scale.spec?.replicas ?? 0;
  if (typeof replicas !== 'number' || !Number.isSafeInteger(replicas)) {
    throw badRequest('spec.replicas of the Scale is not a whole number');
  }
  const version = scale.metadata?.resourceVersion;
  return { replicas, resourceVersion: typeof version === 'string' ? version : undefined };
}
