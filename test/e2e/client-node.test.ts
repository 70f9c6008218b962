/* eslint-disable @typescript-eslint/no-unsafe-class-instance-assignment -- the library's classes are meant as shapes */
/** The Kubernetes client library for Node against a lab: a pod comes, and a command runs in it. */
import { Writable } from 'node:stream';
import { CoreV1Api, Exec, KubeConfig, type V1Status } from '@kubernetes/client-node';
import t from 'tap';
import { eventually } from '../../scripts/guide/lab-shell.ts';
import { skipUnlessRoot } from '../root.ts';
import { TestLab } from './lab-fixture.ts';

const namespace = 'default';

/** Keeps what is written to it. */
class Kept extends Writable {
  text = '';

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

if (skipUnlessRoot(t)) {
  const lab = new TestLab('client-node-test', 1);
  t.teardown(() => lab.down());

  t.test('exec', async (t) => {
    await lab.up();
    const config = new KubeConfig();
    config.loadFromFile(lab.run('kubeconfig').trim());
    const core = config.makeApiClient(CoreV1Api);
    await core.createNamespacedPod({
      namespace,
      body: {
        metadata: { name: 'shell' },
        spec: { containers: [{ name: 'shell', image: 'nginx' }] },
      },
    });
    await eventually(async () => {
      const { status } = await core.readNamespacedPodStatus({ name: 'shell', namespace });
      if (status?.phase !== 'Running') throw new Error(`the pod is ${status?.phase}`);
    });
    const run = async (command: string[]) => {
      const [stdout, stderr] = [new Kept(), new Kept()];
      const status = await new Promise<V1Status>((resolve, reject) => {
        new Exec(config)
          .exec(namespace, 'shell', 'shell', command, stdout, stderr, null, false, resolve)
          .catch(reject);
      });
      return { stdout: stdout.text, stderr: stderr.text, status };
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
  });
}
