import type { Namespace } from '../../kinds/namespace.ts';
import { sendJson } from '../http/exchange.ts';
import type { Resource } from '../registry/resource.ts';
import { updateObject } from '../registry/update.ts';
import { isDryRun, objectName } from './call.ts';
import type { ResourceCall } from './call.ts';
import { decodeBody } from './decode.ts';

/** PUT of a Namespace's spec.finalizers, which an ordinary update may not touch; without any it may go. */
export async function finalizeVerb(call: ResourceCall): Promise<void> {
  // The route leads here for namespaces only.
  const namespaces = call.resource as unknown as Resource<Namespace>;
  const wanted = (await decodeBody(call)) as Namespace;
  const object = await updateObject(
    namespaces,
    objectName(call),
    (current) => {
      current.spec = { ...current.spec, finalizers: wanted.spec?.finalizers ?? [] };
      const { resourceVersion, uid } = wanted.metadata;
      if (resourceVersion) current.metadata.resourceVersion = resourceVersion;
      if (uid) current.metadata.uid = uid;
      return current;
    },
    'server',
    { dryRun: isDryRun(call.exchange.url.searchParams) },
  );
  await sendJson(call.exchange, 200, object);
}
