import { isDevice } from './iptables-matches.ts';
import { listOf, TracedSet } from './nftables-sets.ts';
import type { Found } from './nftables-sets.ts';
import { literal, member, notKnown, tagged } from './nftables-values.ts';
import type { Json, Value } from './nftables-values.ts';
import { hasSocket, isLocal } from './packet.ts';
import type { Flight, TracedNode } from './packet.ts';

/** One run of one rule: what its expressions may look at, and what they note. */
export interface Run {
  flight: Flight;
  readonly node: TracedNode;
  readonly sets: ReadonlyMap<string, TracedSet>;
  /** Elements that were found. */
  readonly found: Found[];
  /** The n-th of the ways in which `numgen` can come out. */
  readonly choice: number;
  /** How many ways there are; set once a `numgen` is come to. */
  ways: number;
}

/**
 * The value of an expression; undefined when it has none for this packet: the rule then does not fit (NFT_BREAK).
 * @throws RulesError UNREADABLE naming an expression that is not known
 */
export function evaluate(json: Json, run: Run): Value | undefined {
  const [tag, body] = tagged(json);
  const known = evaluators[tag];
  return known ? known(body, run) : literal(json);
}

const evaluators: Readonly<Record<string, ((body: Json, run: Run) => Value | undefined) | undefined>> = {
  payload: evaluatePayload,
  meta: (body, run) => evaluateMeta(member(body, 'key'), run),
  ct: (body, { flight }) => evaluateTracking(body, flight),
  fib: evaluateFib,
  socket: evaluateSocket,
  concat: (body, run) => {
    const values = listOf(body).map((part) => evaluate(part, run));
    return values.every((value) => value !== undefined) ? values : undefined;
  },
  map: (body, run) => {
    const data = lookUp(member(body, 'key'), member(body, 'data'), run)?.data;
    return data === undefined ? undefined : literal(data);
  },
  numgen: (body, run) => {
    // In turn or at random: for one connection of many it is the same.
    run.ways = Number(member(body, 'mod'));
    return Number(member(body, 'offset') ?? 0) + run.choice;
  },
  // What it comes to is not worked out: it can only be looked up where nobody is remembered.
  jhash: (body) => `jhash ${JSON.stringify(body)}`,
  '&': binary((a, b) => a & b),
  '|': binary((a, b) => a | b),
  '^': binary((a, b) => a ^ b),
};

function binary(operate: (a: number, b: number) => number) {
  return (body: Json, run: Run): Value | undefined => {
    const [first = 0, ...others] = listOf(body).map((operand) => evaluate(operand, run));
    return others.reduce((sum: Value, each) => operate(Number(sum), Number(each)) >>> 0, first);
  };
}

function evaluatePayload(body: Json, { flight }: Run): Value | undefined {
  const protocol = member(body, 'protocol');
  const field = member(body, 'field');
  if (protocol === 'ip' || protocol === 'ip6') {
    const family = protocol === 'ip' ? 'ipv4' : 'ipv6';
    if (flight.source.family !== family) return undefined;
    if (field === 'saddr') return flight.source;
    if (field === 'daddr') return flight.destination;
    if (field === 'protocol' || field === 'nexthdr') return flight.protocol;
  } else if (protocol === 'th' || protocol === 'tcp' || protocol === 'udp' || protocol === 'sctp') {
    if (protocol !== 'th' && protocol !== flight.protocol) return undefined;
    if (field === 'sport') return flight.sourcePort;
    if (field === 'dport') return flight.port;
  }
  // None of the packets traced here is an ICMP message.
  if (protocol === 'icmp' || protocol === 'icmpv6') return undefined;
  return notKnown('expression', { payload: body });
}

function evaluateMeta(key: Json | undefined, { flight }: Run): Value {
  switch (key) {
    case 'mark':
      return flight.mark;
    case 'l4proto':
      return flight.protocol;
    case 'nfproto':
      return flight.source.family;
    case 'protocol':
      return flight.source.family === 'ipv4' ? 'ip' : 'ip6';
    case 'iifname':
      return flight.inDevice ?? notKnown('device of', key);
    case 'oifname':
      return flight.outDevice ?? notKnown('device of', key);
    case 'pkttype':
      return 'unicast';
    default:
      return notKnown('expression', { meta: { key } });
  }
}

function evaluateTracking(body: Json, flight: Flight): Value | undefined {
  const { tracked, rewritten, masqueraded, asked } = flight;
  const key = member(body, 'key');
  if (key === 'state') return [tracked ? 'new' : 'untracked'];
  if (key === 'status') return [...(rewritten ? ['dnat'] : []), ...(masqueraded ? ['snat'] : [])];
  if ((key === 'ip daddr' || key === 'ip6 daddr') && member(body, 'dir') === 'original') {
    return asked.family === (key === 'ip daddr' ? 'ipv4' : 'ipv6') ? asked : undefined;
  }
  return notKnown('expression', { ct: body });
}

