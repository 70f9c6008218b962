import { DecodeError } from '../../kinds/decode.ts';
import type { Kind } from '../../kinds/kind.ts';
import type { KubeObject } from '../../kinds/meta.ts';
import { decodeObject } from '../../kinds/object.ts';
import { readBody, mediaType, parseJson, parseYaml } from '../http/body.ts';
import type { Document } from '../http/body.ts';
import type { Exchange } from '../http/exchange.ts';
import { sendJson } from '../http/exchange.ts';
import { applyPatch, applyType, patchTypes, unknownPatchFields } from '../patch/patch.ts';
import type { PatchType } from '../patch/patch.ts';
import { updateObject } from '../registry/update.ts';
import type { UpdateScope } from '../registry/update.ts';
import { badRequest, unsupportedMediaType } from '../status-error.ts';
import { applyDocument } from './apply.ts';
import { isDryRun, objectName, subresourceOf } from './call.ts';
import type { ResourceCall, Verb } from './call.ts';
import { refusePatch, validateFields } from './field-validation.ts';
import { recorderFor } from './manager.ts';
import { presenterFor } from './present.ts';

/** PATCH of an object or of its status, in any of the patch languages. */
export function patchVerb(scope: UpdateScope): Verb {
  return async (call: ResourceCall): Promise<void> => {
    const { exchange, resource } = call;
    const { type, document } = await readPatch(exchange);
    if (type === applyType) return applyDocument(call, document, scope);
    const dryRun = isDryRun(exchange.url.searchParams);
    const record = recorderFor(call, subresourceOf(scope), 'patch');
    const change = (current: KubeObject): KubeObject => patchObject(call, type, document, current);
    const object = await updateObject(resource, objectName(call), change, scope, { dryRun, record });
    await sendJson(exchange, 200, presenterFor(resource.kind, exchange).one(object));
  };
}

function patchObject(
  call: ResourceCall,
  type: PatchType,
  document: Document,
  current: KubeObject,
): KubeObject {
  const { kind } = call.resource;
  const patched = applyPatch(type, kind.schema, current, document.value);
  const { managedFields } = current.metadata;
  // The record of who manages what is large: it is not copied and checked with the rest where it stays.
  const isKept = managedFields !== undefined && recordIn(patched) === managedFields;
  const { object, unknownFields } = decodePatched(kind, document, isKept ? withoutRecord(patched) : patched);
  const mistakes = [...unknownPatchFields(type, document.value), ...unknownFields];
  validateFields(call.exchange, { unknownFields: mistakes, document }, refusePatch(document));
  if (isKept) object.metadata.managedFields = managedFields;
  call.admit(object);
  return object;
}

/** What a patch has made of an object: if that has no object's structure, the patch is to blame. */
function decodePatched(kind: Kind, document: Document, patched: unknown) {
  try {
    return decodeObject(kind, patched);
  } catch (error) {
    if (error instanceof DecodeError) throw refusePatch(document)(error.message);
    throw error;
  }
}

/** The managedFields of a patched object: the very same where the patch left them alone. */
function recordIn(patched: unknown): unknown {
  const { metadata } = (patched ?? {}) as { metadata?: { managedFields?: unknown } | null };
  return metadata?.managedFields;
}

function withoutRecord(patched: unknown): unknown {
  const object = patched as KubeObject;
  const { managedFields: _, ...metadata } = object.metadata;
  return { ...object, metadata };
}

/** A request's patch and its language. */
export async function readPatch({
  request,
}: Pick<Exchange, 'request'>): Promise<{ type: PatchType | typeof applyType; document: Document }> {
  const type = mediaType(request);
  if (type !== applyType && !isPatchType(type)) {
    throw unsupportedMediaType(
      `the body of the request was in an unknown format - accepted media types include: ${[...patchTypes, applyType].join(', ')}`,
    );
  }
  const text = await readBody(request);
  // What kubectl applies is JSON, which is read many times faster as what it is.
  const document =
    type === applyType && !text.trimStart().startsWith('{') ? parseYaml(text) : parseJson(text);
  if (document.value === undefined) throw badRequest('the request has no body');
  return { type, document };
}

function isPatchType(type: string): type is PatchType {
  return (patchTypes as readonly string[]).includes(type);
}
