import type { Pod } from '../../api/kinds/pod.ts';
import { eventually, manifest, type LabShell } from './lab-shell.ts';

/** One thing the guide promises, and how to see that it is so. */
export interface GuideCheck {
  readonly chapter: string;
  readonly name: string;
  /** True when the check can be made again at any later time and changes nothing then. */
  readonly looks?: true;
  /** Returns what was seen; throws when it is not what the guide promises. */
  readonly run: (walk: WalkState) => Promise<string>;
}

/** What later checks need of earlier ones. */
export interface WalkState {
  readonly shell: LabShell;
  /** Names of the lab's nodes. */
  nodes: string[];
  /** The two nginx pods. */
  pods: Pod[];
  clusterIP: string;
}

const selector = ['-l', 'app=nginx'];
/** Random balancing misses one of two pods in 20 tries once in half a million walks. */
const balancingTries = 20;

export const guideChecks: readonly GuideCheck[] = [
  { chapter: 'nodes', name: 'all nodes are Ready', looks: true, run: nodesReady },
  {
    chapter: 'pods',
    name: 'create -f nginxrc.yaml: two pods Running on two nodes',
    run: createReplicationController,
  },
  { chapter: 'pods', name: 'get pods -l app=nginx -o wide', looks: true, run: getPodsWide },
  { chapter: 'pods', name: 'each node reaches both pod addresses', looks: true, run: nodesReachPods },
  {
    chapter: 'pods',
    name: 'pods see each other’s own addresses, without NAT',
    looks: true,
    run: podsReachPods,
  },
  {
    chapter: 'service',
    name: 'create -f nginxsvc.yaml: get svc shows a cluster address',
    run: createService,
  },
  { chapter: 'service', name: 'get ep shows the two pods', looks: true, run: endpointsArePods },
  { chapter: 'service', name: 'describe svc nginxsvc shows the same', looks: true, run: describeService },
  {
    chapter: 'service',
    name: 'every node reaches both pods by the cluster address',
    looks: true,
    run: nodesReachClusterIP,
  },
  {
    chapter: 'service',
    name: 'every pod reaches both pods by the cluster address',
    looks: true,
    run: podsReachClusterIP,
  },
  { chapter: 'environment', name: 'pods older than the Service do not know it', run: environmentBefore },
  { chapter: 'environment', name: 'scale rc to 0 and 2: new pods know it', run: environmentAfter },
  { chapter: 'dns', name: 'get services kube-dns --namespace=kube-system', looks: true, run: dnsService },
  { chapter: 'dns', name: 'create -f curlpod.yaml: nslookup nginxsvc', run: lookupService },
  { chapter: 'dns', name: 'curl http://nginxsvc from the pod', looks: true, run: curlByName },
  { chapter: 'dns', name: 'names outside the cluster are forwarded', looks: true, run: lookupOutside },
  {
    chapter: 'outside',
    name: 'a pod leaves the cluster with its node’s address',
    looks: true,
    run: podReachesOutside,
  },
  { chapter: 'repair', name: 'a deleted pod leaves the endpoints, a new one joins', run: podIsReplaced },
  {
    chapter: 'expose',
    name: 'type NodePort: the outside host reaches every node',
    looks: true,
    run: nodePortFromOutside,
  },
];

/** The checks that only look: they hold at any time after the walk. */
export const lookingChecks = guideChecks.filter(({ looks }) => looks);

/** Takes away what an earlier walk left, so that a walk can be repeated. */
export async function clearGuide(shell: LabShell): Promise<void> {
  await shell.kubectl('delete', 'rc,svc', ...selector, '--ignore-not-found');
  await shell.kubectl('delete', 'pod', 'curlpod', '--ignore-not-found', '--grace-period=1');
  await eventually(async () => expectCount(await shell.pods(...selector), 0));
}

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
  const nodes = new Set(walk.pods.map(({ spec }) => spec.nodeName));
  if (nodes.size !== 2) throw new Error(`both pods are on ${[...nodes].join()}`);
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

