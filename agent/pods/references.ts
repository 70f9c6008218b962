import { isNotFound } from '../../api/client/api-error.ts';
import type { ApiClient } from '../../api/client/client.ts';
import { configMaps, secrets } from '../../api/client/resources.ts';
import type { Pod } from '../../api/kinds/pod.ts';

/** Keys and contents of one Secret or ConfigMap. */
export type ObjectData = Readonly<Record<string, Buffer>>;

/** What of the API's Secrets and ConfigMaps a pod refers to; what does not exist is absent. */
export interface References {
  readonly secrets: ReadonlyMap<string, ObjectData>;
  readonly configMaps: ReadonlyMap<string, ObjectData>;
}

/** The names a pod refers to, in environments and volumes. */
export function listReferences(pod: Pod): { secrets: Set<string>; configMaps: Set<string> } {
  const secretNames: (string | undefined)[] = [];
  const configMapNames: (string | undefined)[] = [];
  for (const container of [...(pod.spec.initContainers ?? []), ...pod.spec.containers]) {
    for (const { secretRef, configMapRef } of container.envFrom ?? []) {
      secretNames.push(secretRef?.name);
      configMapNames.push(configMapRef?.name);
    }
    for (const { valueFrom } of container.env ?? []) {
      secretNames.push(valueFrom?.secretKeyRef?.name);
      configMapNames.push(valueFrom?.configMapKeyRef?.name);
    }
  }
  for (const { secret, configMap, projected } of pod.spec.volumes ?? []) {
    secretNames.push(secret?.secretName, ...(projected?.sources ?? []).map((source) => source.secret?.name));
    configMapNames.push(
      configMap?.name,
      ...(projected?.sources ?? []).map((source) => source.configMap?.name),
    );
  }
  const named = (names: (string | undefined)[]): Set<string> =>
    new Set(names.filter((name) => name !== undefined));
  return { secrets: named(secretNames), configMaps: named(configMapNames) };
}

/** Reads what a pod refers to, each object once. Throws ApiError. */
export async function fetchReferences(client: Pick<ApiClient, 'get'>, pod: Pod): Promise<References> {
  const { namespace } = pod.metadata;
  const names = listReferences(pod);
  const secretData = fetchEach(names.secrets, async (name) => {
    const secret = await client.get(secrets, { namespace, name });
    return decodeData(secret.data, 'base64');
  });
  const configMapData = fetchEach(names.configMaps, async (name) => {
    const configMap = await client.get(configMaps, { namespace, name });
    return { ...decodeData(configMap.binaryData, 'base64'), ...decodeData(configMap.data, 'utf8') };
  });
  return { secrets: await secretData, configMaps: await configMapData };
}

async function fetchEach(
  names: Iterable<string>,
  fetchOne: (name: string) => Promise<ObjectData>,
): Promise<Map<string, ObjectData>> {
  const found = await Promise.all(
    [...names].map(async (name): Promise<[string, ObjectData] | undefined> => {
      try {
        return [name, await fetchOne(name)];
      } catch (error) {
        if (isNotFound(error)) return undefined;
        throw error;
      }
    }),
  );
  return new Map(found.filter((entry) => entry !== undefined));
}

function decodeData(data: Record<string, string> | undefined, encoding: BufferEncoding): ObjectData {
  return Object.fromEntries(
    Object.entries(data ?? {}).map(([key, value]) => [key, Buffer.from(value, encoding)]),
  );
}
