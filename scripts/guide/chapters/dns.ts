/** "DNS": the Service has a name, and so have hosts outside. */
import { serviceOf, type GuideCheck, type WalkState } from '../check.ts';
import { eventually, manifest } from '../lab-shell.ts';
import { address } from '../nginx-pods.ts';
import { httpOrigin, readWelcome } from '../requests.ts';

export const dnsChecks: readonly GuideCheck[] = [
  { name: 'get services kube-dns --namespace=kube-system', looks: true, run: dnsService },
  { name: 'create -f curlpod.yaml: nslookup nginxsvc', run: lookupService },
  { name: 'curl http://nginxsvc from the pod', looks: true, run: curlByName },
  { name: 'names outside the cluster are forwarded', looks: true, run: lookupOutside },
  { name: 'a pod leaves the cluster with its node’s address', looks: true, run: podReachesOutside },
];

async function dnsService({ shell }: WalkState): Promise<string> {
  const table = await shell.kubectl('get', 'services', 'kube-dns', '--namespace=kube-system');
  const row = /^kube-dns\s+ClusterIP\s+(\S+)\s+<none>\s+53\/UDP,53\/TCP\s/m.exec(table);
  if (!row?.[1]) throw new Error(table);
  return `CLUSTER-IP ${row[1]}, 53/UDP,53/TCP`;
}

async function lookupService(walk: WalkState): Promise<string> {
  const { shell } = walk;
  const clusterIP = serviceOf(walk).spec.clusterIP ?? '?';
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

async function curlByName(walk: WalkState): Promise<string> {
  const url = httpOrigin(serviceOf(walk), 'nginxsvc');
  return readWelcome((...command) => walk.shell.inPod('curlpod', ...command), url);
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
