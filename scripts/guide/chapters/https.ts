/** "Securing the Service": a key and certificate in a Secret, nginx with both, a client that verifies it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { serviceOf, type GuideCheck, type WalkState } from '../check.ts';
import { eventually, manifest } from '../lab-shell.ts';
import { address, podNames, runningPods, selector } from '../nginx-pods.ts';
import { readWelcome } from '../requests.ts';
import { endpointsArePods } from './service.ts';

export const httpsChecks: readonly GuideCheck[] = [
  { name: 'make keys secret, create -f secret.json: get secrets', run: createSecret },
  { name: 'delete rc,svc -l app=nginx; create -f nginx-app.yaml', run: createApp },
  { name: 'curl -k https://<podIP> from every node', looks: true, run: nodesReachHttps },
  { name: 'create -f curlrc.yaml: a client with the same Secret', run: createClient },
  { name: 'curl https://nginxsvc --cacert verifies the certificate', looks: true, run: verifyByName },
];

/** Where the Secret's files are in the guide's pods. */
const certificate = '/etc/nginx/ssl/nginx.crt';

async function createSecret({ shell }: WalkState): Promise<string> {
  const dir = mkdtempSync(join(tmpdir(), 'weft-guide-'));
  try {
    const [key, cert, secret] = ['nginx.key', 'nginx.crt', 'secret.json'].map((name) => join(dir, name));
    await shell.inGuide('make', 'keys', 'secret', `KEY=${key}`, `CERT=${cert}`, `SECRET=${secret}`);
    await shell.kubectl('create', '-f', secret ?? '');
  } finally {
    rmSync(dir, { recursive: true });
  }
  const table = await shell.kubectl('get', 'secrets');
  if (!/^nginxsecret\s+Opaque\s+2\s/m.test(table)) throw new Error(`kubectl get secrets printed:\n${table}`);
  return 'nginxsecret Opaque 2';
}

async function createApp(walk: WalkState): Promise<string> {
  const before = podNames(walk.pods);
  await walk.shell.kubectl('delete', 'rc,svc', ...selector);
  await walk.shell.kubectl('create', '-f', manifest('nginx-app.yaml'));
  return replaceApp(walk, before);
}

/** Waits for what nginx-app.yaml makes: one pod, other than those `before`, and a Service with both ports. */
export async function replaceApp(walk: WalkState, before: ReadonlySet<string | undefined>): Promise<string> {
  walk.service = await walk.shell.service('nginxsvc');
  walk.pods = await runningPods(walk.shell, 1, before);
  await endpointsArePods(walk);
  const { spec } = serviceOf(walk);
  const ports = (spec.ports ?? []).map(({ port, nodePort }) => `${port}:${nodePort}/TCP`).join();
  const table = await walk.shell.kubectl('get', 'svc', 'nginxsvc');
  if (!table.includes(` ${ports} `))
    throw new Error(`no ${ports} in what kubectl get svc printed:\n${table}`);
  return `${spec.type} ${ports} → ${walk.pods.map(address).join(', ')}`;
}

async function nodesReachHttps({ shell, nodes, pods }: WalkState): Promise<string> {
  for (const node of nodes)
    for (const pod of pods) {
      const onNode = (...command: string[]): Promise<string> => shell.onNode(node, ...command);
      await eventually(() => readWelcome(onNode, `https://${address(pod)}`, '-k'));
    }
  return `${nodes.join(', ')}: Welcome to nginx!`;
}

async function createClient({ shell }: WalkState): Promise<string> {
  await shell.kubectl('create', '-f', manifest('curlrc.yaml'));
  const pod = await eventually(async () => {
    const table = await shell.kubectl('get', 'pods', '-l', 'app=curlpod');
    const row = /^(curlrc-\w+)\s+1\/1\s+Running/m.exec(table);
    if (!row?.[1]) throw new Error(table);
    return row[1];
  });
  const files = await shell.inPod(pod, 'ls', '/etc/nginx/ssl');
  if (files !== 'nginx.crt\nnginx.key\n') throw new Error(`${pod} has in /etc/nginx/ssl: ${files}`);
  return `${pod} 1/1 Running, /etc/nginx/ssl/nginx.crt`;
}

/** With the certificate's own name it must be trusted, and under any other name not. */
async function verifyByName(walk: WalkState): Promise<string> {
  const inClient = (...command: string[]): Promise<string> => walk.shell.inPod('rc/curlrc', ...command);
  const welcome = await readWelcome(inClient, 'https://nginxsvc', '--cacert', certificate);
  const otherName = `https://${serviceOf(walk).spec.clusterIP}`;
  const refusal = await walk.shell.tryKubectl(
    ...['exec', 'rc/curlrc', '--', 'curl', '-sS', '--max-time', '5', otherName, '--cacert', certificate],
  );
  if (refusal.code === 0 || !/SSL/.test(refusal.stderr))
    throw new Error(`${otherName} is not in the certificate, and curl said: ${refusal.stderr}`);
  return `${welcome} (and ${otherName} is refused)`;
}
