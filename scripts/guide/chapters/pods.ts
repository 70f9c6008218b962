/** "Exposing pods to the cluster": pods have addresses of their own, which all nodes and pods reach without NAT. */
import type { GuideCheck, WalkState } from '../check.ts';
import { manifest, type LabShell } from '../lab-shell.ts';
import { address, expectSpread, runningPods, selector } from '../nginx-pods.ts';
import { whoami } from '../requests.ts';

export const podChecks: readonly GuideCheck[] = [
  { name: 'all nodes are Ready', looks: true, run: nodesReady },
  { name: 'create -f nginxrc.yaml: two pods Running on two nodes', run: createReplicationController },
  { name: 'get pods -l app=nginx -o wide', looks: true, run: getPodsWide },
  { name: 'each node reaches both pod addresses', looks: true, run: nodesReachPods },
  { name: 'pods see each other’s own addresses, without NAT', looks: true, run: podsReachPods },
];

async function nodesReady({ shell, ...walk }: WalkState): Promise<string> {
  const nodes = await shell.nodes();
  const ready = nodes.filter((node) =>
    node.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True'),
  );
  const names = ready.map(({ metadata }) => metadata.name).sort();
  if (names.join() !== [...walk.nodes].sort().join())
    throw new Error(`Ready: ${names.join(' ') || 'none'}, expected ${walk.nodes.join(' ')}`);
  return ready.map(({ metadata, spec }) => `${metadata.name} ${spec?.podCIDR}`).join(', ');
}

async function createReplicationController(walk: WalkState): Promise<string> {
  await walk.shell.kubectl('create', '-f', manifest('nginxrc.yaml'));
  walk.pods = await runningPods(walk.shell, 2);
  expectSpread(walk.pods);
  return walk.pods.map((pod) => `${address(pod)} on ${pod.spec.nodeName}`).join(', ');
}

async function getPodsWide({ shell, pods }: WalkState): Promise<string> {
  const table = await shell.kubectl('get', 'pods', ...selector, '-o', 'wide');
  for (const pod of pods) {
    const row = table.split('\n').find((line) => line.startsWith(`${pod.metadata.name} `)) ?? '';
    for (const cell of ['1/1', 'Running', address(pod), pod.spec.nodeName ?? '?'])
      if (!row.split(/\s+/).includes(cell)) throw new Error(`no ${cell} in the row "${row}"`);
  }
  return `${pods.map(({ metadata }) => metadata.name).join(', ')}: 1/1 Running`;
}

async function nodesReachPods({ shell, nodes, pods }: WalkState): Promise<string> {
  const sources = new Set<string>();
  for (const node of nodes) {
    const own = await nodeAddresses(shell, node);
    for (const pod of pods) {
      const { source } = await whoami((...command) => shell.onNode(node, ...command), address(pod));
      if (!own.has(source))
        throw new Error(`${pod.metadata.name} saw ${source}, which is no address of ${node}`);
      sources.add(source);
    }
  }
  return `sources seen: ${[...sources].join(', ')}`;
}

async function podsReachPods({ shell, pods }: WalkState): Promise<string> {
  const seen: string[] = [];
  for (const client of pods)
    for (const server of pods) {
      const { source } = await whoami(
        (...command) => shell.inPod(client.metadata.name, ...command),
        address(server),
      );
      if (source !== address(client))
        throw new Error(`${address(client)} came to ${address(server)} as ${source}`);
      seen.push(`${address(server)} saw ${source}`);
    }
  return seen.join('; ');
}

async function nodeAddresses(shell: LabShell, node: string): Promise<Set<string>> {
  const links = JSON.parse(await shell.onNode(node, 'ip', '-j', 'address')) as {
    addr_info: { local: string }[];
  }[];
  return new Set(links.flatMap(({ addr_info }) => addr_info.map(({ local }) => local)));
}