async function createService(walk: WalkState): Promise<string> {
  await walk.shell.kubectl('create', '-f', manifest('nginxsvc.yaml'));
  const table = await walk.shell.kubectl('get', 'svc');
  const row = /^nginxsvc\s+ClusterIP\s+(\S+)\s+<none>\s+80\/TCP\s/m.exec(table);
  if (!row?.[1]) throw new Error(`kubectl get svc printed:\n${table}`);
  if (!/^kubernetes\s+ClusterIP\s+\S+\s+<none>\s+443\/TCP\s/m.test(table))
    throw new Error(`no kubernetes Service in:\n${table}`);
  walk.clusterIP = row[1];
  return `CLUSTER-IP ${walk.clusterIP}, PORT(S) 80/TCP`;
}

async function endpointsArePods({ shell, pods }: WalkState): Promise<string> {
  const wanted = pods.map((pod) => `${address(pod)}:80`).sort();
  return eventually(async () => {
    const table = await shell.kubectl('get', 'ep', 'nginxsvc');
    const cell = /^nginxsvc\s+(\S+)/m.exec(table)?.[1] ?? '';
    if (cell.split(',').sort().join() !== wanted.join())
      throw new Error(`endpoints ${cell}, expected ${wanted.join()}`);
    return cell;
  });
}

async function describeService({ shell, pods, clusterIP }: WalkState): Promise<string> {
  const text = await shell.kubectl('describe', 'svc', 'nginxsvc');
  const expected = [
    /^Name:\s+nginxsvc$/m,
    /^Namespace:\s+default$/m,
    /^Labels:\s+app=nginx$/m,
    /^Selector:\s+app=nginx$/m,
    /^Type:\s+(ClusterIP|NodePort)$/m,
    new RegExp(`^IP:\\s+${clusterIP.replaceAll('.', '\\.')}$`, 'm'),
    /^Port:\s+<unset>\s+80\/TCP$/m,
    /^Session Affinity:\s+None$/m,
  ];
  for (const line of expected) if (!line.test(text)) throw new Error(`describe lacks ${line}:\n${text}`);
  const endpoints = /^Endpoints:\s+(\S+)$/m.exec(text)?.[1] ?? '';
  for (const pod of pods)
    if (!endpoints.includes(`${address(pod)}:80`)) throw new Error(`Endpoints: ${endpoints}`);
  return `Endpoints: ${endpoints}`;
}

async function nodesReachClusterIP({ shell, nodes, pods, clusterIP }: WalkState): Promise<string> {
  for (const node of nodes) await reachesAll((...command) => shell.onNode(node, ...command), clusterIP, pods);
  return `${nodes.join(', ')} → ${clusterIP} → ${pods.map(({ metadata }) => metadata.name).join(', ')}`;
}

async function podsReachClusterIP({ shell, pods, clusterIP }: WalkState): Promise<string> {
  for (const pod of pods)
    await reachesAll((...command) => shell.inPod(pod.metadata.name, ...command), clusterIP, pods);
  return `both pods → ${clusterIP} → both pods, itself included`;
}

async function environmentBefore({ shell, pods }: WalkState): Promise<string> {
  const variables = await serviceVariables(shell, pods[0]);
  if (variables.get('KUBERNETES_SERVICE_PORT') !== '443')
    throw new Error('KUBERNETES_SERVICE_PORT is not set');
  if ([...variables.keys()].some((name) => name.startsWith('NGINXSVC')))
    throw new Error('the pod knows a Service that is younger than itself');
  return `KUBERNETES_SERVICE_HOST=${variables.get('KUBERNETES_SERVICE_HOST')}, no NGINXSVC_…`;
}

