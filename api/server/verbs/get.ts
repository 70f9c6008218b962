import { sendJson } from '../http/exchange.ts';
import { decodeEntry } from '../registry/codec.ts';
import { readEntry } from '../registry/resource.ts';
import { objectName } from './call.ts';
import type { ResourceCall } from './call.ts';
import { presenterFor } from './present.ts';

export async function getVerb(call: ResourceCall): Promise<void> {
  const { kind } = call.resource;
  const object = decodeEntry(kind, await readEntry(call.resource, objectName(call)));
  await sendJson(call.exchange, 200, presenterFor(kind, call.exchange).one(object));
}
