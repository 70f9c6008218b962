/** Kubernetes' client library reaches into pods unchanged. */
import { once } from 'node:events';
import * as net from 'node:net';
import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { Exec, KubeConfig, Log, PortForward } from '@kubernetes/client-node';
import type { V1Status } from '@kubernetes/client-node';
import t from 'tap';
import { startCluster } from './kubectl-cluster.ts';

t.test('@kubernetes/client-node', async (t) => {
  const { kubeconfig } = await startCluster(t);
  const config = new KubeConfig();
  config.loadFromFile(kubeconfig);

  t.test('exec: input, both outputs, the exit code', async (t) => {
    const [stdout, stderr] = [new PassThrough(), new PassThrough()];
    const ended = Promise.withResolvers<V1Status>();
    const command = ['sh', '-c', 'read line; echo "got $line"; echo bad >&2; exit 7'];
    const stdin = Readable.from(['hello\n']);
    const exec = new Exec(config);
    const socket = await exec.exec(
      'default',
      'web',
      'main',
      command,
      stdout,
      stderr,
      stdin,
      false,
      ended.resolve,
    );
    t.match(await ended.promise, { reason: 'NonZeroExitCode', details: { causes: [{ message: '7' }] } });
    t.equal(String(stdout.read()), 'got hello\n');
    t.equal(String(stderr.read()), 'bad\n');
    socket.close();
  });

  t.test('port-forward', async (t) => {
    const server = net.createServer((socket) =>
      socket.once('data', (data) => socket.end(`got ${data.toString()}`)),
    );
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.teardown(() => server.close());
    const { port } = server.address() as net.AddressInfo;
    const [output, errors, input] = [new PassThrough(), new PassThrough(), new PassThrough()];
    await new PortForward(config).portForward('default', 'web', [port], output, errors, input);
    input.write('hello');
    let answer = '';
    for await (const chunk of output) {
      answer += String(chunk);
      if (answer === 'got hello') break;
    }
    t.equal(answer, 'got hello');
  });

  t.test('log', async (t) => {
    const output = new PassThrough();
    await new Log(config).log('default', 'web', 'main', output, { tailLines: 5 });
    t.equal(await text(output), 'one\ntwo\n');
  });
});
