import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Conntrack } from '../../netns/conntrack.ts';
import { runInNamespace } from '../../netns/namespace.ts';
import { ifname } from './cni-containers.ts';
import type { Container, Containers } from './cni-containers.ts';
import type { CniNode } from './cni-node.ts';

interface IpLink {
  readonly ifalias?: string;
}

interface IpAddress {
  readonly ifname: string;
  readonly operstate: string;
  readonly addr_info: readonly { readonly local: string; readonly scope: string }[];
}

/** What is too many on the node, and what is missing, by the tools an operator would use; empty: nothing. */
export function auditNode(node: CniNode, containers: Containers): string[] {
  const connected = containers.connected;
  const ids = connected.map(({ containerId }) => `cni:${containerId}:${ifname}`);
  const { runDir, stateDir } = node.host;
  const notes = join(runDir, 'cni-gone');
  const temporary = [runDir, join(stateDir, 'network')].flatMap((directory) =>
    readdirSync(directory).filter((name) => name.endsWith('.new')),
  );
  return [
    ...compare('lease', ids, node.leaseholders()),
    ...compare('link', ids, podLinks(node)),
    ...compare(
      'neighbour',
      connected.flatMap(({ ips }) => ips),
      neighbors(node),
    ),
    ...compare(
      'port in a rule',
      connected.map(({ hostPort }) => String(hostPort)),
      ruledPorts(node, containers.hostPorts),
    ),
    ...compare('note', [], existsSync(notes) ? readdirSync(notes) : []),
    ...compare('file', [], temporary),
    ...compare('namespace', [], containers.strayNamespaces),
    ...compare('conntrack entry', [], strayFlows(node, connected)),
    ...connected.flatMap((container) => auditContainer(node, container)),
  ];
}

/** Also whether packets go both ways. */
function auditContainer(node: CniNode, { namespace, ips }: Container): string[] {
  const links = JSON.parse(node.run('ip', '-n', namespace, '-j', 'address', 'show')) as IpAddress[];
  const link = links.find((each) => each.ifname === ifname);
  const addresses = (link?.addr_info ?? [])
    .filter(({ scope }) => scope === 'global')
    .map(({ local }) => local);
  const wrong = compare(`address of ${namespace}`, ips, addresses);
  const silent = ips.filter((ip) => !answers(node, ip));
  return [...wrong, ...silent.map((ip) => `${ip} of ${namespace} does not answer`)];
}

function answers(node: CniNode, ip: string): boolean {
  try {
    node.run('ping', '-n', '-c', '1', '-w', '2', ip);
    return true;
  } catch {
    return false; // ping says by its exit code that nothing came back
  }
}

function podLinks(node: CniNode): string[] {
  const links = JSON.parse(node.run('ip', '-j', 'link', 'show')) as IpLink[];
  return links.flatMap(({ ifalias = '' }) => {
    if (ifalias.startsWith('weft:pod:')) return [ifalias.slice('weft:pod:'.length)];
    return ifalias === 'weft:gone' ? [ifalias] : [];
  });
}

function neighbors(node: CniNode): string[] {
  const shown = JSON.parse(node.run('ip', '-j', 'neighbor', 'show', 'dev', 'weft0', 'nud', 'permanent')) as {
    readonly dst: string;
  }[];
  return shown.map(({ dst }) => dst);
}

/** Those ports of which a rule in either family speaks. */
function ruledPorts(node: CniNode, ports: readonly number[]): string[] {
  const rules = node.run('iptables-save') + node.run('ip6tables-save');
  const spoken = new Set(rules.match(/\b\d+\b/g));
  return ports.map(String).filter((port) => spoken.has(port));
}

/** Flows that were led to a container which is gone: they would lead packets to whoever gets its address. */
function strayFlows(node: CniNode, connected: readonly Container[]): string[] {
  const alive = new Set([...node.host.addresses, ...connected.flatMap(({ ips }) => ips)]);
  const flows = runInNamespace(node.host.namespace, () => {
    using conntrack = new Conntrack();
    return conntrack.list('udp');
  });
  const led = flows.filter(({ origDst, replySrc }) => origDst !== replySrc);
  return led.filter(({ replySrc }) => !alive.has(replySrc)).map((flow) => JSON.stringify(flow));
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
