import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { guideImages } from '../../../agent/pods/guide-images.ts';
import { ImageTable } from '../../../agent/pods/images.ts';
import { skipUnlessRoot } from '../../root.ts';
import type { FakeNode } from './fake-node.ts';
import { eventually, makePod } from './fake-node.ts';
import { output, run, running, withNode } from './live-node.ts';

function addGuideImages(node: FakeNode): void {
  const table = new ImageTable(node.context.config.stateDir);
  for (const { name, root, options } of guideImages) table.add(name, root, options);
}

/** The Secret that the guide makes with openssl, or a new one in its place. Returns the certificate. */
function addKeys(node: FakeNode): string {
  const [key, crt] = [join(node.dir, 'nginx.key'), join(node.dir, 'nginx.crt')];
  const subject = ['-subj', '/CN=nginxsvc/O=nginxsvc'];
  const made = ['-newkey', 'rsa:2048', '-nodes', '-days', '2', '-keyout', key, '-out', crt];
  execFileSync('openssl', ['req', '-x509', ...made, ...subject], { stdio: 'ignore' });
  node.api.put('secrets', 'nginxsecret', {
    'nginx.key': fs.readFileSync(key).toString('base64'),
    'nginx.crt': fs.readFileSync(crt).toString('base64'),
  });
  return fs.readFileSync(crt, 'utf8');
}

if (skipUnlessRoot(t)) {
  t.test("the guide's nginx answers over both families", (test) =>
    withNode(test, async (node, worker) => {
      addGuideImages(node);
      node.api.add(makePod('my-nginx', { image: 'nginx', ports: [{ containerPort: 80 }] }));
      await running(node, 'my-nginx');
      const curl = (url: string): Promise<string> =>
        output(worker, 'my-nginx', 'curl', '-sSg', '--retry-connrefused', '--retry', '5', url);
      test.match(await curl('http://127.0.0.1/'), '<title>Welcome to nginx!</title>');
      test.equal(await curl('http://127.0.0.1/whoami'), '127.0.0.1 my-nginx\n');
      test.equal(await curl('http://[::1]/whoami'), '::1 my-nginx\n');
      const log = join(node.context.config.stateDir, 'pods', [...node.api.uids][0] ?? '', 'logs/main/0.log');
      await eventually('the access log', () =>
        fs.readFileSync(log, 'utf8').includes('stdout F 127.0.0.1 - - '),
      );
    }),
  );

  t.test("the guide's nginxhttps takes its keys from the Secret's volume", (test) =>
    withNode(test, async (node, worker) => {
      addGuideImages(node);
      addKeys(node);
      const volumeMounts = [{ name: 'secret-volume', mountPath: '/etc/nginx/ssl' }];
      const volumes = [{ name: 'secret-volume', secret: { secretName: 'nginxsecret' } }];
      node.api.add(makePod('secure', { image: 'bprashanth/nginxhttps:1.0', volumeMounts }, { volumes }));
      await running(node, 'secure');
      const url = [
        '--cacert',
        '/etc/nginx/ssl/nginx.crt',
        '--resolve',
        'nginxsvc:443:127.0.0.1',
        'https://nginxsvc',
      ];
      const page = await output(
        worker,
        'secure',
        'curl',
        '-sS',
        '--retry-connrefused',
        '--retry',
        '5',
        ...url,
      );
      test.match(page, 'Welcome to nginx!');
      test.match(await output(worker, 'secure', 'curl', '-sS', 'http://127.0.0.1'), 'Welcome to nginx!');
      const renewed = addKeys(node);
      await eventually(
        'the pod has the new certificate',
        async () => (await output(worker, 'secure', 'cat', '/etc/nginx/ssl/nginx.crt')) === renewed,
      );
      const stale = await run(worker, 'secure', 'curl', '-sS', ...url);
      test.equal(stale.code, 60, 'nginx still shows the old one, which is not the one on disk');
      test.equal((await run(worker, 'secure', 'nginx', '-s', 'reload')).code, 0);
      await eventually(
        'nginx shows the new one',
        async () => (await run(worker, 'secure', 'curl', '-sS', ...url)).code === 0,
      );
    }),
  );

  t.test("the guide's busyboxplus has what the guide calls", (test) =>
    withNode(test, async (node, worker) => {
      addGuideImages(node);
      const container = { image: 'radial/busyboxplus:curl', command: ['sleep', '3600'] };
      node.api.add(makePod('curlpod', container));
      await running(node, 'curlpod');
      for (const program of ['sh', 'curl', 'nslookup', 'printenv']) {
        test.equal((await run(worker, 'curlpod', 'sh', '-c', `command -v ${program}`)).code, 0, program);
      }
    }),
  );
}
