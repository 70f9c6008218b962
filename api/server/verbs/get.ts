import { sendText } from '../http/exchange.ts';
import { checkReached } from '../registry/list.ts';
import { readEntry } from '../registry/resource.ts';
import { objectName, queryNumber } from './call.ts';
import type { ResourceCall } from './call.ts';
import { presenterFor } from './present.ts';

/** GET of one object: always the newest state, which must be as new as the resourceVersion asked for. */
export async function getVerb(call: ResourceCall): Promise<void> {
  const { exchange, resource } = call;
  await checkReached(resource, queryNumber(exchange.url.searchParams, 'resourceVersion'));
  const entry = await readEntry(resource, objectName(call));
  await sendText(exchange, 200, presenterFor(resource.kind, exchange).entry(entry), 'application/json');
}
