import { Conntrack } from '../../netns/conntrack.ts';
import { runInNamespace } from '../../netns/namespace.ts';
import type { CniClient } from './cni-client.ts';
import { ifname } from './cni-containers.ts';
import type { Container, Containers } from './cni-containers.ts';
import { apiConnection, readDescriptors } from './cni-descriptors.ts';
import type { CniNode } from './cni-node.ts';
import { isPodAddress, readNetwork, readRules, readTracked } from './cni-readings.ts';
import type { Readings } from './cni-readings.ts';

interface InnerLink {
  readonly ifname: string;
  readonly addr_info: readonly { readonly local: string; readonly scope: string }[];
}

/** Who asks: from another host for the node's addresses, and on the node itself for 127.0.0.1. */
export interface AuditClients {
  readonly outside: CniClient;
  readonly onNode: CniClient;
}

/** Its client keeps a connection for some seconds after a request; the node's lease and its status are told now and then. */
const spareConnections = 2;

/**
 * Compares a node with what it was before any container was there, and with what those that are connected now shall
 * have: nothing too many, nothing missing. By the tools an operator would use.
 */
export class CniAudit {
  readonly #node: CniNode;
  readonly #containers: Containers;
  readonly #clients: AuditClients;
  readonly #before: Readings;
  readonly #rulesBefore: ReadonlySet<string>;
  readonly #descriptorsBefore: readonly string[];

  /** To be made while no container is connected, and the agent has nothing to do. */
  constructor(node: CniNode, containers: Containers, clients: AuditClients) {
    this.#node = node;
    this.#containers = containers;
    this.#clients = clients;
    this.#before = readNetwork(node);
    this.#rulesBefore = new Set(readRules(node));
    this.#descriptorsBefore = readDescriptors(node.pid);
  }

