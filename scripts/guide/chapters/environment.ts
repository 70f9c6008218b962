/** "Environment Variables": pods know the Services that are older than themselves. */
import type { Pod } from '../../../api/kinds/pod.ts';
import { serviceOf, type GuideCheck, type WalkState } from '../check.ts';
import type { LabShell } from '../lab-shell.ts';
import { expectSpread, podNames, runningPods } from '../nginx-pods.ts';
import { endpointsArePods } from './service.ts';

export const environmentChecks: readonly GuideCheck[] = [
  { name: 'pods older than the Service do not know it', run: environmentBefore },
  { name: 'scale rc to 0 and 2: new pods know it', run: environmentAfter },
];

async function environmentBefore({ shell, pods }: WalkState): Promise<string> {
  const variables = await serviceVariables(shell, pods[0]);
  if (variables.get('KUBERNETES_SERVICE_PORT') !== '443')
    throw new Error('KUBERNETES_SERVICE_PORT is not set');
  if ([...variables.keys()].some((name) => name.startsWith('NGINXSVC')))
    throw new Error('the pod knows a Service that is younger than itself');
  return `KUBERNETES_SERVICE_HOST=${variables.get('KUBERNETES_SERVICE_HOST')}, no NGINXSVC_…`;
}

async function environmentAfter(walk: WalkState): Promise<string> {
  const clusterIP = serviceOf(walk).spec.clusterIP;
  await walk.shell.kubectl('scale', 'rc', 'my-nginx', '--replicas=0');
  await walk.shell.kubectl('scale', 'rc', 'my-nginx', '--replicas=2');
  walk.pods = await runningPods(walk.shell, 2, podNames(walk.pods));
  expectSpread(walk.pods);
  for (const pod of walk.pods) {
    const variables = await serviceVariables(walk.shell, pod);
    if (
      variables.get('NGINXSVC_SERVICE_HOST') !== clusterIP ||
      variables.get('NGINXSVC_SERVICE_PORT') !== '80'
    )
      throw new Error(`${pod.metadata.name} has ${[...variables].join(' ')}`);
  }
  await endpointsArePods(walk);
  return `NGINXSVC_SERVICE_HOST=${clusterIP}, NGINXSVC_SERVICE_PORT=80`;
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
