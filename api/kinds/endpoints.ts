import type { Static } from 'typebox';
import { ObjectMeta, typeMeta } from './meta.ts';
import { ObjectReference } from './object-reference.ts';
import { filled, integer, list, string, struct } from './schema.ts';

const CORE = 'io.k8s.api.core.v1';

export const EndpointAddress = struct(
  `${CORE}.EndpointAddress`,
  { ip: string() },
  { hostname: string(), nodeName: string(), targetRef: ObjectReference },
);
export type EndpointAddress = Static<typeof EndpointAddress>;

export const EndpointsPort = struct(
  `${CORE}.EndpointPort`,
  { port: integer() },
  {
    name: string(),
    protocol: string({ default: 'TCP', enum: ['SCTP', 'TCP', 'UDP'] }),
    appProtocol: string(),
  },
);
export type EndpointsPort = Static<typeof EndpointsPort>;

export const EndpointSubset = struct(
  `${CORE}.EndpointSubset`,
  {},
  {
    addresses: list(EndpointAddress),
    notReadyAddresses: list(EndpointAddress),
    ports: list(EndpointsPort),
  },
);
export type EndpointSubset = Static<typeof EndpointSubset>;

export const Endpoints = struct(
  `${CORE}.Endpoints`,
  { metadata: filled(ObjectMeta, {}) },
  { ...typeMeta, subsets: list(EndpointSubset) },
);
export type Endpoints = Static<typeof Endpoints>;