async function environmentAfter(walk: WalkState): Promise<string> {
  await walk.shell.kubectl('scale', 'rc', 'my-nginx', '--replicas=0');
  await walk.shell.kubectl('scale', 'rc', 'my-nginx', '--replicas=2');
  const before = new Set(walk.pods.map(({ metadata }) => metadata.name));
  walk.pods = await runningPods(walk.shell, 2, before);
  if (new Set(walk.pods.map(({ spec }) => spec.nodeName)).size !== 2)
    throw new Error('both pods are on one node');
  for (const pod of walk.pods) {
    const variables = await serviceVariables(walk.shell, pod);
    if (
      variables.get('NGINXSVC_SERVICE_HOST') !== walk.clusterIP ||
      variables.get('NGINXSVC_SERVICE_PORT') !== '80'
    )
      throw new Error(`${pod.metadata.name} has ${[...variables].join(' ')}`);
  }
  await endpointsArePods(walk);
  return `NGINXSVC_SERVICE_HOST=${walk.clusterIP}, NGINXSVC_SERVICE_PORT=80`;
}

async function dnsService({ shell }: WalkState): Promise<string> {
  const table = await shell.kubectl('get', 'services', 'kube-dns', '--namespace=kube-system');
  const row = /^kube-dns\s+ClusterIP\s+(\S+)\s+<none>\s+53\/UDP,53\/TCP\s/m.exec(table);
  if (!row?.[1]) throw new Error(table);
  return `CLUSTER-IP ${row[1]}, 53/UDP,53/TCP`;
}

async function lookupService({ shell, clusterIP }: WalkState): Promise<string> {
  await shell.kubectl('create', '-f', manifest('curlpod.yaml'));
  await eventually(async () => {
    const table = await shell.kubectl('get', 'pods', 'curlpod');
    if (!/^curlpod\s+1\/1\s+Running/m.test(table)) throw new Error(table);
  });
  const text = await shell.inPod('curlpod', 'nslookup', 'nginxsvc');
  const answers = [...text.matchAll(/^Address(?: \d+)?:\s+(\S+)/gm)].map(([, found]) => found);
  if (!answers.includes(clusterIP)) throw new Error(`nslookup printed:\n${text}`);
  const name = /^Name:\s+(\S+)/m.exec(text)?.[1] ?? '?';
  return `${name} → ${clusterIP}`;
}

async function curlByName({ shell }: WalkState): Promise<string> {
  const page = await shell.inPod('curlpod', 'curl', '-sS', '--max-time', '5', 'http://nginxsvc');
  const title = /<h1>(.*)<\/h1>/.exec(page)?.[1];
  if (title !== 'Welcome to nginx!') throw new Error(`the page is:\n${page.slice(0, 300)}`);
  return title;
}

async function lookupOutside({ shell }: WalkState): Promise<string> {
  const text = await shell.inPod('curlpod', 'nslookup', 'example.test');
  const answer = [...text.matchAll(/^Address(?: \d+)?:\s+(\S+)/gm)].at(-1)?.[1];
  if (!/^Name:\s+example\.test/m.test(text) || !answer) throw new Error(`nslookup printed:\n${text}`);
  return `example.test → ${answer}`;
}

async function podReachesOutside({ shell }: WalkState): Promise<string> {
  const [pod] = await shell.pods('--field-selector', 'metadata.name=curlpod');
  if (!pod) throw new Error('there is no curlpod');
  const source = (
    await shell.inPod('curlpod', 'curl', '-4', '-sS', '--max-time', '5', 'http://example.test')
  ).trim();
  if (source !== pod.status?.hostIP) throw new Error(`${address(pod)} came outside as ${source}`);
  return `${address(pod)} came as ${source}`;
}

