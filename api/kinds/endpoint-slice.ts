import type { Static } from 'typebox';
import { renderAge } from './age.ts';
import { renderSome } from './cells.ts';
import { duplicate, invalid, required, tooMany, type FieldError } from './field-error.ts';
import { checkRoutable, familyOf } from './ip.ts';
import type { Kind } from './kind.ts';
import { checkLabel1123, checkPort, checkSubdomain } from './names.ts';
import { ObjectMeta, typeMeta } from './meta.ts';
import { ObjectReference } from './object-reference.ts';
import { atomic, boolean, filled, integer, list, map, string, struct } from './schema.ts';
import { column } from './table.ts';

const DISCOVERY = 'io.k8s.api.discovery.v1';

const EndpointConditions = struct(
  `${DISCOVERY}.EndpointConditions`,
  {},
  { ready: boolean(), serving: boolean(), terminating: boolean() },
  '*ready 1, *serving 2, *terminating 3',
);

const EndpointHints = struct(
  `${DISCOVERY}.EndpointHints`,
  {},
  {
    forZones: list(struct(`${DISCOVERY}.ForZone`, { name: string() }, {}, 'name 1')),
    forNodes: list(struct(`${DISCOVERY}.ForNode`, { name: string() }, {}, 'name 1')),
  },
  'forZones 1, forNodes 2',
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
  `
    addresses 1, conditions 2, *hostname 3, targetRef 4, deprecatedTopology 5, *nodeName 6, *zone 7,
    hints 8`,
);
export type Endpoint = Static<typeof Endpoint>;

export const EndpointPort = atomic(
  struct(
    `${DISCOVERY}.EndpointPort`,
    {},
    {
      name: string({ default: '' }),
      protocol: string({ default: 'TCP', enum: ['SCTP', 'TCP', 'UDP'] }),
      port: integer(),
      appProtocol: string(),
    },
    '*name 1, *protocol 2, *port 3, *appProtocol 4',
  ),
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
  'metadata 1, endpoints 2, ports 3, addressType 4',
  { description: 'A part of the addresses behind a Service, all of one family.' },
);
export type EndpointSlice = Static<typeof EndpointSlice>;

export const endpointSliceKind: Kind<EndpointSlice> = {
  group: 'discovery.k8s.io',
  version: 'v1',
  kind: 'EndpointSlice',
  plural: 'endpointslices',
  singular: 'endpointslice',
  shortNames: [],
  categories: [],
  namespaced: true,
  nameFormat: 'subdomain',
  schema: EndpointSlice,
  subresources: [],
  generation: true,
  defaultPropagation: 'Background',
  columns: [column('Name'), column('AddressType'), column('Ports'), column('Endpoints'), column('Age')],
  cells: (slice, nowMs) => [
    slice.metadata.name,
    slice.addressType,
    orUnset(slice.ports?.map((each) => String(each.port ?? (each.name || '*')))),
    orUnset(slice.endpoints.flatMap((each) => each.addresses)),
    renderAge(slice.metadata.creationTimestamp, nowMs),
  ],
  selectable: [],
  selectableFields: () => ({}),
  validate: validateSlice,
};

function orUnset(elements: readonly string[] = []): string {
  return elements.length === 0 ? '<unset>' : renderSome(elements);
}

const MAX_ENDPOINTS = 1000;
const MAX_ADDRESSES = 100;
const MAX_PORTS = 20_000;

function validateSlice(slice: EndpointSlice, old?: EndpointSlice): FieldError[] {
  const errors: FieldError[] = [];
  if (slice.endpoints.length > MAX_ENDPOINTS) errors.push(tooMany('endpoints', MAX_ENDPOINTS));
  for (const [index, endpoint] of slice.endpoints.entries()) {
    errors.push(...validateEndpoint(endpoint, slice.addressType, `endpoints[${index}]`));
  }
  errors.push(...validateSlicePorts(slice.ports ?? []));
  if (old && old.addressType !== slice.addressType) {
    errors.push(invalid('addressType', slice.addressType, 'field is immutable'));
  }
  return errors;
}

function validateEndpoint(endpoint: Endpoint, addressType: string, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const { addresses, hostname, nodeName } = endpoint;
  if (addresses.length === 0) errors.push(required(`${path}.addresses`, 'must contain at least 1 address'));
  if (addresses.length > MAX_ADDRESSES) errors.push(tooMany(`${path}.addresses`, MAX_ADDRESSES));
  for (const [index, address] of addresses.entries()) {
    const wrong = checkAddress(address, addressType);
    if (wrong !== undefined) errors.push(invalid(`${path}.addresses[${index}]`, address, wrong));
  }
  const wrongHostname = hostname === undefined ? undefined : checkLabel1123(hostname);
  if (wrongHostname !== undefined) errors.push(invalid(`${path}.hostname`, hostname, wrongHostname));
  const wrongNode = nodeName === undefined ? undefined : checkSubdomain(nodeName);
  if (wrongNode !== undefined) errors.push(invalid(`${path}.nodeName`, nodeName, wrongNode));
  return errors;
}

function checkAddress(address: string, addressType: string): string | undefined {
  if (addressType === 'FQDN') return checkSubdomain(address);
  if (familyOf(address) !== addressType) return `must be a valid ${addressType} address`;
  return checkRoutable(address);
}

function validateSlicePorts(ports: readonly EndpointPort[]): FieldError[] {
  const errors: FieldError[] = [];
  if (ports.length > MAX_PORTS) errors.push(tooMany('ports', MAX_PORTS));
  const names = new Set<string>();
  for (const [index, { name = '', port }] of ports.entries()) {
    const wrongName = name === '' ? undefined : checkLabel1123(name);
    if (wrongName !== undefined) errors.push(invalid(`ports[${index}].name`, name, wrongName));
    if (names.has(name)) errors.push(duplicate(`ports[${index}].name`, name));
    names.add(name);
    const wrong = port === undefined ? undefined : checkPort(port);
    if (wrong !== undefined) errors.push(invalid(`ports[${index}].port`, port, wrong));
  }
  return errors;
}
