import type { Status } from '../../kinds/meta.ts';
import { readObject } from '../http/body.ts';
import { sendJson } from '../http/exchange.ts';
import { deleteObject } from '../registry/delete.ts';
import { badRequest } from '../status-error.ts';
import { objectName } from './call.ts';
import type { ResourceCall } from './call.ts';
import { deleteRequestOf } from './delete.ts';
import { Eviction } from './pod-requests.ts';

/**
 * POST of a policy/v1 Eviction, which `kubectl drain` makes: deletes the pod as the Eviction's deleteOptions say. There
 * are no disruption budgets that could speak against it.
 */
export async function evictVerb(call: ResourceCall): Promise<void> {
  const { exchange, resource } = call;
  const at = objectName(call);
  const eviction = ((await readObject(exchange.request, Eviction)) ?? {}) as {
    metadata?: { name?: string } | null;
    deleteOptions?: unknown;
  };
  const name = eviction.metadata?.name ?? at.name;
  if (name !== at.name) {
    throw badRequest(`name in URL does not match name in Eviction object: ${name}`);
  }
  const request = deleteRequestOf(eviction.deleteOptions, exchange.url.searchParams);
  await deleteObject(resource, at, request);
  const status: Status = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 };
  await sendJson(exchange, 201, status);
}
