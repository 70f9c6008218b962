import { sendJson } from '../http/exchange.ts';
import { createObject } from '../registry/create.ts';
import { isDryRun } from './call.ts';
import type { ResourceCall } from './call.ts';
import { decodeBody } from './decode.ts';
import { recorderFor } from './manager.ts';
import { presenterFor } from './present.ts';

export async function createVerb(call: ResourceCall): Promise<void> {
  const { exchange, resource } = call;
  const dryRun = isDryRun(exchange.url.searchParams);
  const record = recorderFor(call, '');
  const object = await createObject(resource, await decodeBody(call), { dryRun, record });
  await sendJson(exchange, 201, presenterFor(resource.kind, exchange).one(object));
}
