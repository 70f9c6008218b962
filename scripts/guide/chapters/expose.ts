/** "Exposing the Service": NodePorts and a load balancer's address, from a host outside the cluster. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Pod } from '../../../api/kinds/pod.ts';
import { serviceOf, type GuideCheck, type WalkState } from '../check.ts';
import { eventually, manifest } from '../lab-shell.ts';
import { expectSpread, podNames, runningPods, selector } from '../nginx-pods.ts';
import { httpOrigin, nodePortOf, reachesAll, readWelcome } from '../requests.ts';
import { replaceApp } from './https.ts';
import { endpointsArePods } from './service.ts';

export const exposeChecks: readonly GuideCheck[] = [
  { name: 'get svc nginxsvc -o json | grep -i nodeport', looks: true, run: nodePortsShown },
  { name: 'curl https://<ExternalIP>:<nodePort> -k from outside', looks: true, run: externalIPsFromOutside },
  { name: 'type LoadBalancer: get svc shows an EXTERNAL-IP', run: createLoadBalancer },
  { name: 'curl https://<EXTERNAL-IP> -k from outside', looks: true, run: loadBalancerFromOutside },
  { name: 'scale rc to 2: every way in reaches both pods', run: scaleUp },
  { name: 'the outside host reaches every node', looks: true, run: nodePortsFromOutside },
];

async function nodePortsShown(walk: WalkState): Promise<string> {
  const json = await walk.shell.kubectl('get', 'svc', 'nginxsvc', '-o', 'json');
  const ports = [80, 443].map((target) => nodePortOf(serviceOf(walk), target));
  for (const port of ports)
    if (!json.includes(`"nodePort": ${port},`)) throw new Error(`no nodePort ${port} in:\n${json}`);
  return ports.map((port) => `"nodePort": ${port}`).join(', ');
}

async function externalIPsFromOutside(walk: WalkState): Promise<string> {
  const port = nodePortOf(serviceOf(walk), 443);
  const seen: string[] = [];
  for (const address of await nodeAddresses(walk, 'ExternalIP')) {
    const authority = `${address}:${port}`;
    await eventually(() => readWelcome(outside(walk), `https://${authority}`, '-k'), 5_000);
    seen.push(authority);
  }
  if (seen.length < walk.nodes.length) throw new Error(`ExternalIPs: ${seen.join(', ') || 'none'}`);
  return seen.join(', ');
}

async function createLoadBalancer(walk: WalkState): Promise<string> {
  const before = podNames(walk.pods);
  const dir = mkdtempSync(join(tmpdir(), 'weft-guide-'));
  try {
    const file = join(dir, 'nginx-app.yaml');
    const text = readFileSync(manifest('nginx-app.yaml'), 'utf8');
    writeFileSync(file, text.replace('type: NodePort', 'type: LoadBalancer'));
    await walk.shell.kubectl('delete', 'rc,svc', ...selector);
    await walk.shell.kubectl('create', '-f', file);
  } finally {
    rmSync(dir, { recursive: true });
  }
  await replaceApp(walk, before);
  return eventually(async () => {
    walk.service = await walk.shell.service('nginxsvc');
    const address = loadBalancerAddress(walk);
    const table = await walk.shell.kubectl('get', 'svc', 'nginxsvc');
    const row = /^nginxsvc\s+LoadBalancer\s+\S+\s+(\S+)\s/m.exec(table);
    if (row?.[1]?.split(',').includes(address) !== true)
      throw new Error(`kubectl get svc printed:\n${table}`);
    return `EXTERNAL-IP ${row[1]}`;
  });
}

async function loadBalancerFromOutside(walk: WalkState): Promise<string> {
  const url = `https://${loadBalancerAddress(walk)}`;
  const welcome = await eventually(() => readWelcome(outside(walk), url, '-k'), 5_000);
  return `${url}: ${welcome}`;
}

async function scaleUp(walk: WalkState): Promise<string> {
  await walk.shell.kubectl('scale', 'rc', 'my-nginx', '--replicas=2');
  walk.pods = await runningPods(walk.shell, 2);
  expectSpread(walk.pods);
  await endpointsArePods(walk);
  const service = serviceOf(walk);
  const origins = [httpOrigin(service, loadBalancerAddress(walk)), `https://${loadBalancerAddress(walk)}`];
  for (const origin of origins) await reachFromOutside(walk, origin, walk.pods);
  return origins.join(', ');
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

function loadBalancerAddress(walk: WalkState): string {
  const address = serviceOf(walk).status?.loadBalancer?.ingress?.[0]?.ip;
  if (!address) throw new Error('the Service has no address of a load balancer');
  return address;
}

/** Each node's IPv4 address of a type. */
async function nodeAddresses({ shell }: WalkState, type: string): Promise<string[]> {
  const all = (await shell.nodes()).flatMap(({ status }) => status?.addresses ?? []);
  return all
    .filter((each) => each.type === type && !each.address.includes(':'))
    .map(({ address }) => address);
}
