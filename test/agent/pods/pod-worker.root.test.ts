import * as fs from 'node:fs';
import t from 'tap';
import { Registry } from 'prom-client';
import { PodWorker } from '../../../agent/pods/pod-worker.ts';
import { ImageTable } from '../../../agent/pods/images.ts';
import { rotateLog } from '../../../agent/pods/log-rotation.ts';
import { containerPaths, nodePaths, podPaths } from '../../../agent/pods/paths.ts';
import type { Pod } from '../../../api/kinds/pod.ts';
import { skipUnlessRoot } from '../../root.ts';
import { eventually, makePod, readAll } from './fake-node.ts';
import { output, run, running, sleeper, withNode } from './live-node.ts';

const base64 = (text: string): string => Buffer.from(text).toString('base64');

if (skipUnlessRoot(t)) {
  t.test('a pod sees its environment, names, volumes and nothing else', (test) =>
    withNode(test, async (node, worker) => {
      node.api.put('secrets', 'keys', { token: Buffer.from('s3cret').toString('base64') });
      node.api.put('configmaps', 'settings', { color: 'blue' });
      const service = { metadata: { name: 'nginxsvc', namespace: 'default' } };
      node.api.services.put({ ...service, spec: { clusterIP: '10.96.7.7', ports: [{ port: 80 }] } });
      node.api.add(
        makePod(
          'web',
          {
            ...sleeper,
            env: [
              { name: 'NODE', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } },
              { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
              { name: 'TOKEN', valueFrom: { secretKeyRef: { name: 'keys', key: 'token' } } },
              { name: 'URL', value: 'http://$(NGINXSVC_SERVICE_HOST)/' },
            ],
            envFrom: [{ prefix: 'SET_', configMapRef: { name: 'settings' } }],
            volumeMounts: [
              { name: 'keys', mountPath: '/keys' },
              { name: 'scratch', mountPath: '/scratch' },
            ],
          },
          {
            volumes: [
              { name: 'keys', secret: { secretName: 'keys', defaultMode: 0o400 } },
              { name: 'scratch', emptyDir: {} },
            ],
          },
        ),
      );
      await running(node, 'web');
      const environment = (await output(worker, 'web', 'printenv')).split('\n');
      for (const line of [
        'NODE=node1',
        'IP=10.244.1.2',
        'TOKEN=s3cret',
        'SET_color=blue',
        'URL=http://10.96.7.7/',
        'NGINXSVC_SERVICE_PORT=80',
        'HOSTNAME=web',
      ]) {
        test.ok(environment.includes(line), line);
      }
      test.equal(await output(worker, 'web', 'hostname'), 'web\n');
      test.equal(await output(worker, 'web', 'cat', '/etc/hostname'), 'web\n');
      // Behind them the search domains of the machine that the test runs on.
      test.match(
        await output(worker, 'web', 'cat', '/etc/resolv.conf'),
        /^nameserver 10\.96\.0\.10\nsearch default\.svc\.cluster\.local svc\.cluster\.local cluster\.local( .*)?\noptions ndots:5\n$/,
      );
      test.match(await output(worker, 'web', 'cat', '/etc/hosts'), '10.244.1.2\tweb\n');
      test.equal(await output(worker, 'web', 'cat', '/keys/token'), 's3cret');
      test.equal(await output(worker, 'web', 'stat', '-Lc', '%a', '/keys/token'), '400\n');
      test.equal(await output(worker, 'web', 'readlink', '/keys/token'), '..data/token\n');
      test.equal((await run(worker, 'web', 'touch', '/keys/other')).code, 1, 'API data is read-only');
      test.equal((await run(worker, 'web', 'touch', '/scratch/file', '/usr/bin/file', '/etc/file')).code, 0);
      test.equal(await output(worker, 'web', 'ls', '/sys/class/net'), 'lo\n');
    }),
  );

  t.test('a running pod sees changes of its volumes, all of one at once', (test) =>
    withNode(test, async (node, worker) => {
      node.api.put('secrets', 'keys', { crt: base64('one'), key: base64('one') });
      node.api.put('configmaps', 'settings', { color: 'blue' });
      const labels = { items: [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }] };
      const pod = makePod(
        'web',
        {
          ...sleeper,
          securityContext: { runAsUser: 65534 },
          volumeMounts: [
            ...['keys', 'settings', 'late', 'labels'].map((name) => ({ name, mountPath: `/${name}` })),
            { name: 'keys', mountPath: '/single', subPath: 'crt' },
          ],
        },
        {
          securityContext: { fsGroup: 2000 },
          volumes: [
            { name: 'keys', secret: { secretName: 'keys', defaultMode: 0o400 } },
            { name: 'settings', projected: { sources: [{ configMap: { name: 'settings' } }] } },
            { name: 'late', secret: { secretName: 'late', optional: true } },
            { name: 'labels', downwardAPI: labels },
          ],
        },
      );
      node.api.add(pod);
      await running(node, 'web');
      const sees = (path: string, text: string): Promise<unknown> =>
        eventually(`${path} says ${text}`, async () => (await output(worker, 'web', 'cat', path)) === text);
      test.equal(await output(worker, 'web', 'ls', '/late'), '');
      test.equal(await output(worker, 'web', 'stat', '-Lc', '%a %g', '/keys/crt'), '440 2000\n');
      const pair = await worker.streams.exec({
        ...{ namespace: 'default', pod: 'web', container: 'main', tty: false, stdin: false },
        command: ['timeout', '60', 'sh', '-c', 'until [ $(cat /keys/crt) = two ]; do :; done; cat /keys/key'],
      });
      node.api.put('secrets', 'keys', { crt: base64('two'), key: base64('two') });
      test.equal(await readAll(pair.stdout), 'two', 'certificate and key change together');
      test.equal(await output(worker, 'web', 'cat', '/single'), 'one', 'a file mounted by subPath stays');
      node.api.put('configmaps', 'settings', { color: 'red' });
      await sees('/settings/color', 'red');
      node.api.put('secrets', 'late', { token: base64('here') });
      await sees('/late/token', 'here');
      const now = node.api.pods.get('default/web') ?? pod;
      node.api.pods.put({ ...now, metadata: { ...now.metadata, labels: { app: 'nginx' } } });
      await sees('/labels/labels', 'app="nginx"');
      node.api.drop('secrets', 'keys');
      await eventually('FailedMount is told', () =>
        node.api.events.find(
          ({ reason, message }) => reason === 'FailedMount' && message?.endsWith('secret "keys" not found'),
        ),
      );
      test.equal(await output(worker, 'web', 'cat', '/keys/crt'), 'two', 'what is deleted stays in the pod');
      node.api.drop('secrets', 'late');
      await eventually('optional goes', async () => (await output(worker, 'web', 'ls', '/late')) === '');
      test.equal(node.api.status('web')?.containerStatuses?.[0]?.restartCount, 0);
      node.api.markDeleted('default/web', 0);
      await eventually('nobody watches any more', () =>
        [...node.api.watchers.values()].every(({ size }) => size === 0),
      );
    }),
  );

  t.test('a Service made after the pod is not in its environment', (test) =>
    withNode(test, async (node, worker) => {
      node.api.add(makePod('early', { command: ['sh', '-c', 'sleep 0.2; exit 1'] }));
      await running(node, 'early');
      const service = { metadata: { name: 'late', namespace: 'default' } };
      node.api.services.put({ ...service, spec: { clusterIP: '10.96.7.8', ports: [{ port: 80 }] } });
      node.api.add(makePod('later', sleeper));
      await running(node, 'later');
      test.match(await output(worker, 'later', 'printenv'), 'LATE_SERVICE_HOST=10.96.7.8');
      await eventually(
        'restarted',
        () => node.api.status('early')?.containerStatuses?.[0]?.restartCount === 1,
      );
      const again = await run(worker, 'early', 'printenv').catch(() => ({ output: '' }));
      test.notMatch(again.output, 'LATE_SERVICE_HOST');
    }),
  );

  t.test("a host-root container does not see the host's secrets", (test) =>
    withNode(test, async (node, worker) => {
      node.api.add(makePod('spy', sleeper));
      await running(node, 'spy');
      const hidden = [
        ...['/etc/shadow', '/etc/gshadow', '/etc/sudoers', '/etc/ssl/private', '/etc/ssh', '/etc/weft'],
        ...['/var/lib/weft', '/run/weft', '/run/netns', '/work', node.dir, import.meta.dirname],
      ];
      for (const path of hidden) test.equal((await run(worker, 'spy', 'test', '-e', path)).code, 1, path);
      for (const path of ['/root', '/home', '/opt', '/srv', '/mnt', '/tmp', '/var/log/private']) {
        test.equal(await output(worker, 'spy', 'sh', '-c', `ls -A ${path} 2>/dev/null`), '', path);
      }
      const unreadable = 'find /etc /usr -xdev \\( -type f -o -type d \\) ! -perm -o=r 2>/dev/null | head';
      test.equal(
        await output(worker, 'spy', 'sh', '-c', unreadable),
        '',
        'only what everybody on the host may read',
      );
      test.match(await output(worker, 'spy', 'cat', '/proc/self/status'), /CapEff:\t00000000a80425fb/);
      test.equal((await run(worker, 'spy', 'mount', '-t', 'tmpfs', 'x', '/mnt')).code !== 0, true);
      test.equal(await output(worker, 'spy', 'cat', '/proc/keys'), '', 'a masked path');
      test.equal((await run(worker, 'spy', 'sh', '-c', 'echo 1 > /proc/sys/kernel/sysrq')).code !== 0, true);
    }),
  );

  t.test('an unknown image says so, and runs once it is added', (test) =>
    withNode(test, async (node) => {
      node.api.add(makePod('lost', { image: 'nobody/knows:1', ...sleeper }));
      const waiting = await eventually('waiting', () => {
        const state = node.api.status('lost')?.containerStatuses?.[0]?.state?.waiting;
        return state?.reason === 'ErrImagePull' ? state : undefined;
      });
      test.match(waiting.message, /weft image add nobody\/knows:1/);
      test.match(node.api.events, [{ type: 'Warning', reason: 'Failed', message: /nobody\/knows:1/ }]);
      new ImageTable(node.context.config.stateDir).add('nobody/knows:1', { hostRoot: true });
      await running(node, 'lost');
    }),
  );

  t.test('a program that cannot be run, a missing Secret', (test) =>
    withNode(test, async (node) => {
      node.api.add(makePod('typo', { command: ['no-such-program'] }, { restartPolicy: 'Never' }));
      node.api.add(
        makePod('keyless', {
          ...sleeper,
          env: [{ name: 'X', valueFrom: { secretKeyRef: { name: 'absent', key: 'x' } } }],
        }),
      );
      await eventually('typo failed', () => node.api.status('typo')?.phase === 'Failed');
      const ended = node.api.status('typo')?.containerStatuses?.[0]?.state?.terminated;
      test.match(ended, { exitCode: 128, reason: 'StartError', message: /executable file not found/ });
      await eventually('keyless waits', () => {
        const state = node.api.status('keyless')?.containerStatuses?.[0]?.state?.waiting;
        return (
          state?.reason === 'CreateContainerConfigError' && state.message === 'secret "absent" not found'
        );
      });
    }),
  );

  t.test('containers restart at once, then back off; codes and previous logs are kept', (test) =>
    withNode(test, async (node, worker) => {
      node.api.add(makePod('crash', { command: ['sh', '-c', 'echo out; echo err >&2; exit 7'] }));
      const status = await eventually('crash loop', () => {
        const found = node.api.status('crash')?.containerStatuses?.[0];
        return found?.state?.waiting?.reason === 'CrashLoopBackOff' ? found : undefined;
      });
      test.match(status, {
        restartCount: 1,
        ready: false,
        lastState: { terminated: { exitCode: 7, reason: 'Error' } },
      });
      test.match(
        status.state?.waiting?.message,
        /^back-off 10s restarting failed container=main pod=crash_default/,
      );
      const ref = { namespace: 'default', pod: 'crash', container: 'main' };
      const options = { follow: false, timestamps: false };
      for (const previous of [false, true]) {
        const text = await readAll(await worker.streams.logs(ref, { ...options, previous }));
        test.same(text.split('\n').sort(), ['', 'err', 'out'], `previous: ${previous}`);
      }
    }),
  );

  t.test('Never and OnFailure end in Succeeded and Failed', (test) =>
    withNode(test, async (node) => {
      node.api.add(makePod('good', { command: ['true'] }, { restartPolicy: 'OnFailure' }));
      node.api.add(
        makePod(
          'bad',
          { command: ['sh', '-c', 'printf why > /dev/termination-log; exit 3'] },
          { restartPolicy: 'Never' },
        ),
      );
      await eventually('good', () => node.api.status('good')?.phase === 'Succeeded');
      await eventually('bad', () => node.api.status('bad')?.phase === 'Failed');
      const ended = node.api.status('bad')?.containerStatuses?.[0]?.state?.terminated;
      test.match(ended, { exitCode: 3, reason: 'Error', message: 'why' });
      await eventually('their networks are free again', () => node.network.attached.size === 0);
    }),
  );

  t.test('init containers run before, in order, and share volumes', (test) =>
    withNode(test, async (node, worker) => {
      const volumeMounts = [{ name: 'scratch', mountPath: '/scratch' }];
      const step = (name: string): Pod['spec']['containers'][number] => ({
        name,
        image: 'host',
        command: ['sh', '-c', `echo ${name} >> /scratch/steps`],
        volumeMounts,
      });
      const spec = {
        initContainers: [step('one'), step('two')],
        volumes: [{ name: 'scratch', emptyDir: {} }],
      };
      node.api.add(makePod('staged', { ...sleeper, volumeMounts }, spec));
      await running(node, 'staged');
      test.equal(await output(worker, 'staged', 'cat', '/scratch/steps'), 'one\ntwo\n');
      test.match(node.api.status('staged')?.initContainerStatuses, [{ ready: true }, { ready: true }]);
    }),
  );

  t.test('readiness follows its probe, a failed liveness probe restarts', (test) =>
    withNode(test, async (node, worker) => {
      const probe = (file: string): object => ({
        exec: { command: ['test', '-e', file] },
        periodSeconds: 1,
        failureThreshold: 1,
        timeoutSeconds: 5,
      });
      node.api.add(
        makePod('probed', {
          command: ['sh', '-c', 'touch /tmp/alive; exec sleep 1000'],
          readinessProbe: probe('/tmp/ready'),
          livenessProbe: probe('/tmp/alive'),
        }),
      );
      await running(node, 'probed');
      const main = (): NonNullable<NonNullable<Pod['status']>['containerStatuses']>[number] | undefined =>
        node.api.status('probed')?.containerStatuses?.[0];
      test.equal(main()?.ready, false);
      await run(worker, 'probed', 'touch', '/tmp/ready');
      await eventually('ready', () => main()?.ready === true);
      const conditions = node.api.status('probed')?.conditions ?? [];
      test.match(
        conditions.find(({ type }) => type === 'Ready'),
        { status: 'True' },
      );
      await run(worker, 'probed', 'rm', '/tmp/alive');
      await eventually('restarted', () => main()?.restartCount === 1);
      test.ok(
        node.api.events.some(
          ({ reason, message }) => reason === 'Unhealthy' && message?.startsWith('Liveness'),
        ),
      );
    }),
  );

  t.test('exec: stdin, stdout, stderr, codes, a terminal and its size', (test) =>
    withNode(test, async (node, worker) => {
      node.api.add(makePod('shell', sleeper));
      await running(node, 'shell');
      const ref = { namespace: 'default', pod: 'shell', container: 'main' };
      const both = ['sh', '-c', 'cat; echo problem >&2; exit 42'];
      const piped = await worker.streams.exec({ ...ref, command: both, tty: false, stdin: true });
      piped.stdin.end('x'.repeat(1_000_000));
      const [out, err] = await Promise.all([readAll(piped.stdout), readAll(piped.stderr)]);
      test.equal(out.length, 1_000_000);
      test.equal(err, 'problem\n');
      test.equal(await piped.exitCode, 42);
      for (const [program, code, why] of [
        ['no-such-program', 127, 'executable file not found'],
        ['/no/such/program', 127, 'no such file or directory'],
        ['/etc/passwd', 126, 'permission denied'],
      ] as const) {
        const failing = await worker.streams.exec({ ...ref, command: [program], tty: false, stdin: false });
        const [, complaint] = await Promise.all([readAll(failing.stdout), readAll(failing.stderr)]);
        test.match(complaint, why);
        test.equal(await failing.exitCode, code, program);
      }
      const script = 'read line; stty size; echo "<$line>"; test -t 0 && exit 5';
      const terminal = await worker.streams.exec({
        ...ref,
        command: ['sh', '-c', script],
        tty: true,
        stdin: true,
      });
      terminal.resize(120, 50);
      setTimeout(() => {
        terminal.resize(120, 50);
        terminal.stdin.write('hello\r');
      }, 500);
      test.match(await readAll(terminal.stdout), /50 120\r\n<hello>/);
      test.equal(await terminal.exitCode, 5);
      const left = await worker.streams.exec({ ...ref, command: ['sleep', '777'], tty: false, stdin: false });
      await eventually('sleep 777 runs', () => (left.stdout.readable ? true : undefined));
      await new Promise((resolve) => setTimeout(resolve, 300));
      left.close();
      test.equal(await left.exitCode, 129, 'hung up');
    }),
  );

  t.test('logs follow until the container ends', (test) =>
    withNode(test, async (node, worker) => {
      const script = 'for i in 1 2 3; do echo line $i; sleep 0.2; done';
      node.api.add(makePod('talker', { command: ['sh', '-c', script] }, { restartPolicy: 'Never' }));
      await eventually('started', () => node.api.status('talker')?.containerStatuses?.[0]?.containerID);
      const ref = { namespace: 'default', pod: 'talker', container: 'main' };
      const follow = await worker.streams.logs(ref, { follow: true, previous: false, timestamps: false });
      test.equal(await readAll(follow), 'line 1\nline 2\nline 3\n');
      const tail = await worker.streams.logs(ref, {
        follow: false,
        previous: false,
        timestamps: true,
        tailLines: 1,
      });
      test.match(await readAll(tail), /^20\d\d-\S+Z? line 3\n$/);
    }),
  );

  t.test('a rotated log goes on in a new file', (test) =>
    withNode(test, async (node, worker) => {
      const { uid = '' } = node.api.add(
        makePod('chatty', { command: ['sh', '-c', 'i=0; while sleep 0.1; do i=$((i+1)); echo $i; done'] }),
      ).metadata;
      await running(node, 'chatty');
      const { stateDir, runDir } = node.context.config;
      const { log, bundle } = containerPaths(podPaths(nodePaths(stateDir, runDir), uid), 'main', 0);
      await eventually('three lines', () => fs.readFileSync(log, 'utf8').split('\n').length > 3);
      test.equal(rotateLog(log, bundle), false, 'it is not large');
      test.equal(rotateLog(log, bundle, 1), true);
      await eventually('a new file with lines', () => fs.existsSync(log) && fs.statSync(log).size > 0);
      const ref = { namespace: 'default', pod: 'chatty', container: 'main' };
      const text = await readAll(
        await worker.streams.logs(ref, { follow: false, previous: false, timestamps: false }),
      );
      const numbers = text.trimEnd().split('\n').map(Number);
      test.ok(numbers.length > 3);
      test.strictSame(
        numbers,
        numbers.map((_, index) => index + 1),
        'no line is lost or shown twice',
      );
    }),
  );

  t.test('a container that takes too much memory is OOMKilled', (test) =>
    withNode(test, async (node) => {
      const limited = { command: ['tail', '/dev/zero'], resources: { limits: { memory: '16Mi' } } };
      node.api.add(makePod('greedy', limited, { restartPolicy: 'Never' }));
      await eventually('failed', () => node.api.status('greedy')?.phase === 'Failed');
      const state = node.api.status('greedy')?.containerStatuses?.[0]?.state;
      test.match(state, { terminated: { exitCode: 137, reason: 'OOMKilled' } });
    }),
  );

  t.test('deletion: SIGTERM, the grace period, then SIGKILL; then the object goes', (test) =>
    withNode(test, async (node) => {
      node.api.add(
        makePod('polite', { command: ['sh', '-c', "trap 'exit 0' TERM; while :; do sleep 0.05; done"] }),
      );
      node.api.add(makePod('deaf', sleeper));
      await Promise.all([running(node, 'polite'), running(node, 'deaf')]);
      node.api.markDeleted('default/polite', 30);
      await eventually('polite is gone', () => node.api.deleted.includes('default/polite'));
      node.api.markDeleted('default/deaf', 1);
      await eventually('deaf is gone', () => node.api.deleted.includes('default/deaf'));
      test.ok(node.api.events.some(({ reason }) => reason === 'Killing'));
    }),
  );

  t.test('nothing is ended while the API is away or not read; a force-deleted pod is', (test) =>
    withNode(test, async (node, worker) => {
      const pod = node.api.add(makePod('kept', sleeper));
      await running(node, 'kept');
      await worker.stop();
      const next = new PodWorker({ ...node.context, metrics: new Registry() }, node.network);
      node.api.pods.synced = false;
      node.api.pods.objects.clear();
      await next.start();
      const id = node.network.attached.size;
      await new Promise((resolve) => setTimeout(resolve, 300));
      test.equal(node.network.attached.size, id, 'not synced: it stays');
      node.api.pods.synced = true;
      node.api.away = true;
      node.api.pods.tell({ type: 'synced' });
      await new Promise((resolve) => setTimeout(resolve, 300));
      test.equal(node.network.attached.size, id, 'the API does not answer: it stays');
      node.api.away = false;
      await eventually('it is gone', () => {
        node.api.pods.tell({ type: 'synced' });
        return !node.network.attached.has(pod.metadata.uid ?? '');
      });
      await eventually('nothing is left', () => node.listResidue().length === 0);
      await next.stop();
    }),
  );
}
