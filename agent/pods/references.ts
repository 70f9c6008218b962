import { isNotFound } from '../../api/client/api-error.ts';
import type { ApiClient } from '../../api/client/client.ts';
import { configMaps, secrets } from '../../api/client/resources.ts';
import type { ConfigMap } from '../../api/kinds/config-map.ts';
import type { Pod } from '../../api/kinds/pod.ts';
import type { Secret } from '../../api/kinds/secret.ts';

/** Keys and contents of one Secret or ConfigMap. */
export type ObjectData = Readonly<Record<string, Buffer>>;

/** What of the API's Secrets and ConfigMaps a pod refers to; what does not exist is absent. */
export interface References {
  readonly secrets: ReadonlyMap<string, ObjectData>;
  readonly configMaps: ReadonlyMap<string, ConfigMapData>;
}

/** Environments know the text only, volumes both. */
export interface ConfigMapData {
  readonly text: ObjectData;
  readonly binary: ObjectData;
}

/** Names of Secrets and ConfigMaps in one namespace. */
export interface ReferenceNames {
  readonly secrets: ReadonlySet<string>;
  readonly configMaps: ReadonlySet<string>;
}

/** The names a pod refers to, in environments and volumes. */
export function listReferences(pod: Pod): ReferenceNames {
  const containers = [...(pod.spec.initContainers ?? []), ...pod.spec.containers];
  const sources = containers.flatMap(({ envFrom = [] }) => envFrom);
  const values = containers.flatMap(({ env = [] }) => env.map(({ valueFrom }) => valueFrom));
  const mounted = listVolumeReferences(pod);
  return {
    secrets: named([
      ...mounted.secrets,
      ...sources.map(({ secretRef }) => secretRef?.name),
      ...values.map((value) => value?.secretKeyRef?.name),
    ]),
    configMaps: named([
      ...mounted.configMaps,
      ...sources.map(({ configMapRef }) => configMapRef?.name),
      ...values.map((value) => value?.configMapKeyRef?.name),
    ]),
  };
}

/** The names a pod refers to in volumes: those whose changes it sees while it runs. */
export function listVolumeReferences({ spec: { volumes = [] } }: Pod): ReferenceNames {
  const projections = volumes.flatMap(({ projected }) => projected?.sources ?? []);
  return {
    secrets: named([
      ...volumes.map(({ secret }) => secret?.secretName),
      ...projections.map(({ secret }) => secret?.name),
    ]),
    configMaps: named([
      ...volumes.map(({ configMap }) => configMap?.name),
      ...projections.map(({ configMap }) => configMap?.name),
    ]),
  };
}

function named(names: readonly (string | undefined)[]): Set<string> {
  return new Set(names.filter((name) => name !== undefined));
}

/** Reads what a pod refers to, each object once. Throws ApiError. */
export async function fetchReferences(client: Pick<ApiClient, 'get'>, pod: Pod): Promise<References> {
  const { namespace } = pod.metadata;
  const names = listReferences(pod);
  const secretData = fetchEach(names.secrets, async (name) => {
    return decodeSecret(await client.get(secrets, { namespace, name }));
  });
  const configMapData = fetchEach(names.configMaps, async (name) => {
    return decodeConfigMap(await client.get(configMaps, { namespace, name }));
  });
  return { secrets: await secretData, configMaps: await configMapData };
}

async function fetchEach<T>(
  names: Iterable<string>,
  fetchOne: (name: string) => Promise<T>,
): Promise<Map<string, T>> {
  const found = await Promise.all(
    [...names].map(async (name): Promise<[string, T] | undefined> => {
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

export function decodeSecret({ data }: Secret): ObjectData {
  return decodeData(data, 'base64');
}

export function decodeConfigMap({ data, binaryData }: ConfigMap): ConfigMapData {
  return { text: decodeData(data, 'utf8'), binary: decodeData(binaryData, 'base64') };
}

function decodeData(data: Record<string, string> | undefined, encoding: BufferEncoding): ObjectData {
  return Object.fromEntries(
    Object.entries(data ?? {}).map(([key, value]) => [key, Buffer.from(value, encoding)]),
  );
}
