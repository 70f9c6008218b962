/** "Creating a Service": one stable address in front of the pods. */
import type { ServicePort } from '../../../api/kinds/service.ts';
import { serviceOf, type GuideCheck, type WalkState } from '../check.ts';
import { eventually, manifest } from '../lab-shell.ts';
import { address, podNames, runningPods } from '../nginx-pods.ts';
import { httpOrigin, reachesAll } from '../requests.ts';

export const serviceChecks: readonly GuideCheck[] = [
  { name: 'create -f nginxsvc.yaml: get svc shows a cluster address', run: createService },
  { name: 'get ep shows the pods', looks: true, run: endpointsArePods },
  { name: 'describe svc nginxsvc shows the same', looks: true, run: describeService },
  { name: 'every node reaches every pod by the cluster address', looks: true, run: nodesReachClusterIP },
  { name: 'every pod reaches every pod by the cluster address', looks: true, run: podsReachClusterIP },
];

/** No chapter of the guide, but what it says of endpoints: they follow the pods. */
export const repairChecks: readonly GuideCheck[] = [
  { name: 'a deleted pod leaves the endpoints, a new one joins', run: podIsReplaced },
];

async function createService(walk: WalkState): Promise<string> {
  await walk.shell.kubectl('create', '-f', manifest('nginxsvc.yaml'));
  walk.service = await walk.shell.service('nginxsvc');
  const table = await walk.shell.kubectl('get', 'svc');
  const row = /^nginxsvc\s+ClusterIP\s+(\S+)\s+<none>\s+80\/TCP\s/m.exec(table);
  if (!row || row[1] !== walk.service.spec.clusterIP) throw new Error(`kubectl get svc printed:\n${table}`);
  if (!/^kubernetes\s+ClusterIP\s+\S+\s+<none>\s+443\/TCP\s/m.test(table))
    throw new Error(`no kubernetes Service in:\n${table}`);
  return `CLUSTER-IP ${row[1]}, PORT(S) 80/TCP`;
}

export async function endpointsArePods(walk: WalkState): Promise<string> {
  const ports = serviceOf(walk).spec.ports ?? [];
  const wanted = walk.pods.flatMap((pod) => ports.map((port) => `${address(pod)}:${targetOf(port)}`)).sort();
  return eventually(async () => {
    const found = addressesIn(await walk.shell.endpoints('nginxsvc'));
    if (found.sort().join() !== wanted.join())
      throw new Error(`endpoints ${found.join()}, expected ${wanted.join()}`);
    // kubectl shows three addresses at most, and counts the rest.
    const table = await walk.shell.kubectl('get', 'ep', 'nginxsvc');
    const cell = /^nginxsvc\s+(\S+)/m.exec(table)?.[1] ?? '';
    const shown = cell.split(',');
    if (shown.length !== Math.min(3, wanted.length) || !shown.every((each) => wanted.includes(each)))
      throw new Error(`kubectl get ep printed:\n${table}`);
    return cell;
  });
}

function addressesIn({ subsets = [] }: Awaited<ReturnType<WalkState['shell']['endpoints']>>): string[] {
  return subsets.flatMap(({ addresses = [], ports = [] }) =>
    addresses.flatMap(({ ip }) => ports.map(({ port }) => `${ip}:${port}`)),
  );
}

function targetOf({ port, targetPort }: ServicePort): number | string {
  return targetPort ?? port;
}

async function describeService(walk: WalkState): Promise<string> {
  const { spec } = serviceOf(walk);
  const text = await walk.shell.kubectl('describe', 'svc', 'nginxsvc');
  const line = (title: string, value: string): RegExp =>
    new RegExp(`^${title}:\\s+${value.replaceAll('.', '\\.')}$`, 'm');
  const expected = [
    line('Name', 'nginxsvc'),
    line('Namespace', 'default'),
    line('Labels', 'app=nginx'),
    line('Selector', 'app=nginx'),
    line('Type', spec.type ?? ''),
    line('IP', spec.clusterIP ?? ''),
    ...(spec.ports ?? []).map(({ name = '<unset>', port }) => line('Port', `${name}\\s+${port}/TCP`)),
    line('Session Affinity', 'None'),
  ];
  for (const each of expected) if (!each.test(text)) throw new Error(`describe lacks ${each}:\n${text}`);
  const endpoints = [...text.matchAll(/^Endpoints:\s+(\S+)$/gm)].map(([, list]) => list ?? '');
  for (const [index, port] of (spec.ports ?? []).entries())
    for (const pod of walk.pods)
      if (!endpoints[index]?.split(',').includes(`${address(pod)}:${targetOf(port)}`))
        throw new Error(`Endpoints: ${endpoints.join('; ')}`);
  return `Endpoints: ${endpoints.join('; ')}`;
}

async function nodesReachClusterIP(walk: WalkState): Promise<string> {
  const origin = httpOrigin(serviceOf(walk));
  for (const node of walk.nodes)
    await reachesAll((...command) => walk.shell.onNode(node, ...command), origin, walk.pods);
  return `${walk.nodes.join(', ')} → ${origin} → ${[...podNames(walk.pods)].join(', ')}`;
}

async function podsReachClusterIP(walk: WalkState): Promise<string> {
  const origin = httpOrigin(serviceOf(walk));
  for (const pod of walk.pods)
    await reachesAll((...command) => walk.shell.inPod(pod.metadata.name, ...command), origin, walk.pods);
  return `pods → ${origin} → pods, itself included`;
}

async function podIsReplaced(walk: WalkState): Promise<string> {
  const [victim] = walk.pods;
  if (!victim) throw new Error('there is no nginx pod');
  await walk.shell.kubectl('delete', 'pod', victim.metadata.name);
  walk.pods = await runningPods(walk.shell, 2, podNames([victim]));
  const endpoints = await endpointsArePods(walk);
  return `${victim.metadata.name} left, endpoints now ${endpoints}`;
}
