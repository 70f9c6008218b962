import type { EndpointSlice } from '../../../api/kinds/endpoint-slice.ts';
import type { Service } from '../../../api/kinds/service.ts';
import { addresses } from '../network.ts';
import type { FamilyName } from '../network.ts';

/** Who can stand behind a Service: pods of this node, a pod of another, and programs in the two nodes' own networks. */
export type Pod = 'pod1' | 'pod2' | 'far' | 'node' | 'peer';

/** One endpoint as its slice has it. */
export interface EndpointDraft {
  readonly pod: Pod;
  readonly ready?: boolean;
  readonly serving?: boolean;
  readonly terminating?: boolean;
  readonly forNodes?: readonly string[];
  readonly forZones?: readonly string[];
}

interface SliceDraft {
  readonly endpoints: readonly (Pod | EndpointDraft)[];
  /** The pods' port, of every port of the Service. */
  readonly port?: number;
  /** In these families only. */
  readonly families?: readonly FamilyName[];
}

/** A Service and who stands behind it, in as few words as a test needs; the objects are whole. */
export interface Draft {
  readonly name: string;
  /** One slice per family with these endpoints. */
  readonly to?: readonly (Pod | EndpointDraft)[];
  /** Several slices instead. */
  readonly slices?: readonly SliceDraft[];
  /** Ports instead of 80 over TCP and UDP. */
  readonly ports?: Service['spec']['ports'];
  /** The NodePort of the two usual ports. */
  readonly nodePort?: number;
  /** An address of `externalIPs`. */
  readonly external?: boolean;
  /** An address that a load balancer has. */
  readonly balancer?: boolean | 'Proxy';
  readonly spec?: Partial<Service['spec']>;
  readonly labels?: Readonly<Record<string, string>>;
}

/** The addresses of a Service with this number in a family. */
export const vips = {
  ipv4: {
    cluster: (n: number) => `10.96.0.${String(n)}`,
    external: (n: number) => `198.51.100.${String(n)}`,
    balancer: (n: number) => `203.0.113.${String(n)}`,
  },
  ipv6: {
    cluster: (n: number) => `fd00:10:96::${n.toString(16)}`,
    external: (n: number) => `2001:db8:1::${n.toString(16)}`,
    balancer: (n: number) => `2001:db8:2::${n.toString(16)}`,
  },
} as const;

export const servedPort = 8080;

const addressTypes = { ipv4: 'IPv4', ipv6: 'IPv6' } as const;
const nodeOf = (pod: Pod): string => (pod === 'far' || pod === 'peer' ? 'node2' : 'node1');

/** The Service as the API server would store it. */
export function serviceOf(draft: Draft, number: number, families: readonly FamilyName[]): Service {
  const clusterIPs = families.map((family) => vips[family].cluster(number));
  const { nodePort, labels } = draft;
  const usual = (['TCP', 'UDP'] as const).map((protocol) => ({
    name: protocol.toLowerCase(),
    protocol,
    port: 80,
    targetPort: servedPort,
    ...(nodePort === undefined ? {} : { nodePort }),
  }));
  const ipMode = draft.balancer === 'Proxy' ? 'Proxy' : 'VIP';
  const ingress = families.map((family) => ({ ip: vips[family].balancer(number), ipMode }));
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name: draft.name,
      namespace: 'default',
      creationTimestamp: '2026-01-01T00:00:00Z',
      ...(labels ? { labels: { ...labels } } : {}),
    },
    spec: {
      type: draft.balancer ? 'LoadBalancer' : nodePort === undefined ? 'ClusterIP' : 'NodePort',
      ...(clusterIPs[0] === undefined ? {} : { clusterIP: clusterIPs[0] }),
      clusterIPs,
      ipFamilies: families.map((family) => addressTypes[family]),
      ports: draft.ports ?? usual,
      ...(draft.external ? { externalIPs: families.map((family) => vips[family].external(number)) } : {}),
      ...draft.spec,
    },
    ...(draft.balancer ? { status: { loadBalancer: { ingress } } } : {}),
  };
}

/** Its EndpointSlices as the endpoints controller would write them. */
export function slicesOf(draft: Draft, service: Service, families: readonly FamilyName[]): EndpointSlice[] {
  const slices = draft.slices ?? [{ endpoints: draft.to ?? [] }];
  return slices.flatMap((slice, index) =>
    families
      .filter((family) => (slice.families ?? families).includes(family))
      .map((family) => ({
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        metadata: {
          name: `${draft.name}-${family}-${String(index)}`,
          namespace: 'default',
          labels: { 'kubernetes.io/service-name': draft.name },
        },
        addressType: addressTypes[family],
        ports: (service.spec.ports ?? []).map(({ name = '', protocol = 'TCP' }) => {
          return { name, protocol, port: slice.port ?? servedPort };
        }),
        endpoints: slice.endpoints.map((endpoint) => endpointOf(endpoint, family)),
      })),
  );
}

function endpointOf(given: Pod | EndpointDraft, family: FamilyName): EndpointSlice['endpoints'][number] {
  const {
    pod,
    ready = true,
    serving = ready,
    terminating = false,
    forNodes,
    forZones,
  } = typeof given === 'string' ? ({ pod: given } satisfies EndpointDraft as EndpointDraft) : given;
  const named = (names: readonly string[]) => names.map((name) => ({ name }));
  return {
    addresses: [addresses[family][pod]],
    nodeName: nodeOf(pod),
    conditions: { ready, serving, terminating },
    ...(forNodes || forZones
      ? {
          hints: {
            ...(forNodes ? { forNodes: named(forNodes) } : {}),
            ...(forZones ? { forZones: named(forZones) } : {}),
          },
        }
      : {}),
  };
}
