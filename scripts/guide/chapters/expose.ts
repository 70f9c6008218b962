/** "Exposing the Service": NodePorts, from a host outside the cluster. */
import type { Pod } from '../../../api/kinds/pod.ts';
import { serviceOf, type GuideCheck, type WalkState } from '../check.ts';
import { eventually } from '../lab-shell.ts';
import { expectSpread, podNames, runningPods } from '../nginx-pods.ts';
import { nodePortOf, reachesAll } from '../requests.ts';
import { endpointsArePods } from './service.ts';

export const exposeChecks: readonly GuideCheck[] = [
  { name: 'get svc nginxsvc -o json | grep -i nodeport', looks: true, run: nodePortsShown },
  { name: 'scale rc to 2', run: scaleUp },
  { name: 'the outside host reaches every node', looks: true, run: nodePortsFromOutside },
];

async function nodePortsShown(walk: WalkState): Promise<string> {
  const json = await walk.shell.kubectl('get', 'svc', 'nginxsvc', '-o', 'json');
  const ports = [80, 443].map((target) => nodePortOf(serviceOf(walk), target));
  for (const port of ports)
    if (!json.includes(`"nodePort": ${port},`)) throw new Error(`no nodePort ${port} in:\n${json}`);
  return ports.map((port) => `"nodePort": ${port}`).join(', ');
}

async function scaleUp(walk: WalkState): Promise<string> {
  await walk.shell.kubectl('scale', 'rc', 'my-nginx', '--replicas=2');
  walk.pods = await runningPods(walk.shell, 2);
  expectSpread(walk.pods);
  await endpointsArePods(walk);
  return [...podNames(walk.pods)].join(', ');
}

async function nodePortsFromOutside(walk: WalkState): Promise<string> {
  const port = nodePortOf(serviceOf(walk), 80);
  const origins = (await nodeAddresses(walk, 'InternalIP')).map((address) => `http://${address}:${port}`);
  for (const origin of origins) await reachFromOutside(walk, origin, walk.pods);
  return `${origins.join(', ')} → both pods`;
}

function outside({ shell }: WalkState) {
  return (...command: string[]): Promise<string> => shell.onNode('outside', ...command);
}

/** A node hears of a change a moment after the API has it. */
function reachFromOutside(walk: WalkState, origin: string, pods: readonly Pod[]): Promise<void> {
  return eventually(() => reachesAll(outside(walk), origin, pods), 5_000);
}

/** Each node's IPv4 address of a type. */
async function nodeAddresses({ shell }: WalkState, type: string): Promise<string[]> {
  const all = (await shell.nodes()).flatMap(({ status }) => status?.addresses ?? []);
  return all
    .filter((each) => each.type === type && !each.address.includes(':'))
    .map(({ address }) => address);
}
