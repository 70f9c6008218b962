import type { Static } from 'typebox';
import { ObjectMeta, typeMeta } from './meta.ts';
import { ObjectReference } from './object-reference.ts';
import { boolean, filled, integer, list, map, string, struct } from './schema.ts';

const DISCOVERY = 'io.k8s.api.discovery.v1';

const EndpointConditions = struct(
  `${DISCOVERY}.EndpointConditions`,
  {},
  { ready: boolean(), serving: boolean(), terminating: boolean() },
);

const EndpointHints = struct(
  `${DISCOVERY}.EndpointHints`,
  {},
  {
    forZones: list(struct(`${DISCOVERY}.ForZone`, { name: string() }, {})),
    forNodes: list(struct(`${DISCOVERY}.ForNode`, { name: string() }, {})),
  },
);

export const Endpoint = struct(
  `${DISCOVERY}.Endpoint`,
  { addresses: filled(list(string(), { listType: 'set' }), []) },
  {
    conditions: EndpointConditions,
    hostname: string(),
    targetRef: ObjectReference,
    deprecatedTopology: map(string()),
    nodeName: string(),
    zone: string(),
    hints: EndpointHints,
  },
);
export type Endpoint = Static<typeof Endpoint>;

export const EndpointPort = struct(
  `${DISCOVERY}.EndpointPort`,
  {},
  {
    name: string({ default: '' }),
    protocol: string({ default: 'TCP', enum: ['SCTP', 'TCP', 'UDP'] }),
    port: integer(),
    appProtocol: string(),
  },
);
export type EndpointPort = Static<typeof EndpointPort>;

export const EndpointSlice = struct(
  `${DISCOVERY}.EndpointSlice`,
  {
    metadata: filled(ObjectMeta, {}),
    addressType: string({ enum: ['FQDN', 'IPv4', 'IPv6'] }),
    endpoints: filled(list(Endpoint), []),
  },
  { ...typeMeta, ports: list(EndpointPort) },
);
export type EndpointSlice = Static<typeof EndpointSlice>;
