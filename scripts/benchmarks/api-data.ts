import type { EndpointSlice } from '../../api/kinds/endpoint-slice.ts';
import type { Service } from '../../api/kinds/service.ts';

const namespace = 'default';
const endpointsPerSlice = 5;

/** A Service without a selector: its slices are the benchmark's own, no controller rewrites them. */
export function makeService(name: string, round: string): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace, labels: { app: name, round } },
    spec: { ports: [{ name: 'http', port: 80, targetPort: 8080, protocol: 'TCP' }] },
  };
}

/** One slice with five endpoints on as many nodes, as the endpoints controller would write it. */
export function makeSlice(name: string, service: string, round: string, index: number): EndpointSlice {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name,
      namespace,
      labels: {
        app: service,
        round,
        'kubernetes.io/service-name': service,
        'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
      },
    },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    endpoints: Array.from({ length: endpointsPerSlice }, (_, i) => {
      const number = index * endpointsPerSlice + i;
      return {
        addresses: [`10.${128 + ((number >> 16) & 127)}.${(number >> 8) & 255}.${number & 255}`],
        conditions: { ready: true, serving: true, terminating: false },
        nodeName: `node-${number % 100}`,
        targetRef: { kind: 'Pod', namespace, name: `${service}-${i}`, uid: uidOf(number) },
      };
    }),
  };
}

function uidOf(number: number): string {
  return `00000000-0000-4000-8000-${number.toString(16).padStart(12, '0')}`;
}
