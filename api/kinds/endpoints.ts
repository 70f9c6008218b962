import type { Static } from 'typebox';
import { renderAge } from './age.ts';
import { renderSome } from './cells.ts';
import { invalid, required, type FieldError } from './field-error.ts';
import { checkRoutable } from './ip.ts';
import type { Kind } from './kind.ts';
import { checkLabel1123, checkPort } from './names.ts';
import { ObjectMeta, typeMeta } from './meta.ts';
import { ObjectReference } from './object-reference.ts';
import { atomic, filled, integer, list, string, struct } from './schema.ts';
import { column } from './table.ts';

const CORE = 'io.k8s.api.core.v1';

export const EndpointAddress = atomic(
  struct(
    `${CORE}.EndpointAddress`,
    { ip: string() },
    { hostname: string(), nodeName: string(), targetRef: ObjectReference },
    'ip 1, targetRef 2, hostname 3, *nodeName 4',
  ),
);
export type EndpointAddress = Static<typeof EndpointAddress>;

export const EndpointsPort = atomic(
  struct(
    `${CORE}.EndpointPort`,
    { port: integer() },
    {
      name: string(),
      protocol: string({ default: 'TCP', enum: ['SCTP', 'TCP', 'UDP'] }),
      appProtocol: string(),
    },
    'name 1, port 2, protocol 3, *appProtocol 4',
  ),
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
  'addresses 1, notReadyAddresses 2, ports 3',
);
export type EndpointSubset = Static<typeof EndpointSubset>;

export const Endpoints = struct(
  `${CORE}.Endpoints`,
  { metadata: filled(ObjectMeta, {}) },
  { ...typeMeta, subsets: list(EndpointSubset) },
  'metadata 1, subsets 2',
  { description: 'The addresses behind a Service, all in one object.' },
);
export type Endpoints = Static<typeof Endpoints>;

export const endpointsKind: Kind<Endpoints> = {
  group: '',
  version: 'v1',
  kind: 'Endpoints',
  plural: 'endpoints',
  singular: 'endpoints',
  shortNames: ['ep'],
  categories: [],
  namespaced: true,
  nameFormat: 'subdomain',
  schema: Endpoints,
  subresources: [],
  generation: false,
  defaultPropagation: 'Background',
  columns: [column('Name'), column('Endpoints'), column('Age')],
  cells: (endpoints, nowMs) => [
    endpoints.metadata.name,
    renderEndpoints(endpoints),
    renderAge(endpoints.metadata.creationTimestamp, nowMs),
  ],
  selectable: [],
  selectableFields: () => ({}),
  validate: ({ subsets = [] }) => subsets.flatMap((each, i) => validateSubset(each, `subsets[${i}]`)),
};

/** `10.1.1.1:80,10.1.1.2:80 + 3 more...` */
function renderEndpoints({ subsets = [] }: Endpoints): string {
  if (subsets.length === 0) return '<none>';
  const all = subsets.flatMap(({ addresses = [], ports = [] }) => {
    // A headless Service may have no ports.
    if (ports.length === 0) return addresses.map(({ ip }) => ip);
    return ports.flatMap(({ port }) => addresses.map(({ ip }) => joinPort(ip, port)));
  });
  return renderSome(all);
}

function joinPort(ip: string, port: number): string {
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`;
}

function validateSubset(subset: EndpointSubset, path: string): FieldError[] {
  const { addresses = [], notReadyAddresses = [], ports = [] } = subset;
  const errors: FieldError[] = [];
  if (addresses.length === 0 && notReadyAddresses.length === 0) {
    errors.push(required(path, 'must specify `addresses` or `notReadyAddresses`'));
  }
  for (const [field, list] of Object.entries({ addresses, notReadyAddresses })) {
    for (const [index, { ip }] of list.entries()) {
      const wrong = checkRoutable(ip);
      if (wrong !== undefined) errors.push(invalid(`${path}.${field}[${index}].ip`, ip, wrong));
    }
  }
  for (const [index, { name, port }] of ports.entries()) {
    const at = `${path}.ports[${index}]`;
    if (ports.length > 1 && !name) errors.push(required(`${at}.name`));
    const wrongName = name ? checkLabel1123(name) : undefined;
    if (wrongName !== undefined) errors.push(invalid(`${at}.name`, name, wrongName));
    const wrong = checkPort(port);
    if (wrong !== undefined) errors.push(invalid(`${at}.port`, port, wrong));
  }
  return errors;
}
