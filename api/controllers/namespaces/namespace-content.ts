import { ignoreMissing } from '../../client/api-error.ts';
import type { ApiClient } from '../../client/client.ts';
import type { Resource } from '../../client/resource.ts';
import type { KubeObject } from '../../kinds/meta.ts';

interface ApiResourceList {
  readonly groupVersion: string;
  readonly resources: readonly {
    readonly name: string;
    readonly namespaced: boolean;
    readonly verbs: readonly string[];
  }[];
}

interface ApiGroupList {
  readonly groups: readonly { readonly preferredVersion: { readonly groupVersion: string } }[];
}

/** Every namespaced collection that can be listed and deleted, as the API's discovery names them. */
export async function listNamespacedResources(client: ApiClient): Promise<Resource<KubeObject>[]> {
  const groups = (await client.request('GET', '/apis')) as ApiGroupList;
  const paths = ['/api/v1', ...groups.groups.map((group) => `/apis/${group.preferredVersion.groupVersion}`)];
  const lists = await Promise.all(paths.map((path) => client.request('GET', path)));
  return (lists as ApiResourceList[]).flatMap(({ groupVersion, resources }) => {
    const [version = '', group = ''] = groupVersion.split('/').reverse();
    return resources
      .filter(({ name, namespaced, verbs }) => {
        return namespaced && !name.includes('/') && verbs.includes('list') && verbs.includes('delete');
      })
      .map(({ name }) => ({ group, version, plural: name, namespaced: true }));
  });
}

/** Deletes all objects of a collection in one namespace; returns what is still there. */
export async function removeContent(
  client: ApiClient,
  resource: Resource<KubeObject>,
  namespace: string,
): Promise<KubeObject[]> {
  const objects = await client.listAll(resource, { namespace });
  for (const { metadata } of objects) {
    if (metadata.deletionTimestamp !== undefined) continue;
    const at = { namespace, name: metadata.name };
    await ignoreMissing(client.delete(resource, at, { propagationPolicy: 'Background' }));
  }
  return objects.length === 0 ? [] : client.listAll(resource, { namespace });
}
