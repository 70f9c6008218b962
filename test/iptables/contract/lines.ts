import { addressParts } from './addresses.ts';
import { affinityParts } from './affinity.ts';
import { connectionParts } from './connections.ts';
import { dnsParts } from './dns.ts';
import { endpointParts } from './endpoints.ts';
import { hostPortParts } from './host-ports.ts';
import type { Part } from './scene.ts';
import { sourceParts } from './source.ts';
import { syncParts } from './sync.ts';

/**
 * One thing the data plane must do, the tests of this contract that show it with real packets, and the test files that
 * show what goes beyond a backend: the whole agent.
 */
export interface Line {
  readonly must: string;
  readonly shownBy: readonly string[];
  readonly elsewhere?: readonly string[];
}

/** What the data plane must do, section by section: the Service API of Kubernetes as kube-proxy documents it, and ours. */
export const sections: Readonly<
  Record<string, { readonly parts: readonly Part[]; readonly lines: readonly Line[] }>
> = {
  endpoints: {
    parts: endpointParts,
    lines: [
      {
        must: 'Policy Cluster: ready endpoints, all with equal chances',
        shownBy: ['ready endpoints, and only those', 'every endpoint gets its share'],
      },
      {
        must: 'Hints for nodes, else for zones, if every ready endpoint has them and one names this place; else all',
        shownBy: ['hints for nodes and zones'],
      },
      {
        must: 'None ready: endpoints that serve while they shut down, under both policies',
        shownBy: ['nobody ready: endpoints that shut down but still serve'],
      },
      {
        must: 'Policy Local, inside for clusterIP and outside for the rest: only endpoints of this node',
        shownBy: ['internalTrafficPolicy Local', 'externalTrafficPolicy Local'],
      },
      {
        must: 'publishNotReadyAddresses: every address counts as ready',
        shownBy: ['publishNotReadyAddresses'],
      },
      {
        must: 'EndpointSlices of a Service merge, duplicates once',
        shownBy: ['several EndpointSlices are one list'],
      },
      {
        must: 'Named target ports may differ from pod to pod',
        shownBy: ['a named target port, differing from pod to pod'],
      },
      {
        must: 'None anywhere: refused at clusterIP, externalIP, NodePort and load balancer address',
        shownBy: ['what nobody serves is refused, at every kind of address'],
      },
      {
        must: 'Local with endpoints elsewhere only: dropped for outside, the whole cluster for who is on this node',
        shownBy: ['externalTrafficPolicy Local', 'internalTrafficPolicy Local'],
      },
      {
        must: 'A port that no Service declares is refused; an unallocated address never leaves the node',
        shownBy: [
          'an undeclared port and an unallocated address are refused',
          'packets for Service addresses that nobody serves never leave the node',
        ],
      },
    ],
  },
  addresses: {
    parts: [...addressParts, ...affinityParts, ...dnsParts],
    lines: [
      {
        must: 'NodePort on the addresses of the node (nodePortAddresses), never on Service, pod bridge or DNS addresses',
        shownBy: [
          'NodePort on every address of the node, and on no other',
          'nodePortAddresses: ranges and primary',
          'the port of the vxlan is no NodePort',
        ],
      },
      {
        must: 'externalIPs and load balancer addresses, those not whose ipMode is Proxy',
        shownBy: ['externalIPs and load balancer addresses', 'a load balancer address whose ipMode is Proxy'],
      },
      {
        must: 'TCP, UDP and SCTP are independent on one port number',
        shownBy: ['TCP and UDP are independent on one port number', 'SCTP, at every kind of address'],
      },
      {
        must: 'loadBalancerSourceRanges: the load balancer address only, white space tolerated, pods included',
        shownBy: ['loadBalancerSourceRanges', 'loadBalancerSourceRanges of one family only'],
      },
      {
        must: 'sessionAffinity ClientIP: the same endpoint until idle; kept over a full sync; released with its endpoint',
        shownBy: [
          'sessionAffinity ClientIP, kept over full syncs and restarts',
          'sessionAffinity: an endpoint that goes releases its clients',
          'sessionAffinity: until idle for the timeout',
        ],
      },
      {
        must: 'Headless and ExternalName Services and those of other proxies get no rules',
        shownBy: ["headless, ExternalName and other proxies' Services"],
      },
      {
        must: 'healthCheckNodePort: 200 with a ready endpoint here and rules that are right, else 503; in JSON how many',
        shownBy: [],
        elsewhere: [
          'test/agent/services/health-check.root.test.ts',
          'test/agent/services/health-check.test.ts',
        ],
      },
      {
        must: 'The families are independent; dual-stack Services have both (every test of the stack dual-stack)',
        shownBy: ['the families of a Service are independent'],
      },
      {
        must: 'The DNS address is the node’s own server: port 53 only, no Service rules, no tracking',
        shownBy: ['the DNS address serves port 53 only', 'queries to the DNS address are not tracked'],
      },
      {
        must: 'While the node’s own DNS server is away another Ready node’s answers; without one a query is refused',
        shownBy: [
          'while nobody listens at the DNS address another node answers, and nobody else',
          'a DNS server that is killed is replaced at once',
        ],
        elsewhere: ['test/agent/services/dns-fallback.test.ts'],
      },
    ],
  },
  'ports of pods on the node': {
    parts: hostPortParts,
    lines: [
      {
        must: 'hostPort at every address of the node, over TCP and UDP, from everywhere, with the client’s own address',
        shownBy: ['hostPort: from outside, other nodes, pods, the pod itself and the node'],
      },
      {
        must: 'hostIP: at this address only; 0.0.0.0 and ::, every one of the family',
        shownBy: ['hostPort: at the addresses of hostIP only'],
      },
      {
        must: '127.0.0.1 leads to it from the node itself and from nowhere else; nothing else of 127.0.0.0/8 is opened',
        shownBy: ['hostPort: at 127.0.0.1 for the node alone'],
      },
      {
        must: 'UDP: flows tracked before the port came and after it went are forgotten, others stay',
        shownBy: ['hostPort: UDP flows follow a port that comes, moves and goes'],
      },
      {
        must: 'A hostPort goes before a NodePort and an externalIP of the same number',
        shownBy: ['hostPort: before Services'],
      },
    ],
  },
  source: {
    parts: sourceParts,
    lines: [
      {
        must: 'Masqueraded: hairpin, outside at NodePort, externalIP and load balancer address, off-cluster at clusterIP',
        shownBy: [
          'a pod reaches itself through its Service',
          'who comes from elsewhere is masqueraded, at every kind of address',
          'endpoints in the network of a node',
        ],
      },
      {
        must: 'Never masqueraded: pod to pod through a Service, clients from outside under policy Local',
        shownBy: [
          'a pod is seen with its own address behind a Service',
          'externalTrafficPolicy Local keeps the client’s address',
        ],
      },
      {
        must: 'Pods leave the cluster with the node’s address and random ports; pod to pod and pod to node never',
        shownBy: [
          'pods leave the cluster with the address of the node',
          'masquerading chooses ports at random',
        ],
      },
      {
        must: 'nonMasqueradeCIDRs: pods keep their own address towards these ranges outside the cluster',
        shownBy: ['pods keep their address where they are told to'],
      },
      {
        must: 'Where the host forwards nothing, pods and Services are forwarded',
        shownBy: ['a host that forwards nothing forwards for pods and Services'],
      },
    ],
  },
  connections: {
    parts: connectionParts,
    lines: [
      {
        must: 'UDP: tracked flows of who stops serving, of an empty and of a deleted Service go, at every kind of address',
        shownBy: [
          'UDP: an endpoint stops serving',
          'UDP: the last endpoint goes',
          'UDP: the Service is deleted',
          'UDP: what changed while no agent ran',
        ],
      },
      {
        must: 'UDP: valid flows are left alone, over our restart as well',
        shownBy: ['UDP: flows that are right are left alone', 'UDP: what changed while no agent ran'],
      },
      {
        must: 'TCP: connections live on through rule changes and restarts; graceful termination',
        shownBy: [
          'TCP: connections live through rule changes and restarts',
          'TCP: an endpoint that shuts down keeps its connections and gets no new ones',
        ],
      },
      {
        must: 'Invalid packets of rewritten connections do not leak',
        shownBy: [
          "a pod's invalid packets stay on the node",
          'invalid answers of rewritten connections do not leak',
        ],
      },
    ],
  },
  sync: {
    parts: syncParts,
    lines: [
      {
        must: 'A change is one transaction: nobody sees a Service half-programmed',
        shownBy: [
          'a changing Service answers every connection',
          'a second run has nothing to do, nor has a new process',
        ],
      },
      {
        must: 'What the kernel refuses leaves the old rules, is named and tried again, and blocks no other Service',
        shownBy: ['a Service that the kernel refuses harms no other'],
        elsewhere: ['test/agent/services/services.test.ts'],
      },
      {
        must: 'Damage from outside is noticed and repaired',
        shownBy: ['damage from outside is noticed and repaired'],
        elsewhere: ['test/agent/services/services.root.test.ts', 'test/agent/services/drift.root.test.ts'],
      },
      {
        must: 'Rules go with what they are for; removal leaves nothing of ours and all of others',
        shownBy: [
          'a family that the cluster lacks has no rules',
          'removal takes every trace of ours and nothing else',
        ],
      },
    ],
  },
};
