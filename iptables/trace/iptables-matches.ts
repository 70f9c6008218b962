import { cidrContains } from '../address.ts';
import { RulesError } from '../error.ts';
import { traitsOf } from '../family.ts';
import type { Option, ParsedRule } from './iptables-words.ts';
import { hasSocket, isLocal, parseAddress } from './packet.ts';
import type { Flight, TracedNode } from './packet.ts';

/** How likely a packet fits: 0 or 1, or between them where chance decides. */
type Match = (flight: Flight, node: TracedNode) => number;

/** Makes the match of one option; undefined when this tracer does not know it. */
type Maker = (option: Option, all: readonly Option[]) => Match | undefined;

/** The matches of a rule, and what of them is not known here. */
export interface CompiledMatches {
  readonly matches: readonly Match[];
  readonly unknown: readonly string[];
}

export function compileMatches({ matches }: ParsedRule): CompiledMatches {
  const compiled: Match[] = [];
  // Which device it is may not be known, and need not be when something else does not fit.
  const devices: Match[] = [];
  const unknown: string[] = [];
  for (const [module, options] of matches) {
    const whole = wholes[module]?.(options);
    if (whole) {
      compiled.push(whole);
      continue;
    }
    for (const option of options) {
      const match = makers[module]?.(option, options);
      if (!match) unknown.push(`${module === '' ? '' : `-m ${module} `}${option.name}`);
      else {
        const list = /^-[io]$/.test(option.name) ? devices : compiled;
        list.push(option.negated ? (flight, node) => 1 - match(flight, node) : match);
      }
    }
  }
  return { matches: [...compiled, ...devices], unknown };
}

const always: Match = () => 1;
const never: Match = () => 0;

const makers: Readonly<Record<string, Maker | undefined>> = {
  '': basic,
  comment: () => always,
  tcp: transport,
  udp: transport,
  sctp: transport,
  multiport,
  addrtype,
  statistic,
  mark: ({ name, values: [value = ''] }) => {
    if (name !== '--mark') return undefined;
    const [wanted, mask] = parseMasked(value);
    return ({ mark }) => Number((mark & mask) >>> 0 === wanted);
  },
  conntrack: ({ name, values: [value = ''] }) => {
    if (name === '--ctorigdst') return addressMatch(value, ({ asked }) => asked.value);
    return name === '--ctstate' ? connectionState(value) : undefined;
  },
  state: ({ name, values: [states = ''] }) => (name === '--state' ? connectionState(states) : undefined),
  recent,
  // The first packet of a connection is below every rate.
  limit: () => always,
  // None of the packets traced here is an ICMP message, has a routing header or was only switched.
  icmp: () => never,
  icmp6: () => never,
  rt: () => never,
  physdev: ({ name }) => (name === '--physdev-is-bridged' ? never : undefined),
  pkttype: ({ values: [type] }) => (type === 'unicast' ? always : never),
};

/** Modules that mean something without an option, or whose options say no more than how; undefined: not known here. */
const wholes: Readonly<Record<string, ((options: readonly Option[]) => Match | undefined) | undefined>> = {
  socket: (options) => (options.length === 0 ? (flight, node) => Number(hasSocket(node, flight)) : undefined),
  rpfilter,
};

/** Whether answers would leave by the device that the packet came in by (net/ipv4/netfilter/ipt_rpfilter.c). */
function rpfilter(options: readonly Option[]): Match | undefined {
  const names = new Set(options.map(({ name }) => name));
  if (![...names].every((name) => ['--loose', '--validmark', '--invert'].includes(name))) return undefined;
  const isWayBack = ({ source, inDevice }: Flight, node: TracedNode): boolean => {
    if (inDevice === 'lo') return true;
    // The node's own address from elsewhere.
    const device = isLocal(node, source) ? undefined : node.deviceTo?.(source.text);
    return device !== undefined && (names.has('--loose') || isDevice(inDevice, device));
  };
  return (flight, node) => Number(isWayBack(flight, node) !== names.has('--invert'));
}

function basic({ name, values: [value = ''] }: Option): Match | undefined {
  switch (name) {
    case '-s':
      return addressMatch(value, ({ source }) => source.value);
    case '-d':
      return addressMatch(value, ({ destination }) => destination.value);
    case '-i':
      return deviceMatch(value, ({ inDevice }) => inDevice);
    case '-o':
      return deviceMatch(value, ({ outDevice }) => outDevice);
    case '-p':
      return value === 'all' ? always : ({ protocol }) => Number(protocol === protocolName(value));
    default:
      return undefined;
  }
}

/** IANA's numbers of the protocols that can be traced; iptables-save prints numbers where /etc/protocols is missing. */
function protocolName(text: string): string {
  return { '6': 'tcp', '17': 'udp', '132': 'sctp' }[text] ?? text;
}

