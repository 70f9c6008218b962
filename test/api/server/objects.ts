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
