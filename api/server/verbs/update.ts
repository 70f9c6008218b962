import { sendJson } from '../http/exchange.ts';
import { updateObject } from '../registry/update.ts';
import type { UpdateScope } from '../registry/update.ts';
import { isDryRun, objectName } from './call.ts';
import type { ResourceCall, Verb } from './call.ts';
import { decodeBody } from './decode.ts';
import { presenterFor } from './present.ts';

/** PUT of an object or of its status. */
export function updateVerb(scope: UpdateScope): Verb {
  return async (call: ResourceCall): Promise<void> => {
    const { exchange, resource } = call;
    const dryRun = isDryRun(exchange.url.searchParams);
    const wanted = await decodeBody(call);
    const object = await updateObject(resource, objectName(call), () => structuredClone(wanted), scope, {
      dryRun,
    });
    await sendJson(exchange, 200, presenterFor(resource.kind, exchange).one(object));
  };
}
