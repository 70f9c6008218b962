import { readBody, mediaType, parseJson, parseYaml } from '../http/body.ts';
import type { Exchange } from '../http/exchange.ts';
import { sendJson } from '../http/exchange.ts';
import { applyPatch, patchTypes } from '../patch/patch.ts';
import type { PatchType } from '../patch/patch.ts';
import { updateObject } from '../registry/update.ts';
import type { UpdateScope } from '../registry/update.ts';
import { badRequest, unsupportedMediaType } from '../status-error.ts';
import { isDryRun, objectName } from './call.ts';
import type { ResourceCall, Verb } from './call.ts';
import { decodeChecked } from './decode.ts';
import { presenterFor } from './present.ts';

/** PATCH of an object or of its status, in any of the patch languages. */
export function patchVerb(scope: UpdateScope): Verb {
  return async (call: ResourceCall): Promise<void> => {
    const { exchange, resource } = call;
    const dryRun = isDryRun(exchange.url.searchParams);
    const { type, patch } = await readPatch(exchange);
    const object = await updateObject(
      resource,
      objectName(call),
      (current) => {
        const next = decodeChecked(
          call,
          resource.kind,
          applyPatch(type, resource.kind.schema, current, patch),
        );
        call.admit(next);
        return next;
      },
      scope,
      { dryRun },
    );
    await sendJson(exchange, 200, presenterFor(resource.kind, exchange).one(object));
  };
}

/** A request's patch and its language. */
export async function readPatch({
  request,
}: Pick<Exchange, 'request'>): Promise<{ type: PatchType; patch: unknown }> {
  const type = mediaType(request);
  if (!isPatchType(type)) {
    throw unsupportedMediaType(
      `the body of the request was in an unknown format - accepted media types include: ${patchTypes.join(', ')}`,
    );
  }
  const text = await readBody(request);
  const patch = type.endsWith('+yaml') ? parseYaml(text) : parseJson(text);
  if (patch === undefined) throw badRequest('the request has no body');
  return { type, patch };
}

function isPatchType(type: string): type is PatchType {
  return (patchTypes as readonly string[]).includes(type);
}