  /** What is too many on the node, and what is missing. */
  find(): string[] {
    const { connected } = this.#containers;
    const found = readNetwork(this.#node);
    const wanted = connected.map((container) => this.#wantedOf(container));
    const compared = (Object.keys(found) as (keyof Readings)[]).flatMap((aspect) =>
      compare(
        aspect,
        [...this.#before[aspect], ...wanted.flatMap((each) => each[aspect] ?? [])],
        found[aspect],
      ),
    );
    return [
      ...compared,
      ...compare('lease', connected.map(idOf), this.#node.leaseholders()),
      ...this.#compareRules(connected),
      ...compare('conntrack entry', [], this.#strayFlows(connected)),
      ...readTracked(this.#node)
        .filter((address) => connected.every(({ ips }) => !ips.includes(address)))
        .map((address) => `conntrack entry of nobody's address: ${address}`),
      ...this.#compareDescriptors((kind) => kind !== apiConnection),
      ...this.#findInside(connected),
    ];
  }

  /** Connections to the API that are too many. */
  findConnections(): string[] {
    return this.#compareDescriptors((kind) => kind === apiConnection, spareConnections);
  }

  /** Who of the connected does not answer, or somebody else for it. */
  async findSilent(): Promise<string[]> {
    const { outside, onNode } = this.#clients;
    const { connected } = this.#containers;
    const answers = connected.flatMap(({ containerId, hostPort }) => {
      const expect = async (what: string, answer: Promise<string | undefined>): Promise<string[]> => {
        const got = await answer;
        return got === containerId ? [] : [`${what} answers ${got ?? 'nobody'} instead of ${containerId}`];
      };
      return [
        ...this.#node.host.addresses.flatMap((address) => [
          expect(`${address} port ${hostPort}/tcp`, outside.askTcp(address, hostPort)),
          expect(`${address} port ${hostPort}/udp`, outside.askUdp(address, hostPort)),
        ]),
        expect(`127.0.0.1 port ${hostPort}/tcp`, onNode.askTcp('127.0.0.1', hostPort)),
      ];
    });
    const silent = this.#listSilent(connected.flatMap(({ ips }) => ips));
    return [...(await Promise.all(answers)).flat(), ...silent.map((ip) => `${ip} does not answer a ping`)];
  }

  #wantedOf({ isLimited, ips, containerId, namespace }: Container): Partial<Readings> {
    const link = `weft:pod:${idOf({ containerId })}`;
    const limit = `weft:limit:${idOf({ containerId })}`;
    const isRouted = this.#node.kind.podLink === 'routed';
    return {
      namespace: [namespace],
      link: isLimited ? [link, limit] : [link],
      neighbour: ips.map((ip) => `${ip} at ${isRouted ? link : 'weft:bridge'}`),
      route: isRouted ? ips.map((ip) => `${ip} by ${link}`) : [],
      qdisc: [`clsact of ${link}`, ...(isLimited ? [`tbf of ${link}`, `tbf of ${limit}`] : [])],
      filter: [`bpf of ${link}`],
    };
  }

  /** Rules of the one backend lead to these addresses and ports and to no others; the other backends have none. */
  #compareRules(connected: readonly Container[]): string[] {
    const ports = new Set(this.#containers.hostPorts.map(String));
    const words = readRules(this.#node).filter((word) => !this.#rulesBefore.has(word));
    return [
      ...compare('address in a rule', [...connected.flatMap(({ ips }) => ips)], words.filter(isPodAddress)),
      ...compare(
        'port in a rule',
        connected.map(({ hostPort }) => String(hostPort)),
        words.filter((word) => ports.has(word)),
      ),
    ];
  }

  #compareDescriptors(isMeant: (kind: string) => boolean, spare = 0): string[] {
    const now = readDescriptors(this.#node.pid);
    return compareCounts('descriptor', this.#descriptorsBefore.filter(isMeant), now.filter(isMeant), spare);
  }

  /** Flows to a port of the node that are led to somebody else than who has it now. */
  #strayFlows(connected: readonly Container[]): string[] {
    const ports = new Set(this.#containers.hostPorts);
    const serving = new Map(connected.map(({ hostPort, ips }) => [hostPort, ips]));
    const flows = runInNamespace(this.#node.host.namespace, () => {
      using conntrack = new Conntrack();
      return conntrack.list('udp');
    });
    return flows
      .filter(
        ({ origDst, origDstPort }) => ports.has(origDstPort) && this.#node.host.addresses.includes(origDst),
      )
      .filter(({ origDst, origDstPort, replySrc }) =>
        (serving.get(origDstPort) ?? [origDst]).every((ip) => ip !== replySrc),
      )
      .map((flow) => JSON.stringify(flow));
  }

  #findInside(connected: readonly Container[]): string[] {
    const answers = this.#node.runLines(
      connected.flatMap(({ namespace }) => [
        `ip -n ${namespace} -j address show`,
        `tc -n ${namespace} -j qdisc show`,
      ]),
    );
    return connected.flatMap(({ namespace, ips }, i) => {
      const links = JSON.parse(answers[2 * i] ?? '') as InnerLink[];
      const addresses = links.filter((link) => link.ifname === ifname).flatMap(({ addr_info }) => addr_info);
      const qdiscs = JSON.parse(answers[2 * i + 1] ?? '') as { readonly kind: string }[];
      return [
        ...compare(
          `address of ${namespace}`,
          ips,
          addresses.filter(({ scope }) => scope === 'global').map(({ local }) => local),
        ),
        ...compare(
          `qdisc of ${namespace}`,
          [],
          qdiscs.map(({ kind }) => kind).filter((kind) => kind !== 'noqueue'),
        ),
      ];
    });
  }

  /** Those of these addresses that do not answer a ping from the node. */
  #listSilent(ips: readonly string[]): string[] {
    const pings = ips.map((ip) => `(ping -n -c 1 -w 2 ${ip} >/dev/null || echo ${ip}) &`);
    return this.#node
      .run('sh', '-c', [...pings, 'wait'].join('\n'))
      .split('\n')
      .filter(Boolean);
  }
}

function idOf({ containerId }: Pick<Container, 'containerId'>): string {
  return `cni:${containerId}:${ifname}`;
}

function compare(what: string, expected: readonly string[], found: readonly string[]): string[] {
  const missing = expected.filter((each) => !found.includes(each));
  const superfluous = found.filter((each) => !expected.includes(each));
  const twice = found.filter((each, i) => found.indexOf(each) !== i);
  return [
    ...missing.map((each) => `${what} missing: ${each}`),
    ...superfluous.map((each) => `${what} too many: ${each}`),
    ...twice.map((each) => `${what} there twice: ${each}`),
  ];
}

/** What an agent holds open comes and goes, but does not become more. */
function compareCounts(
  what: string,
  atFirst: readonly string[],
  now: readonly string[],
  spare: number,
): string[] {
  const before = Map.groupBy(atFirst, (kind) => kind);
  return Array.from(Map.groupBy(now, (kind) => kind)).flatMap(([kind, { length }]) => {
    const allowed = (before.get(kind)?.length ?? 0) + spare;
    return length > allowed ? [`${what} too many: ${length - allowed} of ${kind}, beside ${allowed}`] : [];
  });
}
