/* eslint-disable @typescript-eslint/no-unsafe-class-instance-assignment -- the library's classes are meant as shapes */
import { PassThrough } from 'node:stream';
import { CoreV1Api, Exec, KubeConfig, type V1Status } from '@kubernetes/client-node';
import type { Test } from 'tap';
import { eventually } from '../../api/eventually.ts';

const namespace = 'default';
const name = 'library';

/** The Kubernetes client library for Node: a pod comes, and a command runs in it. */
export async function checkLibrary(t: Test, kubeconfig: string): Promise<void> {
  const config = new KubeConfig();
  config.loadFromFile(kubeconfig);
  const core = config.makeApiClient(CoreV1Api);
  const spec = { containers: [{ name: 'shell', image: 'nginx' }] };
  await core.createNamespacedPod({ namespace, body: { metadata: { name }, spec } });
  const phase = async (): Promise<string | undefined> =>
    (await core.readNamespacedPodStatus({ name, namespace })).status?.phase;
  await eventually('the pod runs', async () => (await phase()) === 'Running');
  const run = async (command: string[]) => {
    const [stdout, stderr] = [new PassThrough(), new PassThrough()];
    const status = await new Promise<V1Status>((resolve, reject) => {
      new Exec(config)
        .exec(namespace, name, 'shell', command, stdout, stderr, null, false, resolve)
        .catch(reject);
    });
    return { stdout: String(stdout.read()), stderr: String(stderr.read()), status };
  };
  t.match(await run(['sh', '-c', 'echo out; echo err >&2']), {
    stdout: 'out\n',
    stderr: 'err\n',
    status: { status: 'Success' },
  });
  const failed = await run(['sh', '-c', 'exit 3']);
  t.match(failed.status, {
    status: 'Failure',
    reason: 'NonZeroExitCode',
    details: { causes: [{ reason: 'ExitCode', message: '3' }] },
  });
}
