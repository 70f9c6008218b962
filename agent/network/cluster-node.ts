import type { Node } from '../../api/kinds/node.ts';
import type { Family } from '../../netns/ip.ts';
import { decodeIp, encodeIp, overlap, parseCidr, positionIn, renderCidr } from '../../netns/ip.ts';
import { abridge } from '../abridge.ts';
import { modeAnnotation, vxlanAnnotation } from './marks.ts';
import { parseTunnel } from './tunnel.ts';
import type { ClusterNode } from './view.ts';
import { isNetworkMode, networkModes } from './view.ts';

const known = new WeakMap<Node, ClusterNode>();

/**
 * What the network needs to know of a Node object: of the same one always the same, so that what follows from it can be
 * kept with it from pass to pass. Node objects are the cache's and never change.
 */
export function toClusterNode(node: Node): ClusterNode {
  const before = known.get(node);
  if (before) return before;
  const part = readPart(node);
  known.set(node, part);
  return part;
}

/** Whether two states of a Node are the same to the network. */
export function sameNetwork(a: Node, b: Node): boolean {
  return JSON.stringify(toClusterNode(a)) === JSON.stringify(toClusterNode(b));
}

/**
 * Others write Nodes, and not every API server looks at what: one that cannot be used must cost that node its ways, and
 * nobody else theirs.
 */
function readPart({ metadata, spec, status }: Node): ClusterNode {
  const { name } = metadata;
  const podCIDRs = readRanges(spec?.podCIDRs ?? (spec?.podCIDR === undefined ? [] : [spec.podCIDR]));
  const internalIPs = readAddresses(
    (status?.addresses ?? []).flatMap(({ type, address }) => (type === 'InternalIP' ? [address] : [])),
  );
  const mode = metadata.annotations?.[modeAnnotation];
  const tunnelText = metadata.annotations?.[vxlanAnnotation];
  const tunnel = parseTunnel(tunnelText);
  const flaws = [
    ...podCIDRs.refused.map(
      (what) =>
        `podCIDR ${what} of node ${name} cannot be used and is left out; delete that Node, so that it is given another`,
    ),
    // Who has no pods here is not to be reached.
    ...(podCIDRs.usable.length === 0
      ? []
      : [
          ...internalIPs.refused.map(
            (what) =>
              `InternalIP ${what} of node ${name} is no address to reach it by; correct the nodeIPs of its agent`,
          ),
          ...(mode === undefined || isNetworkMode(mode) ? [] : [describeMode(name, mode)]),
          ...(tunnelText === undefined || tunnel ? [] : [describeTunnel(name, tunnelText)]),
        ]),
  ];
  return {
    name,
    created: metadata.creationTimestamp ?? '',
    podCIDRs: podCIDRs.usable,
    internalIPs: internalIPs.usable,
    ...(isNetworkMode(mode) ? { mode } : {}),
    ...(tunnel ? { tunnel } : {}),
    ...(flaws.length > 0 ? { flaws } : {}),
  };
}

function describeMode(name: string, mode: string): string {
  const words = networkModes.join(', ');
  return `annotation ${modeAnnotation}=${quote(mode)} of node ${name} is none of ${words}, and ignored; kubectl annotate node ${name} --overwrite ${modeAnnotation}=auto`;
}

function describeTunnel(name: string, text: string): string {
  return `annotation ${vxlanAnnotation}=${quote(text)} of node ${name} is no VNI and port, and ignored; restart its agent, which writes it anew`;
}

/** What of a list can be used, canonical, and the rest in words: one text, or none. */
interface Read {
  readonly usable: readonly string[];
  readonly refused: readonly string[];
}

/** Of no use between nodes: this host, link-local, multicast and what was never given out (RFC 6890, RFC 4291). */
const notGlobal = [
  ...['0.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', '224.0.0.0/3'],
  ...['::/127', 'fe80::/10', 'ff00::/8'],
].map(parseCidr);
/** A range has its own address, the gateway's and at least one pod's. */
const fewestAddresses = 4n;

/** Kubernetes has one of each family at most; bits behind the prefix are cleared, as Kubernetes reads it. */
function readRanges(texts: readonly string[]): Read {
  const seen = new Set<Family>();
  return read(texts, (text) => {
    const cidr = parseCidr(text);
    if (cidr.size < fewestAddresses || notGlobal.some((each) => overlap(each, cidr))) return undefined;
    if (seen.has(cidr.family)) return undefined;
    seen.add(cidr.family);
    return renderCidr(cidr);
  });
}

function readAddresses(texts: readonly string[]): Read {
  return read(texts, (text) => {
    const address = decodeIp(encodeIp(text));
    return notGlobal.some((each) => positionIn(each, address) !== undefined) ? undefined : address;
  });
}

/** @param parse gives undefined for what cannot be used, or throws a RangeError */
function read(texts: readonly string[], parse: (text: string) => string | undefined): Read {
  const usable: string[] = [];
  const refused: string[] = [];
  for (const text of texts) {
    const parsed = tryParse(text, parse);
    if (parsed === undefined) refused.push(quote(text));
    else usable.push(parsed);
  }
  return { usable, refused: refused.length === 0 ? [] : [abridge(refused, mostQuoted).join(', ')] };
}

function tryParse(text: string, parse: (text: string) => string | undefined): string | undefined {
  try {
    return parse(text);
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

const mostQuoted = 3;
const longestQuote = 60;

/** As it was written, and no line or screen full of it. */
function quote(text: string): string {
  return JSON.stringify(text.length > longestQuote ? `${text.slice(0, longestQuote)}…` : text);
}
