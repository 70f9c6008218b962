import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { LabShell } from '../guide/lab-shell.ts';
import { runInNamespace } from '../../netns/namespace.ts';

/** One way of the cluster's packets, and a command that only succeeds when they get there and back. */
export interface Way {
  readonly name: string;
  /** Where from: the name of a network namespace; absent: the machine's own. */
  readonly from?: string;
  readonly command: readonly [program: string, ...args: string[]];
}

const weft = join(import.meta.dirname, '../../bin/weft');
const image = 'web:1';
const serve = [
  'sh',
  '-c',
  'mkdir -p /www; hostname >/www/index.html; exec busybox httpd -f -p 80 -h /www',
] as const;
/** Which pods there are, and on which node: `b` and `c` behind the firewall, `a` where there is none. */
const pods = { a: 'node1', b: 'node2', c: 'node2' } as const;
type Pod = keyof typeof pods;

/** Makes pods on two nodes, and a Service for each of two of them, reachable at ports of the nodes. */
export async function deploy(shell: LabShell, directory: string): Promise<void> {
  const declare = (node: string): Promise<string> =>
    shell.onNode(node, weft, 'image', 'add', image, '--host-root', '--', ...serve);
  await Promise.all([...new Set(Object.values(pods))].map(declare));
  const objects = [
    ...Object.entries(pods).map(([name, nodeName]) => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, labels: { app: name } },
      spec: { nodeName, containers: [{ name: 'web', image }] },
    })),
    ...(['a', 'b'] as const).map((name) => ({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name },
      spec: {
        type: 'NodePort',
        ipFamilyPolicy: 'PreferDualStack',
        selector: { app: name },
        ports: [{ port: 80 }],
      },
    })),
  ];
  const file = join(directory, 'cluster.yaml');
  writeFileSync(file, objects.map((object) => stringify(object)).join('---\n'));
  await shell.kubectl('apply', '-f', file);
  await shell.kubectl(
    'wait',
    '--for=condition=Ready',
    '--timeout=60s',
    ...Object.keys(pods).map((p) => `pod/${p}`),
  );
}

/** Every way that a firewall on node2 could close, in both families. */
export async function listWays(shell: LabShell, lab: string): Promise<Way[]> {
  const found = await shell.pods();
  const pod = (name: Pod): { netns: string; ips: string[] } => {
    const { metadata, status } = found.find((each) => each.metadata.name === name) ?? {};
    return { netns: `weft-${metadata?.uid ?? ''}`, ips: (status?.podIPs ?? []).map(({ ip }) => ip) };
  };
  const [a, b, c] = [pod('a'), pod('b'), pod('c')];
  const services = { a: await shell.service('a'), b: await shell.service('b') };
  const nodePort = (name: 'a' | 'b'): number => services[name].spec.ports?.[0]?.nodePort ?? 0;
  const nodes = await shell.nodes();
  const addressesOf = (node: string): string[] =>
    (nodes.find(({ metadata }) => metadata.name === node)?.status?.addresses ?? [])
      .filter(({ type }) => type === 'InternalIP')
      .map(({ address }) => address);
  const get = (name: string, from: string, addresses: readonly string[], port = 80): Way[] =>
    addresses.map((address) => {
      const host = address.includes(':') ? `[${address}]` : address;
      const command = ['curl', '-gfsS', '--max-time', '2', `http://${host}:${port}/`] as const;
      return { name: `${name} (${address})`, from, command };
    });
  const outside = `weft-${lab}-outside`;
  const dnsIPs = (
    JSON.parse(await shell.kubectl('-n', 'kube-system', 'get', 'service', 'kube-dns', '-o', 'json')) as {
      spec: { clusterIPs: string[] };
    }
  ).spec.clusterIPs;
  return [
    ...get('pod to pod of the same node', c.netns, b.ips),
    ...get('pod to pod of the other node', c.netns, a.ips),
    ...get('pod of the other node to pod', a.netns, b.ips),
    ...get('pod to Service with its pod here', c.netns, services.b.spec.clusterIPs ?? []),
    ...get('pod to Service with its pod elsewhere', c.netns, services.a.spec.clusterIPs ?? []),
    ...get('pod elsewhere to Service with its pod here', a.netns, services.b.spec.clusterIPs ?? []),
    ...get('node to pod of the other node', `weft-${lab}-node1`, b.ips),
    ...get('outside to NodePort, pod here', outside, addressesOf('node2'), nodePort('b')),
    ...get('outside to NodePort, pod elsewhere', outside, addressesOf('node2'), nodePort('a')),
    ...get('outside to NodePort of the other node', outside, addressesOf('node1'), nodePort('b')),
    ...get('pod to the outside', c.netns, ['172.30.0.2', 'fd00:172:30::2']),
    ...dnsIPs.flatMap((server) => [
      { name: `DNS (${server})`, from: c.netns, command: dig(server) },
      { name: `DNS by TCP (${server})`, from: c.netns, command: dig(server, '+tcp') },
      { name: `DNS of other names (${server})`, from: c.netns, command: dig(server, 'example.test') },
    ]),
    {
      name: "exec by way of the agent's port",
      command: [
        'kubectl',
        '--kubeconfig',
        (await shell.weft('kubeconfig')).trim(),
        'exec',
        'b',
        '--',
        'true',
      ],
    },
  ];
}

function dig(server: string, ...more: string[]): Way['command'] {
  const name = more.find((word) => !word.startsWith('+')) ?? 'a.default.svc.cluster.local';
  const options = more.filter((word) => word.startsWith('+'));
  return ['sh', '-c', `kdig +short +time=2 +retry=0 ${options.join(' ')} @${server} ${name} | grep -q .`];
}

/** Sends packets along all ways at once. Returns those by which nothing came back. */
export async function listClosed(ways: readonly Way[]): Promise<string[]> {
  const open = await Promise.all(ways.map(isOpen));
  return ways.filter((_, index) => open[index] !== true).map(({ name }) => name);
}

function isOpen({ from, command: [program, ...args] }: Way): Promise<boolean> {
  return new Promise((resolve) => {
    const start = (): unknown =>
      execFile(program, args, { timeout: 5_000 }, (error) => resolve(error === null));
    if (from === undefined) start();
    else runInNamespace(from, start);
  });
}
