import type { Service, ServicePort } from '../../api/kinds/service.ts';

/**
 * The variables a container gets of Services: those of its own namespace (unless `enableServiceLinks` is false)
 * and always default/kubernetes, each only with a clusterIP.
 * Source: kubernetes pkg/kubelet/kubelet_pods.go getServiceEnvVarMap, pkg/kubelet/envvars.
 */
export function renderServiceEnvironment(
  services: Iterable<Service>,
  namespace: string,
  enableServiceLinks: boolean,
): Record<string, string> {
  const chosen = new Map<string, Service>();
  for (const service of services) {
    const { name, namespace: home } = service.metadata;
    if (!hasClusterIP(service)) continue;
    if (home === 'default' && name === 'kubernetes') {
      if (!chosen.has(name)) chosen.set(name, service);
    } else if (home === namespace && enableServiceLinks) {
      chosen.set(name, service);
    }
  }
  const variables: Record<string, string> = {};
  const byName = [...chosen].sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [name, service] of byName) Object.assign(variables, renderService(name, service));
  return variables;
}

function renderService(name: string, service: Service): Record<string, string> {
  const { clusterIP: address = '', ports = [] } = service.spec;
  const prefix = variableName(name);
  const variables: Record<string, string> = { [`${prefix}_SERVICE_HOST`]: address };
  const [first] = ports;
  if (first === undefined) return variables;
  variables[`${prefix}_SERVICE_PORT`] = String(first.port);
  for (const port of ports) {
    if (port.name) variables[`${prefix}_SERVICE_PORT_${variableName(port.name)}`] = String(port.port);
  }
  return { ...variables, ...renderLinks(prefix, address, ports) };
}

/** The variables of a Docker link: the first port has the short name. */
function renderLinks(prefix: string, address: string, ports: readonly ServicePort[]): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const [index, { port, protocol = 'TCP' }] of ports.entries()) {
    const host = address.includes(':') ? `[${address}]` : address;
    const url = `${protocol.toLowerCase()}://${host}:${port}`;
    const name = `${prefix}_PORT_${port}_${protocol.toUpperCase()}`;
    if (index === 0) variables[`${prefix}_PORT`] = url;
    variables[name] = url;
    variables[`${name}_PROTO`] = protocol.toLowerCase();
    variables[`${name}_PORT`] = String(port);
    variables[`${name}_ADDR`] = address;
  }
  return variables;
}

function hasClusterIP(service: Service): boolean {
  const address = service.spec.clusterIP;
  return address !== undefined && address !== '' && address !== 'None';
}

function variableName(name: string): string {
  return name.replaceAll('-', '_').toUpperCase();
}