/** Whether an address is the node's: all else that the routing table knows of addresses is not known here. */
function evaluateFib(body: Json, { flight, node }: Run): Value {
  const flags = listOf(member(body, 'flags'));
  const address = flags.length === 1 && member(body, 'result') === 'type' ? flags[0] : undefined;
  if (address === 'daddr') return isLocal(node, flight.destination) ? 'local' : 'not local';
  if (address === 'saddr') return isLocal(node, flight.source) ? 'local' : 'not local';
  return notKnown('expression', { fib: body });
}

/** Of the sockets that are known of none is on every address, and none transparent (ip(7), IP_TRANSPARENT). */
function evaluateSocket(body: Json, { flight, node }: Run): Value | undefined {
  const key = member(body, 'key');
  if (key !== 'wildcard' && key !== 'transparent') return notKnown('expression', { socket: body });
  return hasSocket(node, flight) ? 0 : undefined;
}

/** Finds what an expression yields in a set or map: `@name`, or one that stands in the rule. */
export function lookUp(key: Json | undefined, data: Json | undefined, run: Run): Found | undefined {
  const value = evaluate(key ?? null, run);
  if (value === undefined) return undefined;
  const set = setOf(data, run.sets);
  if (set.dynamic) return undefined;
  if (tagged(key)[0] === 'jhash') return notKnown('value of', key);
  const found = set.find(value);
  if (found) run.found.push(found);
  return found;
}

function setOf(json: Json | undefined, sets: Run['sets']): TracedSet {
  const named = typeof json === 'string' && json.startsWith('@') ? sets.get(json.slice(1)) : undefined;
  if (named) return named;
  const elements = member(json, 'set');
  return elements === undefined ? notKnown('set', json) : new TracedSet('', listOf(elements), false);
}

/** Makes the test of a match statement. */
export function compileMatch(body: Json): (run: Run) => boolean {
  const left = member(body, 'left') ?? null;
  const right = member(body, 'right') ?? null;
  const wanted = member(body, 'op') !== '!=';
  const compare = compileComparison(left, right);
  return (run) => {
    const fits = compare(run);
    // What the packet does not have is neither equal nor different.
    return fits !== undefined && fits === wanted;
  };
}

function compileComparison(left: Json, right: Json): (run: Run) => boolean | undefined {
  const [kind, body] = tagged(left);
  const names = listOf(member(right, 'set') ?? right);
  const device = kind === 'meta' ? member(body, 'key') : undefined;
  if (device === 'iifname' || device === 'iif') {
    return ({ flight }) => names.some((name) => isDevice(flight.inDevice, deviceName(name)));
  }
  if (device === 'oifname' || device === 'oif') {
    return ({ flight }) => names.some((name) => isDevice(flight.outDevice, deviceName(name)));
  }
  if (kind === 'ct') {
    return (run) => {
      const has = listOf(evaluateTracking(body, run.flight) as Json);
      return names.some((name) => has.includes(name));
    };
  }
  if (kind === 'fib' && member(body, 'result') === 'oif') return compileWay(body, right);
  if (kind === 'fib' && right !== 'local') return () => notKnown('type of address', right);
  if (typeof right === 'string' && right.startsWith('@')) {
    return (run) => {
      const value = evaluate(left, run);
      return value === undefined ? undefined : lookUp(left, right, run) !== undefined;
    };
  }
  // A single value, prefix or range is a set with one element.
  const set = new TracedSet('', names, false);
  return (run) => {
    const value = evaluate(left, run);
    return value === undefined ? undefined : set.find(value) !== undefined;
  };
}

/** Whether there is a way to an address, with `iif` by the device that the packet came in by: a filter of routes. */
function compileWay(body: Json, right: Json): (run: Run) => boolean {
  const flags = listOf(member(body, 'flags'));
  // libnftables-json(5): `missing` is false, `exists` true.
  const wanted: unknown = right;
  if (typeof wanted !== 'boolean') return () => notKnown('device', right);
  return ({ flight, node }) => {
    const address = flags.includes('saddr') ? flight.source : flight.destination;
    const device = isLocal(node, address) ? 'lo' : node.deviceTo?.(address.text);
    const found = device !== undefined && (!flags.includes('iif') || device === flight.inDevice);
    return found === wanted;
  };
}

/** A device's name; nft writes `*` where iptables writes `+` for any end. */
function deviceName(json: Json): string {
  return typeof json === 'string' ? json.replace(/\*$/, '+') : notKnown('device', json);
}
