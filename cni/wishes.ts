import { encodeIp, familyOf, parseCidr, addressAt } from '../netns/ip.ts';
import { encodeMac } from '../netns/mac.ts';
import { CniError, cniCodes } from './cni-error.ts';
import type { Fields } from './fields.ts';
import type { CniDns } from './result.ts';
import type { AddressSpan } from './span.ts';

/** A port of the node that leads to one of the container's. */
interface PortWish {
  readonly hostPort: number;
  readonly containerPort: number;
  readonly protocol: 'TCP' | 'UDP' | 'SCTP';
  readonly hostIP?: string;
}

/** A token bucket: bits per second, and bits at once. */
interface RateWish {
  readonly rate: number;
  readonly burst?: number;
}

/** Runtimes that are told only the rate (Kubernetes' annotations) put the largest number of 32 bits for the burst. */
const noBurst = 0x7fff_ffff;

/** What a runtime asks for beyond a plain interface (CNI conventions: `runtimeConfig`, `args.cni`, CNI_ARGS). */
export interface Wishes {
  readonly addresses?: readonly string[];
  readonly mac?: string;
  readonly spans?: readonly AddressSpan[];
  readonly ports?: readonly PortWish[];
  readonly bandwidth?: { readonly ingress?: RateWish; readonly egress?: RateWish };
  readonly pod?: { readonly namespace: string; readonly name: string; readonly uid: string };
}

/**
 * The wishes of a configuration; those of `runtimeConfig` come before those of `args.cni` and of CNI_ARGS.
 * @throws CniError `decodingFailure`, `badConfig`
 */
export function parseWishes(
  config: Fields,
  args: ReadonlyMap<string, string>,
): { readonly wishes: Wishes; readonly dns: CniDns } {
  const runtime = config.object('runtimeConfig');
  const older = config.object('args')?.object('cni');
  const addresses = firstOf(
    runtime?.strings('ips'),
    older?.strings('ips'),
    args.get('IP')?.split(',').filter(Boolean),
  ).map(parseAddress);
  refuseTwoOfAFamily(addresses);
  const mac = runtime?.string('mac') ?? older?.string('mac') ?? args.get('MAC') ?? '';
  const spans = (runtime?.objectLists('ipRanges') ?? []).flat().map(parseSpan);
  const ports = (runtime?.objects('portMappings') ?? []).flatMap(parsePort);
  const bandwidth = parseBandwidth(runtime?.object('bandwidth'));
  const pod = parsePod(args);
  const wishes = {
    ...(addresses.length > 0 && { addresses }),
    ...(mac !== '' && { mac: parseMac(mac) }),
    ...(spans.length > 0 && { spans }),
    ...(ports.length > 0 && { ports }),
    ...(bandwidth && { bandwidth }),
    ...(pod && { pod }),
  };
  return { wishes, dns: parseDns(runtime?.object('dns')) };
}

function firstOf(...lists: readonly (readonly string[] | undefined)[]): readonly string[] {
  return lists.find((list) => list !== undefined && list.length > 0) ?? [];
}

/** `10.244.1.9`, or with the prefix length that hosts of other networks need. */
function parseAddress(text: string): string {
  const address = text.replace(/\/\d+$/, '');
  return checked(`address ${text}`, () => {
    encodeIp(address);
    return address;
  });
}

function refuseTwoOfAFamily(addresses: readonly string[]): void {
  const kinds = addresses.map(familyOf);
  if (new Set(kinds).size === kinds.length) return;
  throw bad(`of ${addresses.join(', ')} two are of one family: a container has one address of each`);
}

function parseMac(text: string): string {
  return checked(`mac ${text}`, () => {
    const bytes = encodeMac(text.toLowerCase());
    // A group's address (its lowest bit is set) is nobody's own, and the kernel refuses it (is_valid_ether_addr).
    if (bytes.length !== 6 || ((bytes[0] ?? 1) & 1) === 1 || bytes.every((byte) => byte === 0))
      throw new RangeError('it is not one interface’s');
    return text.toLowerCase();
  });
}

/** `{ subnet, rangeStart?, rangeEnd? }`; a gateway that it names is ours to choose. */
function parseSpan(fields: Fields): AddressSpan {
  const subnet = fields.string('subnet') ?? '';
  return checked(`ipRanges' subnet ${JSON.stringify(subnet)}`, () => {
    const cidr = parseCidr(subnet);
    const first = fields.string('rangeStart') ?? addressAt(cidr, 0n);
    const last = fields.string('rangeEnd') ?? addressAt(cidr, cidr.size - 1n);
    for (const address of [first, last]) encodeIp(address);
    return { first, last };
  });
}

/** Mappings without a port of the node map nothing. */
function parsePort(fields: Fields): PortWish[] {
  const [hostPort, containerPort] = [fields.count('hostPort') ?? 0, fields.count('containerPort') ?? 0];
  const hostIP = fields.string('hostIP') ?? '';
  if (hostPort === 0) return [];
  const name = (fields.string('protocol') ?? 'tcp').toUpperCase();
  const protocol = (['TCP', 'UDP', 'SCTP'] as const).find((known) => known === name);
  if (!protocol) throw bad(`portMappings' protocol ${name} is none of TCP, UDP, SCTP`);
  for (const port of [hostPort, containerPort])
    if (port < 1 || port > 65_535) throw bad(`portMappings' port ${port} is not between 1 and 65535`);
  if (hostIP !== '') checked(`portMappings' hostIP ${hostIP}`, () => encodeIp(hostIP));
  // "Any address" in a family's own words means what leaving it out means.
  const isAny = hostIP === '' || hostIP === '0.0.0.0' || hostIP === '::';
  return [{ hostPort, containerPort, protocol, ...(isAny ? {} : { hostIP }) }];
}

function parseBandwidth(fields: Fields | undefined): Wishes['bandwidth'] {
  if (!fields) return undefined;
  const [ingress, egress] = [parseRate(fields, 'ingress'), parseRate(fields, 'egress')];
  return ingress || egress ? { ...(ingress && { ingress }), ...(egress && { egress }) } : undefined;
}

function parseRate(fields: Fields, direction: 'ingress' | 'egress'): RateWish | undefined {
  const [rate, burst] = [fields.count(`${direction}Rate`) ?? 0, fields.count(`${direction}Burst`) ?? 0];
  if (rate === 0 && burst === 0) return undefined;
  if (rate === 0 || burst === 0)
    throw bad(`bandwidth's ${direction}Rate and ${direction}Burst go together: one of them is missing`);
  return burst < noBurst ? { rate, burst } : { rate };
}

function parseDns(fields: Fields | undefined): CniDns {
  if (!fields) return {};
  const [servers, searches, options] = [
    fields.strings('servers'),
    fields.strings('searches'),
    fields.strings('options'),
  ];
  return {
    ...(servers.length > 0 && { nameservers: servers }),
    ...(searches.length > 0 && { search: searches }),
    ...(options.length > 0 && { options }),
  };
}

/** The pod that a Kubernetes runtime makes the container for. */
function parsePod(args: ReadonlyMap<string, string>): Wishes['pod'] {
  const [namespace, name] = [args.get('K8S_POD_NAMESPACE') ?? '', args.get('K8S_POD_NAME') ?? ''];
  if (name === '') return undefined;
  return { namespace, name, uid: args.get('K8S_POD_UID') ?? '' };
}

function checked<T>(what: string, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    const details = cause instanceof Error ? cause.message : String(cause);
    throw new CniError(cniCodes.badConfig, `${what} is none`, details, { cause });
  }
}

function bad(message: string): CniError {
  return new CniError(cniCodes.badConfig, message);
}
