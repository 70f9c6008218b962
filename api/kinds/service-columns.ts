import { renderAge } from './age.ts';
import { orNone, renderLabels } from './cells.ts';
import type { Service, ServicePort } from './service.ts';
import { column } from './table.ts';

export const serviceColumns = [
  column('Name'),
  column('Type'),
  column('Cluster-IP'),
  column('External-IP'),
  column('Port(s)'),
  column('Age'),
  column('Selector', 'string', 'wide'),
];

export function serviceCells(service: Service, nowMs: number): string[] {
  const { metadata, spec } = service;
  return [
    metadata.name,
    spec.type ?? '',
    orNone(spec.clusterIPs?.[0] ?? spec.clusterIP),
    externalAddress(service),
    orNone((spec.ports ?? []).map(renderPort).join(',')),
    renderAge(metadata.creationTimestamp, nowMs),
    renderLabels(spec.selector),
  ];
}

function externalAddress({ spec, status }: Service): string {
  if (spec.type === 'ExternalName') return orNone(spec.externalName);
  const external = spec.externalIPs ?? [];
  if (spec.type !== 'LoadBalancer') return orNone(external.join(','));
  const ingress = (status?.loadBalancer?.ingress ?? []).map((each) => each.ip || (each.hostname ?? ''));
  const all = [...ingress.filter((each) => each !== ''), ...external];
  return all.length === 0 ? '<pending>' : all.join(',');
}

/** `80/TCP`, or `80:30080/TCP` with a node port. */
function renderPort({ port, nodePort, protocol = 'TCP' }: ServicePort): string {
  return nodePort ? `${port}:${nodePort}/${protocol}` : `${port}/${protocol}`;
}
