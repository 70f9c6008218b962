import type { ApiClient } from '../../../api/client/client.ts';
import { configMaps } from '../../../api/client/resources.ts';
import type { ConfigMap } from '../../../api/kinds/config-map.ts';
import type { Pod } from '../../../api/kinds/pod.ts';
import type { Service, ServiceSpec } from '../../../api/kinds/service.ts';

export function configMap(name: string, data: Record<string, string> = {}): ConfigMap {
  return { metadata: { name, namespace: 'default' }, data };
}

export function pod(name: string, spec: Partial<Pod['spec']> = {}): Pod {
  return {
    metadata: { name, namespace: 'default', labels: { app: name } },
    spec: { containers: [{ name: 'main', image: 'nginx' }], ...spec },
  };
}

export function service(name: string, spec: Partial<ServiceSpec> = {}): Service {
  return {
    metadata: { name, namespace: 'default', labels: { app: name } },
    spec: { ports: [{ port: 80 }], selector: { app: name }, ...spec },
  };
}

/** Makes many ConfigMaps at once, over a few connections. */
export async function createMany(client: ApiClient, objects: readonly ConfigMap[]): Promise<void> {
  const left = [...objects];
  const worker = async (): Promise<void> => {
    for (let next = left.shift(); next; next = left.shift()) await client.create(configMaps, next);
  };
  await Promise.all(Array.from({ length: 16 }, worker));
}
