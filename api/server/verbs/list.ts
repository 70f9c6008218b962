import type { KubeObject } from '../../kinds/meta.ts';
import { sendJson } from '../http/exchange.ts';
import { listObjects } from '../registry/list.ts';
import type { ListRequest } from '../registry/list.ts';
import { badRequest } from '../status-error.ts';
import { queryNumber } from './call.ts';
import type { ResourceCall } from './call.ts';
import { presenterFor } from './present.ts';
import { selectionOf } from './select.ts';

export async function listVerb(call: ResourceCall): Promise<void> {
  const { kind } = call.resource;
  const result = await listObjects(call.resource, listRequest(call));
  const metadata = {
    resourceVersion: String(result.revision),
    ...(result.continue === undefined ? {} : { continue: result.continue }),
  };
  await sendJson(call.exchange, 200, presenterFor(kind, call.exchange).list(result.items, metadata));
}

/**
 * What a list asks for. The meaning of resourceVersion is
 * https://kubernetes.io/docs/reference/using-api/api-concepts/#semantics-for-get-and-list.
 */
function listRequest({ exchange, resource, path }: ResourceCall): ListRequest<KubeObject> {
  const query = exchange.url.searchParams;
  const limit = queryNumber(query, 'limit');
  const revision = queryNumber(query, 'resourceVersion');
  const match = query.get('resourceVersionMatch') ?? '';
  const token = query.get('continue') ?? '';
  if (match !== '' && revision === undefined) {
    throw badRequest(
      'resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided',
    );
  }
  if (!['', 'Exact', 'NotOlderThan'].includes(match)) {
    throw badRequest(
      `resourceVersionMatch: Unsupported value: "${match}": supported values: "Exact", "NotOlderThan"`,
    );
  }
  if (match === 'Exact' && revision === 0) {
    throw badRequest(
      'resourceVersionMatch: Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"',
    );
  }
  if (token !== '' && revision)
    throw badRequest('specifying resource version is not allowed when using continue');
  // A limited list at a revision is exact; any other may be newer.
  const isExact = match === 'Exact' || (match === '' && !!revision && !!limit);
  return {
    namespace: path.namespace,
    ...selectionOf(resource.kind, query),
    limit: limit === 0 ? undefined : limit,
    continue: token === '' ? undefined : token,
    exactRevision: isExact ? revision : undefined,
    minimumRevision: isExact || token !== '' ? undefined : revision,
  };
}
