import { DeleteOptions } from '../../kinds/meta.ts';
import type { KubeObject, Status } from '../../kinds/meta.ts';
import { readObject } from '../http/body.ts';
import { sendJson } from '../http/exchange.ts';
import { deleteObject } from '../registry/delete.ts';
import type { Deletion, DeleteRequest, Propagation } from '../registry/delete.ts';
import { listObjects, wholeList } from '../registry/list.ts';
import type { Resource } from '../registry/resource.ts';
import { badRequest, isRefusal } from '../status-error.ts';
import { isDryRun, objectName, queryNumber } from './call.ts';
import type { ResourceCall } from './call.ts';
import { presenterFor } from './present.ts';
import { selectionOf } from './select.ts';

/** DELETE of one object. Answers the object while it still ends, a Status once it is gone. */
export async function deleteVerb(call: ResourceCall): Promise<void> {
  const { exchange, resource } = call;
  const request = await readDeleteRequest(call);
  const deletion = await deleteObject(resource, objectName(call), request);
  const body = deletion.gone
    ? success(resource, deletion)
    : presenterFor(resource.kind, exchange).one(deletion.object);
  await sendJson(exchange, 200, body);
}

/** DELETE of a collection: each object as if deleted by itself. */
export async function deleteCollectionVerb(call: ResourceCall): Promise<void> {
  const { exchange, resource, path } = call;
  const request = await readDeleteRequest(call);
  const selection = selectionOf(resource.kind, exchange.url.searchParams);
  const { matches = () => true } = selection;
  const { items, revision } = await listObjects(resource, {
    namespace: path.namespace,
    ...selection,
    ...wholeList,
  });
  const deleted: KubeObject[] = [];
  for (const { metadata } of items) {
    try {
      const at = { namespace: metadata.namespace, name: metadata.name };
      // By its turn another may have its name, or it may no longer be one of the selected.
      const isMeant = (now: KubeObject) => now.metadata.uid === metadata.uid && matches(now);
      deleted.push((await deleteObject(resource, at, { ...request, isMeant })).object);
    } catch (error) {
      // Somebody else deleted it meanwhile.
      if (!isRefusal(error, 'NotFound')) throw error;
    }
  }
  const metadata = { resourceVersion: String(revision) };
  await sendJson(exchange, 200, presenterFor(resource.kind, exchange).list(deleted, metadata));
}

function success({ kind }: Resource, { object }: Deletion<KubeObject>): Status {
  const { name, uid } = object.metadata;
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    details: {
      name,
      ...(kind.group === '' ? {} : { group: kind.group }),
      kind: kind.plural,
      ...(uid === undefined ? {} : { uid }),
    },
  };
}

async function readDeleteRequest({ exchange }: ResourceCall): Promise<DeleteRequest> {
  return deleteRequestOf(await readObject(exchange.request, DeleteOptions), exchange.url.searchParams);
}

/** What is to be deleted, and how: DeleteOptions come in the body, in the query, or both. */
export function deleteRequestOf(body: unknown, query: URLSearchParams): DeleteRequest {
  const options = body ?? {};
  if (!isDeleteOptions(options)) throw badRequest('the body is not a valid DeleteOptions');
  const dryRun = isDryRun(query) || (options.dryRun ?? []).includes('All');
  return {
    dryRun,
    gracePeriodSeconds: options.gracePeriodSeconds ?? queryNumber(query, 'gracePeriodSeconds'),
    propagation: propagationOf(options, query),
    preconditions: options.preconditions,
  };
}

function isDeleteOptions(value: unknown): value is DeleteOptions {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const { gracePeriodSeconds, dryRun, preconditions } = value as Record<string, unknown>;
  return (
    Number.isSafeInteger(gracePeriodSeconds ?? 0) &&
    Array.isArray(dryRun ?? []) &&
    typeof (preconditions ?? {}) === 'object'
  );
}

const propagations: readonly string[] = ['Background', 'Foreground', 'Orphan'];

function propagationOf(options: DeleteOptions, query: URLSearchParams): Propagation | undefined {
  const policy = options.propagationPolicy ?? query.get('propagationPolicy') ?? undefined;
  if (policy !== undefined && policy !== '') {
    if (propagations.includes(policy)) return policy as Propagation;
    const values = [...propagations].map((value) => JSON.stringify(value)).join(', ');
    throw badRequest(`propagationPolicy: Unsupported value: "${policy}": supported values: ${values}`);
  }
  if (options.orphanDependents === undefined) return undefined;
  return options.orphanDependents ? 'Orphan' : 'Background';
}
