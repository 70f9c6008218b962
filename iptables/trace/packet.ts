import ipaddr from 'ipaddr.js';

import { cidrContains, familyOf } from '../address.ts';
import { RulesError } from '../error.ts';
import { traitsOf } from '../family.ts';
import type { Family } from '../family.ts';
import type { Protocol } from '../model.ts';

/** The first packet of a connection, as it comes to this node or leaves one of its processes. */
export interface Packet {
  readonly source: string;
  readonly destination: string;
  readonly protocol: Protocol;
  readonly port: number;
  /** Default: the first port that is nobody's (RFC 6335 section 6). */
  readonly sourcePort?: number;
  /** The device it comes in by; undefined: one that is not known, but not loopback. */
  readonly device?: string;
  /** Whether rules that are not traced have rewritten its destination to this one (conntrack's status DNAT). */
  readonly rewritten?: boolean;
}

/** The node whose rules are traced. */
export interface TracedNode {
  /** Every address of this node, those of its pod bridge and loopback included. Who sends from one of them is on it. */
  readonly addresses: readonly string[];
  /** The device by which an address that is not the node's own is reached. */
  deviceTo?(address: string): string | undefined;
  /** Whether a socket is bound to that very address and port, as a server's is; where it is not told: yes. */
  listens?(protocol: Protocol, address: string, port: number): boolean;
}

/** What becomes of a packet: everything that can happen, with its chance. */
export interface Trace {
  /** The probabilities add up to 1. */
  readonly outcomes: readonly Outcome[];
}

/** One thing that can happen. */
export interface Outcome {
  /** `forward`: its destination was rewritten; `pass`: it goes where it was sent. */
  readonly verdict: 'forward' | 'pass' | 'reject' | 'drop';
  readonly probability: number;
  /** Where it goes, or was about to go when it was stopped. */
  readonly address: string;
  readonly port: number;
  /** Whether the receiver sees an address of this node instead of the sender's. */
  readonly masqueraded: boolean;
  /** With `reject`: the answer that the sender gets. */
  readonly answer?: 'reset' | 'unreachable';
  /** The rules that had an effect, in the order in which they had it. */
  readonly steps: readonly Step[];
  /** The one of {@link steps} that gave the verdict; undefined when no rule wanted anything of the packet. */
  readonly decidedBy: Step | undefined;
}

/** One rule that did something with the packet. */
export interface Step {
  /** `nat WEFT-VIP`, `inet weft services`. */
  readonly chain: string;
  /** The rule as its tool lists it. */
  readonly rule: string;
  /** Elements of sets and maps that it used: `services4 { 10.96.0.20 . tcp . 80 : 2 }`. */
  readonly elements: readonly string[];
  /** Whether it rewrote or stopped the packet, instead of only leading on. */
  readonly decides: boolean;
}

/** An address as rules compare it. */
export interface Address {
  readonly text: string;
  readonly family: Family;
  readonly value: bigint;
}

/** Parses an address that a rule or a person wrote. */
export function parseAddress(text: string): Address {
  if (!ipaddr.isValid(text)) throw new RulesError('UNREADABLE', `${JSON.stringify(text)} is not an address`);
  const parsed = ipaddr.parse(text);
  const value = parsed.toByteArray().reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  return { text: parsed.toString(), family: familyOf(parsed.toString()), value };
}

/** One course that the packet may have taken so far. Changed by copying: other courses share what came before. */
export interface Flight {
  readonly source: Address;
  readonly destination: Address;
  /** Where it was sent, before anything rewrote it: what connection tracking knows it by. */
  readonly asked: Address;
  readonly protocol: Protocol;
  readonly port: number;
  readonly sourcePort: number;
  readonly mark: number;
  /** Whether connection tracking looks at it; only then it can be rewritten. */
  readonly tracked: boolean;
  /** Whether the rules for rewriting destination or source have had their word; they have it once per connection. */
  readonly settled: { readonly destination: boolean; readonly source: boolean };
  readonly rewritten: boolean;
  readonly masqueraded: boolean;
  /** `lo`, another name, or undefined: another one, which is not known. */
  readonly inDevice: string | undefined;
  readonly outDevice: string | undefined;
  readonly probability: number;
  readonly steps: StepList | undefined;
}

/** Steps, last first: courses that part share what they have in common. */
export interface StepList {
  readonly step: Step;
  readonly before: StepList | undefined;
}

/** Whether the kernel would deliver packets to `address` on this node. */
export function isLocal(node: TracedNode, { text, family }: Address): boolean {
  return node.addresses.includes(text) || cidrContains(traitsOf(family).loopback, text);
}

/** Whether the packet has a socket on this node to go to, those on every address aside. */
export function hasSocket(node: TracedNode, { protocol, destination, port }: Flight): boolean {
  if (!isLocal(node, destination)) return false;
  return node.listens?.(protocol, destination.text, port) ?? true;
}

/** The steps in order. */
export function listSteps(list: StepList | undefined): Step[] {
  const steps: Step[] = [];
  for (let each = list; each; each = each.before) steps.push(each.step);
  return steps.reverse();
}
