import type { HostPort } from '../../api/kinds/host-ports.ts';
import { placeOf } from '../../api/kinds/host-ports.ts';
import { cidrContains, familyOf } from '../../iptables/address.ts';
import { families } from '../../iptables/family.ts';
import type { CompiledService, Endpoint, Frontend, NodeSettings } from '../../iptables/model.ts';

/** An attachment as far as ports of the node lead to it. */
export interface PortedAttachment {
  readonly id: string;
  readonly ips: readonly string[];
  /** The node's end of its link. */
  readonly hostLink: string;
  readonly ports?: readonly HostPort[];
  readonly pod?: { readonly uid: string; readonly namespace: string; readonly name: string };
}

/** What says which addresses of the node are the node's alone. */
type Ranges = Pick<NodeSettings, 'clusterCIDRs' | 'serviceCIDRs' | 'dnsIPs'>;

/** No object's key begins so. */
const keyPrefix = 'weft/host ports of ';

export function hostPortKey(id: string): string {
  return keyPrefix + id;
}

/** The attachment that a key was made for; undefined: none. */
export function attachmentOfKey(key: string): string | undefined {
  return key.startsWith(keyPrefix) ? key.slice(keyPrefix.length) : undefined;
}

const ipv4Loopback = '127.0.0.1';
const loopbacks = families.map(({ loopback }) => loopback);
/** Without the link they mean nothing (RFC 4291, 2.5.6). */
const linkLocal = 'fe80::/10';

/**
 * The addresses of a node that lead to its pods' ports: all but those that belong to pods, Services and the DNS server.
 * Of the loopback ones only 127.0.0.1: the kernel routes nothing from ::1 to anywhere.
 * @param local all addresses in the node's kernel
 */
export function servingAddresses(local: readonly string[], ranges: Ranges): string[] {
  const others = [...ranges.clusterCIDRs, ...ranges.serviceCIDRs, ...loopbacks, linkLocal];
  const own = local.filter(
    (address) => !ranges.dnsIPs.includes(address) && !others.some((cidr) => cidrContains(cidr, address)),
  );
  return [...new Set(own), ipv4Loopback];
}

/**
 * The rules of one attachment's ports, as a Service of its own: a frontend for every address of the node that it asks
 * for, with one endpoint. The client's address is kept. Undefined where it asks for none.
 * @param serving see {@link servingAddresses}
 */
export function compileHostPorts(
  attachment: Omit<PortedAttachment, 'hostLink'>,
  serving: readonly string[],
): CompiledService | undefined {
  const { id, ports = [] } = attachment;
  if (ports.length === 0) return undefined;
  const name = nameOf(attachment);
  const frontends: Frontend[] = [];
  const problems: string[] = [];
  for (const port of ports) {
    const found = attachment.ips.flatMap((ip) => frontendsOf(port, ip, serving, name));
    if (found.length === 0) problems.push(problemOf(port, serving));
    frontends.push(...found);
  }
  // Older than any Service that claims the same: an externalIP does not take a port away from who has it here.
  return { key: hostPortKey(id), created: '', frontends, problems };
}

function frontendsOf(port: HostPort, ip: string, serving: readonly string[], name: string): Frontend[] {
  const family = familyOf(ip);
  const place = placeOf(port);
  const endpoint: Endpoint = { address: ip, port: port.containerPort, local: true };
  return serving
    .filter((address) => familyOf(address) === family)
    .filter((address) => !place || isPlace(place, address))
    .map((address): Frontend => {
      const protocol = protocolOf(port);
      const shared = { family, protocol, kind: 'hostPort', address, port: port.hostPort, name } as const;
      // A neighbour can send to 127.0.0.1, too, and what listens there is for nobody else.
      const outside = address === ipv4Loopback ? [] : [endpoint];
      return { ...shared, endpoints: [endpoint], outside, whenEmpty: 'reject' };
    });
}

function isPlace(place: NonNullable<ReturnType<typeof placeOf>>, address: string): boolean {
  const isFamily = place.isIPv6 === (familyOf(address) === 'ipv6');
  return isFamily && (place.address === undefined || place.address === address);
}

function problemOf(port: HostPort, serving: readonly string[]): string {
  const { hostPort, protocol, hostIP = '' } = port;
  const what = `hostPort ${hostPort}/${protocol}`;
  if (hostIP === '') return `${what}: this node has no address of the pod's families`;
  if (serving.includes(placeOf(port)?.address ?? ''))
    return `${what}: the pod has no address of hostIP ${hostIP}'s family`;
  return `${what}: hostIP ${hostIP} is no address of this node that can lead to pods; it has ${serving.join(', ')}`;
}

function protocolOf({ protocol }: HostPort): Frontend['protocol'] {
  return ({ TCP: 'tcp', UDP: 'udp', SCTP: 'sctp' } as const)[protocol];
}

/** For comments in rules: what runtimes call their containers may have characters that are none for there. */
function nameOf({ id, pod }: Pick<PortedAttachment, 'id' | 'pod'>): string {
  const text = pod ? `${pod.namespace}/${pod.name}` : id;
  return `${text.replaceAll(/[^-\w.:/]/g, '_').slice(0, 100)} hostPort`;
}
