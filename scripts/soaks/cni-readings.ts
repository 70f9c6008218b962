import { decodeIp, encodeIp } from '../../netns/ip.ts';
import { listNamespaces } from '../../netns/namespace.ts';
import type { HostShell } from './host-shell.ts';

/** What there is on a node, each thing as a line. */
export interface Readings {
  /** Links by their alias, or their name where they have none. */
  readonly link: readonly string[];
  readonly neighbour: readonly string[];
  readonly route: readonly string[];
  readonly qdisc: readonly string[];
  readonly filter: readonly string[];
  readonly file: readonly string[];
  readonly cgroup: readonly string[];
  readonly namespace: readonly string[];
}

interface IpLink {
  readonly ifname: string;
  readonly ifalias?: string;
}

/** The kernel's network and our files, but for rules. */
export function readNetwork(node: HostShell): Readings {
  const labels = new Map(
    readJson<IpLink>(node, 'ip', 'link', 'show').map((link) => [link.ifname, link.ifalias ?? link.ifname]),
  );
  const label = (name: string): string => labels.get(name) ?? name;
  const qdiscs = readJson<{ kind: string; dev: string }>(node, 'tc', 'qdisc', 'show');
  return {
    link: [...labels.values()],
    neighbour: readJson<{ dst: string; dev: string }>(node, 'ip', 'neighbor', 'show', 'nud', 'permanent').map(
      ({ dst, dev }) => `${dst} at ${label(dev)}`,
    ),
    route: ['-4', '-6'].flatMap((family) =>
      readJson<{ dst: string; dev: string }>(
        node,
        'ip',
        family,
        'route',
        'show',
        'table',
        'all',
        'proto',
        '117',
      ).map(({ dst, dev }) => `${dst} by ${label(dev)}`),
    ),
    qdisc: qdiscs.filter(({ kind }) => kind !== 'noqueue').map(({ kind, dev }) => `${kind} of ${label(dev)}`),
    filter: readFilters(
      node,
      qdiscs.filter(({ kind }) => kind === 'clsact').map(({ dev }) => dev),
      label,
    ),
    file: [node.host.runDir, node.host.stateDir].flatMap((directory) => listFiles(node, directory)),
    namespace: listNamespaces(),
    cgroup: node.run('find', '/sys/fs/cgroup', '-type', 'd', '-name', '*weft*').split('\n').filter(Boolean),
  };
}

/**
 * The words of all rules in the node's kernel, whichever interface they were made by: addresses, ports, names. Each
 * once. The number of a rule's packets is none of them.
 */
export function readRules(node: HostShell): string[] {
  const texts = [
    node.run('nft', '--stateless', 'list', 'ruleset'),
    ...['ip', 'ip6'].flatMap((family) => [
      node.run(`${family}tables-nft-save`),
      // To list legacy tables where there are none would make them.
      node.run('sh', '-c', `! grep -q . /proc/net/${family}_tables_names || ${family}tables-legacy-save`),
    ]),
  ];
  const words =
    texts
      .join('\n')
      .replaceAll(/^#.*$/gm, '') // when it was printed
      .replaceAll(/\[\d+:\d+\]/g, '')
      .match(/[\w.:]+/g) ?? [];
  // `10.244.1.2:80`, but no IPv6 address
  return [...new Set(words.map((word) => word.replace(/^([^:]+):\d+$/, '$1')))];
}

/** The pods' addresses that tracked connections name at either end, each once; the node's own are none. */
export function readTracked(node: HostShell): string[] {
  const links = readJson<{ readonly addr_info: readonly { readonly local: string }[] }>(
    node,
    'ip',
    'address',
    'show',
  );
  const own = new Set(links.flatMap(({ addr_info }) => addr_info.map(({ local }) => local)));
  const ends = node.run('cat', '/proc/net/nf_conntrack').matchAll(/(?:src|dst)=(\S+)/g);
  const addresses = new Set(Array.from(ends, ([, address = '']) => decodeIp(encodeIp(address))));
  return [...addresses].filter((address) => isPodAddress(address) && !own.has(address));
}

/** Whether it is in the ranges that the lab's pods have. */
export function isPodAddress(address: string): boolean {
  return /^(10\.244\.|fd00:10:244:)/.test(address);
}

/** What judges the packets that come in by links, each as `bpf of LINK`. */
function readFilters(node: HostShell, links: readonly string[], label: (name: string) => string): string[] {
  // A link that was retired may go just now.
  const answers = node.runLines(
    links.map((link) => `tc -j filter show dev ${link} ingress 2>/dev/null || echo []`),
  );
  return links.flatMap((link, i) => {
    const filters = JSON.parse(answers[i] ?? '[]') as { readonly kind: string; readonly options?: object }[];
    // Each is told of twice: what it hangs on, and the program.
    const told = filters.flatMap(({ kind, options }) => (options ? [`${kind} of ${label(link)}`] : []));
    return [...new Set(told)]; // a limited one has a second, which leads to its limit
  });
}

/** But for the skeletons of images that show the machine's own files: they change with those. */
function listFiles(node: HostShell, directory: string): string[] {
  return node
    .run('find', directory, '-xdev', '-not', '-type', 'd')
    .split('\n')
    .filter((file) => file !== '' && !file.includes('/skeletons/'));
}

function readJson<T>(node: HostShell, program: string, ...args: string[]): T[] {
  return JSON.parse(node.run(program, '-j', ...args) || '[]') as T[];
}
