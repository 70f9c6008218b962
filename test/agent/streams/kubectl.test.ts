import t from 'tap';
import { listKubectls } from '../../kubectls.ts';
import { startCluster } from './kubectl-cluster.ts';

/** kubectl up to 1.29 speaks SPDY, from 1.31 on WebSocket. */
const kubectls = listKubectls();

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

for (const { path: kubectl, version } of kubectls) {
  t.test(`kubectl ${version}`, async (t) => {
    const { run, node } = await startCluster(t);
    const kube = run(kubectl);

    t.test('exec: output, errors and the exit code pass through', async (t) => {
      const result = await kube(['exec', 'web', '--', 'sh', '-c', 'echo out; echo err >&2; exit 7']);
      t.equal(result.exitCode, 7);
      t.equal(text(result.stdout), 'out\n');
      t.match(text(result.stderr), /^err\n.*command terminated with exit code 7/s);
    });

    t.test('exec -i: stdin reaches its end', async (t) => {
      const result = await kube(['exec', '-i', 'web', '--', 'cat'], { input: Buffer.from('hello') });
      t.equal(text(result.stdout), 'hello');
      t.equal(result.exitCode, 0);
    });

    t.test('exec: twenty megabytes each way arrive unharmed', async (t) => {
      const input = Buffer.alloc(20 * 1024 * 1024);
      for (let at = 0; at < input.length; at += 4) input.writeUInt32BE((at * 40503) % 2 ** 32, at);
      const result = await kube(['exec', '-i', 'web', '--', 'cat'], { input });
      t.equal(result.exitCode, 0, text(result.stderr));
      t.ok(input.equals(result.stdout), `${result.stdout.length} of ${input.length} bytes, in order`);
    });

    t.test('exec -i: a process that reads nothing', async (t) => {
      const input = Buffer.alloc(5 * 1024 * 1024);
      const result = await kube(['exec', '-i', 'web', '--', 'echo', 'done'], { input });
      t.equal(text(result.stdout), 'done\n');
      t.equal(result.exitCode, 0, text(result.stderr));
    });

    t.test('exec: what cannot be found is said', async (t) => {
      const program = await kube(['exec', 'web', '--', '/no/such/program']);
      t.not(program.exitCode, 0);
      t.match(text(program.stderr), /ENOENT/);
      const pod = await kube(['exec', 'nobody', '--', 'true']);
      t.match(text(pod.stderr), /pods "nobody" not found/);
    });

    t.test('logs', async (t) => {
      const result = await kube(['logs', 'web', '--tail=5']);
      t.equal(text(result.stdout), 'one\ntwo\n');
      t.match(node.processes.logRequests.at(-1), { tailLines: 5, follow: false });
    });

    t.test('attach', async (t) => {
      const result = await kube(['attach', 'web']);
      t.match(text(result.stdout), 'attached\n');
    });
  });
}
