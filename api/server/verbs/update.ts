import { sendJson } from '../http/exchange.ts';
import { updateObject } from '../registry/update.ts';
import type { UpdateScope } from '../registry/update.ts';
import { isDryRun, objectName, subresourceOf } from './call.ts';
import type { ResourceCall, Verb } from './call.ts';
import { decodeBody } from './decode.ts';
import { recorderFor } from './manager.ts';
import { presenterFor } from './present.ts';

/** PUT of an object or of its status. */
export function updateVerb(scope: UpdateScope): Verb {
  return async (call: ResourceCall): Promise<void> => {
    const { exchange, resource } = call;
    const dryRun = isDryRun(exchange.url.searchParams);
    const record = recorderFor(call, subresourceOf(scope));
    const wanted = await decodeBody(call);
    const change = () => structuredClone(wanted);
    const object = await updateObject(resource, objectName(call), change, scope, { dryRun, record });
    await sendJson(exchange, 200, presenterFor(resource.kind, exchange).one(object));
  };
}