/** `address/length` or `address/mask`, whose bits need not be contiguous. */
function addressMatch(text: string, of: (flight: Flight) => bigint): Match {
  const [network = '', length] = text.split('/');
  const { family, value } = parseAddress(network);
  const bits = family === 'ipv4' ? 32 : 128;
  const mask =
    length === undefined || /^\d+$/.test(length)
      ? prefixMask(bits, Number(length ?? bits))
      : parseAddress(length).value;
  return (flight) => Number((of(flight) & mask) === (value & mask));
}

/** The mask of the first `length` of `bits` bits. */
export function prefixMask(bits: number, length: number): bigint {
  return ((1n << BigInt(length)) - 1n) << BigInt(bits - length);
}

function deviceMatch(wanted: string, of: (flight: Flight) => string | undefined): Match {
  return (flight) => Number(isDevice(of(flight), wanted));
}

/**
 * Whether a device has a name, or with `+` behind it one that starts so.
 * @throws RulesError UNREADABLE when it is not known which of the devices beside loopback it is
 */
export function isDevice(device: string | undefined, wanted: string): boolean {
  if (device === undefined && wanted !== 'lo') {
    throw new RulesError('UNREADABLE', `it is not known whether the packet passes by the device ${wanted}`);
  }
  return wanted.endsWith('+') ? (device ?? '').startsWith(wanted.slice(0, -1)) : device === wanted;
}

function transport({ name, values: [value = ''] }: Option): Match | undefined {
  if (name === '--dport') return portMatch([value], ({ port }) => port);
  if (name === '--sport') return portMatch([value], ({ sourcePort }) => sourcePort);
  return undefined;
}

function multiport({ name, values: [value = ''] }: Option): Match | undefined {
  const ports = value.split(',');
  if (name === '--dports') return portMatch(ports, ({ port }) => port);
  if (name === '--sports') return portMatch(ports, ({ sourcePort }) => sourcePort);
  return undefined;
}

function portMatch(ranges: readonly string[], of: (flight: Flight) => number): Match {
  const bounds = ranges.map((range) => range.split(':').map(Number));
  return (flight) => {
    const port = of(flight);
    return Number(bounds.some(([first = 0, last = first]) => port >= first && port <= last));
  };
}

function addrtype({ name, values: [type] }: Option): Match | undefined {
  if (type === 'MULTICAST' && name === '--dst-type') {
    return ({ destination: { family, text } }) => Number(cidrContains(traitsOf(family).multicast, text));
  }
  // Nobody connects to all hosts of a network at once.
  if (type === 'BROADCAST') return never;
  if (type !== 'LOCAL') return undefined;
  if (name === '--dst-type') return ({ destination }, node) => Number(isLocal(node, destination));
  if (name === '--src-type') return ({ source }, node) => Number(isLocal(node, source));
  return undefined;
}

/** Only chance: which packet of many this one is (`--mode nth`) is not known. */
function statistic({ name, values: [value] }: Option, all: readonly Option[]): Match | undefined {
  const random = all.some((option) => option.name === '--mode' && option.values[0] === 'random');
  if (!random) return undefined;
  if (name === '--mode') return always;
  // iptables-save prints 11 digits of a multiple of 2^-31: the multiple is meant.
  const probability = Math.round(Number(value) * 0x8000_0000) / 0x8000_0000;
  return name === '--probability' ? () => probability : undefined;
}

function connectionState(states: string): Match | undefined {
  const names = states.split(',');
  const known = ['NEW', 'ESTABLISHED', 'RELATED', 'INVALID', 'UNTRACKED', 'DNAT', 'SNAT'];
  if (!names.every((state) => known.includes(state))) return undefined;
  return ({ tracked, rewritten, masqueraded }) => {
    const has = new Set([
      tracked ? 'NEW' : 'UNTRACKED',
      ...(rewritten ? ['DNAT'] : []),
      ...(masqueraded ? ['SNAT'] : []),
    ]);
    return Number(names.some((name) => has.has(name)));
  };
}

/** A client's first connection: no list has it yet. */
function recent({ name }: Option): Match | undefined {
  if (['--update', '--rcheck', '--remove'].includes(name)) return never;
  if (['--set', '--seconds', '--hitcount', '--reap', '--rttl', '--name', '--mask'].includes(name))
    return always;
  return ['--rsource', '--rdest'].includes(name) ? always : undefined;
}

/** `0x1000/0x1000`: value and mask. */
export function parseMasked(text: string): readonly [value: number, mask: number] {
  const [value = '0', mask = '0xffffffff'] = text.split('/');
  return [Number(value) >>> 0, Number(mask) >>> 0];
}