async function podIsReplaced(walk: WalkState): Promise<string> {
  const victim = walk.pods[0];
  if (!victim) throw new Error('there is no nginx pod');
  await walk.shell.kubectl('delete', 'pod', victim.metadata.name);
  walk.pods = await runningPods(walk.shell, 2, new Set([victim.metadata.name]));
  const endpoints = await endpointsArePods(walk);
  if (endpoints.includes(`${address(victim)}:`))
    throw new Error(`${address(victim)} is still in ${endpoints}`);
  return `${victim.metadata.name} left, endpoints now ${endpoints}`;
}

async function nodePortFromOutside({ shell, pods }: WalkState): Promise<string> {
  await shell.kubectl('patch', 'svc', 'nginxsvc', '-p', '{"spec":{"type":"NodePort"}}');
  const port = await shell.kubectl('get', 'svc', 'nginxsvc', '-o', 'jsonpath={.spec.ports[0].nodePort}');
  const seen: string[] = [];
  for (const node of await shell.nodes()) {
    const ip = node.status?.addresses?.find(({ type }) => type === 'InternalIP')?.address ?? '?';
    await eventually(
      () => reachesAll((...command) => shell.onNode('outside', ...command), `${ip}:${port}`, pods),
      5_000,
    );
    seen.push(`${ip}:${port}`);
  }
  return `${seen.join(', ')} → both pods`;
}

type Execute = (...command: string[]) => Promise<string>;

/** Asks the lab's nginx who is calling. */
async function whoami(execute: Execute, authority: string): Promise<{ source: string; server: string }> {
  const answer = await execute('curl', '-sS', '--max-time', '5', `http://${authority}/whoami`);
  const [source = '', server = ''] = answer.trim().split(' ');
  return { source, server };
}

/** Connects again and again until every pod has answered. One shell loop: each connection is a new one. */
async function reachesAll(execute: Execute, authority: string, pods: readonly Pod[]): Promise<void> {
  const loop = `i=0; while [ $i -lt ${balancingTries} ]; do curl -sS --max-time 5 http://${authority}/whoami || exit 1; i=$((i+1)); done`;
  const answers = (await execute('sh', '-c', loop)).trim().split('\n');
  const servers = new Set(answers.map((line) => line.split(' ')[1]));
  const missing = pods.filter(({ metadata }) => !servers.has(metadata.name));
  if (answers.length !== balancingTries || missing.length > 0)
    throw new Error(
      `${authority}: ${answers.length} answers, none from ${missing.map(({ metadata }) => metadata.name).join(', ')}`,
    );
}

/** The nginx pods once exactly `count` run and are ready, none of them named in `except`. */
function runningPods(shell: LabShell, count: number, except = new Set<string | undefined>()): Promise<Pod[]> {
  return eventually(async () => {
    const pods = await shell.pods(...selector);
    const ready = pods.filter(
      ({ metadata, status }) =>
        !metadata.deletionTimestamp &&
        !except.has(metadata.name) &&
        status?.phase === 'Running' &&
        status.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True'),
    );
    expectCount(ready, count);
    return ready;
  }, 60_000);
}

function expectCount(pods: readonly Pod[], count: number): void {
  if (pods.length !== count) throw new Error(`${pods.length} pods instead of ${count}`);
}

function address(pod: Pod): string {
  return pod.status?.podIP ?? '?';
}

async function nodeAddresses(shell: LabShell, node: string): Promise<Set<string>> {
  const links = JSON.parse(await shell.onNode(node, 'ip', '-j', 'address')) as {
    addr_info: { local: string }[];
  }[];
  return new Set(links.flatMap(({ addr_info }) => addr_info.map(({ local }) => local)));
}

async function serviceVariables(shell: LabShell, pod: Pod | undefined): Promise<Map<string, string>> {
  const text = await shell.inPod(pod?.metadata.name ?? '', 'printenv');
  const pairs = text.split('\n').filter((line) => line.includes('_SERVICE_'));
  return new Map(
    pairs.map((line): [string, string] => [
      line.slice(0, line.indexOf('=')),
      line.slice(line.indexOf('=') + 1),
    ]),
  );
}
