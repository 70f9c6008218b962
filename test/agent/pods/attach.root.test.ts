import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Server } from 'node:net';
import t from 'tap';
import { listenInNamespace, listeningPort } from '../../../netns/namespace.ts';
import type { AttachRequest, ContainerProcess } from '../../../agent/streams/pod-streams.ts';
import { skipUnlessRoot } from '../../root.ts';
import { eventually, makePod, readAll } from './fake-node.ts';
import { running, sleeper, withNode } from './live-node.ts';

const request = (pod: string, parts: Partial<AttachRequest> = {}): AttachRequest => ({
  namespace: 'default',
  pod,
  container: 'main',
  tty: false,
  stdin: true,
  ...parts,
});

/** Collects what a process says. */
function listen(process: ContainerProcess): { readonly out: () => string; readonly err: () => string } {
  let [out, err] = ['', ''];
  process.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  process.stderr?.on('data', (chunk: Buffer) => (err += chunk.toString()));
  return { out: () => out, err: () => err };
}

if (skipUnlessRoot(t)) {
  t.test('attach: input, its end where the pod asks for it, both outputs apart', (test) =>
    withNode(test, async (node, worker) => {
      const script = 'while read line; do echo "out $line"; echo "err $line" >&2; done; echo over; exit 3';
      const container = { command: ['sh', '-c', script], stdin: true, stdinOnce: true };
      node.api.add(makePod('once', container, { restartPolicy: 'Never' }));
      await running(node, 'once');
      const process = await worker.streams.attach(request('once'));
      const said = listen(process);
      process.stdin.write('one\ntwo\n');
      await eventually('both are read', () => said.out().includes('two') && said.err().includes('two'));
      process.stdin.end('three');
      test.equal(await process.exitCode, 0, 'watching went well, whatever the container ended with');
      test.equal(said.out(), 'out one\nout two\nover\n');
      test.equal(said.err(), 'err one\nerr two\n');
      const end = await eventually(
        'it ended',
        () => node.api.status('once')?.containerStatuses?.[0]?.state?.terminated,
      );
      test.match(end, { exitCode: 3 });
      test.throws(() => worker.streams.attach(request('once')), {
        code: 400,
        message: /"main" in pod "once" is not running/,
      });
    }),
  );

  t.test('attach: clients come and go, the container stays', (test) =>
    withNode(test, async (node, worker) => {
      node.api.add(makePod('stays', { command: ['cat'], stdin: true }));
      await running(node, 'stays');
      for (const word of ['first', 'second']) {
        const process = await worker.streams.attach(request('stays'));
        const said = listen(process);
        process.stdin.end(`${word}\n`);
        await eventually('it is echoed', () => said.out() === `${word}\n`);
        process.close();
      }
      const blind = await worker.streams.attach(request('stays', { stdin: false }));
      blind.close();
      test.match(node.api.status('stays'), { phase: 'Running', containerStatuses: [{ restartCount: 0 }] });
    }),
  );

  t.test('attach: ten megabytes of input, and a client that reads nothing', (test) =>
    withNode(test, async (node, worker) => {
      const script =
        'wc -c; head -c 3000000 /dev/zero | tr "\\\\0" "x"; echo; echo done > /tmp/done; sleep 1000';
      node.api.add(makePod('counts', { command: ['sh', '-c', script], stdin: true, stdinOnce: true }));
      await running(node, 'counts');
      const process = await worker.streams.attach(request('counts'));
      for (let count = 0; count < 100; count += 1) {
        if (!process.stdin.write(Buffer.alloc(100_000))) await once(process.stdin, 'drain');
      }
      process.stdin.end();
      await once(process.stdout, 'readable');
      const first = process.stdout.read() as Buffer;
      test.match(first.toString(), /^10000000\n/);
      await eventually('the container goes on though nobody reads on', async () => {
        const look = await worker.streams.exec({
          ...request('counts'),
          command: ['cat', '/tmp/done'],
          stdin: false,
        });
        return (await readAll(look.stdout)) === 'done\n';
      });
      process.close();
    }),
  );

  t.test('attach: a terminal, its size and keys', (test) =>
    withNode(test, async (node, worker) => {
      const script = 'while read line; do stty size; echo "<$line>"; done';
      const container = { command: ['bash', '-c', script], stdin: true, stdinOnce: true, tty: true };
      node.api.add(makePod('screen', container));
      await running(node, 'screen');
      const process = await worker.streams.attach(request('screen', { tty: true }));
      test.equal(process.stderr, undefined);
      const said = listen(process);
      process.resize(100, 40);
      await eventually('the size is there and keys are read', () => {
        process.stdin.write('hello\r');
        return said.out().includes('40 100\r\n<hello>\r\n');
      });
      process.close();
    }),
  );

  t.test('whoever watches a pod that is taken away by force sees the end', (test) =>
    withNode(test, async (node, worker) => {
      node.api.add(makePod('gone', { command: ['sh', '-c', 'echo hi; sleep 1000'] }));
      await running(node, 'gone');
      const attached = await worker.streams.attach(request('gone', { stdin: false }));
      listen(attached);
      const options = { follow: true, previous: false, timestamps: false };
      const log = readAll(await worker.streams.logs(request('gone'), options));
      node.api.pods.drop('default/gone');
      test.equal(await log, 'hi\n');
      test.equal(await attached.exitCode, 0);
    }),
  );

  t.test('ports: the pod’s own loopback in both families, and refusals', (test) =>
    withNode(test, async (node, worker) => {
      const pod = node.api.add(makePod('web', sleeper));
      await running(node, 'web');
      const netns = node.network.attached.get(pod.metadata.uid ?? '')?.netns ?? '';
      const dial = await worker.streams.ports({ namespace: 'default', pod: 'web' });
      const servers: Server[] = [];
      test.teardown(() => servers.forEach((server) => server.close()));
      for (const host of ['127.0.0.1', '::1']) {
        const fd = listenInNamespace(netns, { host, port: 0 });
        const server = createServer((socket) => socket.end(`from ${host}`)).listen({ fd });
        servers.push(server);
        await once(server, 'listening');
        const socket = await dial(listeningPort(fd));
        test.equal(await readAll(socket), `from ${host}`);
        socket.destroy();
      }
      await test.rejects(dial(9), {
        message:
          'failed to connect to localhost:9 inside the pod, IPv4: dial tcp4 127.0.0.1:9: connect: connection refused, ' +
          'IPv6: dial tcp6 [::1]:9: connect: connection refused',
      });
      test.throws(() => worker.streams.ports({ namespace: 'default', pod: 'nobody' }), { code: 404 });
    }),
  );
}
