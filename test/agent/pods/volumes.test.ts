import * as fs from 'node:fs';
import t from 'tap';
import { nodePaths, podPaths } from '../../../agent/pods/paths.ts';
import { listReferences } from '../../../agent/pods/references.ts';
import { volumeFiles } from '../../../agent/pods/volume-files.ts';
import { ensureVolumes, mountSources } from '../../../agent/pods/volumes.ts';
import type { Volume } from '../../../api/kinds/volume.ts';
import { makePod } from './fake-node.ts';

const references = {
  secrets: new Map([['keys', { 'tls.key': Buffer.from('k'), 'tls.crt': Buffer.from('c') }]]),
  configMaps: new Map([['settings', { color: Buffer.from('blue') }]]),
};

function inputOf(volumes: Volume[]) {
  const addresses = { podIPs: ['10.244.1.2'], hostIPs: ['192.0.2.11'] };
  return { pod: makePod('web', {}, { volumes }), addresses, references };
}

/** A volume's files as `path mode content`. */
function filesOf(volume: Volume): string[] | undefined {
  const files = volumeFiles(inputOf([volume]), volume);
  return (
    files &&
    [...files].map(([path, { mode, content }]) => `${path} ${mode.toString(8)} ${content.toString()}`)
  );
}

t.test('what is in a volume of API data', (test) => {
  test.strictSame(filesOf({ name: 'v', secret: { secretName: 'keys' } }), ['tls.key 644 k', 'tls.crt 644 c']);
  const items = [{ key: 'tls.key', path: 'private/key', mode: 0o400 }];
  test.strictSame(filesOf({ name: 'v', secret: { secretName: 'keys', defaultMode: 0o440, items } }), [
    'private/key 400 k',
  ]);
  test.strictSame(filesOf({ name: 'v', configMap: { name: 'settings', defaultMode: 0o600 } }), [
    'color 600 blue',
  ]);
  const fields = { items: [{ path: 'name', fieldRef: { fieldPath: 'metadata.name' } }] };
  test.strictSame(filesOf({ name: 'v', downwardAPI: fields }), ['name 644 web']);
  const sources = [
    { configMap: { name: 'settings' } },
    { downwardAPI: fields },
    { secret: { name: 'keys', items } },
  ];
  test.strictSame(filesOf({ name: 'v', projected: { sources } }), [
    'color 644 blue',
    'name 644 web',
    'private/key 400 k',
  ]);
  test.strictSame(filesOf({ name: 'v', secret: { secretName: 'absent', optional: true } }), []);
  test.equal(filesOf({ name: 'v', emptyDir: {} }), undefined);
  test.end();
});

t.test('what is missing or leads out is refused', (test) => {
  const refused: [Volume, RegExp][] = [
    [{ name: 'v', secret: { secretName: 'absent' } }, /volume "v" : secret "absent" not found/],
    [
      { name: 'v', configMap: { name: 'settings', items: [{ key: 'no', path: 'x' }] } },
      /non-existent configmap key: no/,
    ],
    [
      { name: 'v', secret: { secretName: 'keys', items: [{ key: 'tls.key', path: '../../etc/x' }] } },
      /invalid path/,
    ],
    [
      { name: 'v', secret: { secretName: 'keys', items: [{ key: 'tls.key', path: '/etc/x' }] } },
      /invalid path/,
    ],
  ];
  for (const [volume, message] of refused) {
    test.throws(() => filesOf(volume), { code: 'InvalidVolume', message });
  }
  test.end();
});

t.test('volumes on disk', (test) => {
  const dir = test.testdir({ host: { file: 'x' } });
  const paths = podPaths(nodePaths(`${dir}/state`, `${dir}/run`), 'u1');
  const volumes: Volume[] = [
    { name: 'keys', secret: { secretName: 'keys', defaultMode: 0o400 } },
    { name: 'scratch', emptyDir: {} },
    { name: 'host', hostPath: { path: `${dir}/host`, type: 'Directory' } },
    { name: 'made', hostPath: { path: `${dir}/made`, type: 'DirectoryOrCreate' } },
  ];
  const made = ensureVolumes(paths, inputOf(volumes));
  const scratch = made.get('scratch') ?? '';
  test.equal(fs.readFileSync(`${made.get('keys') ?? ''}/tls.key`, 'utf8'), 'k');
  test.equal(fs.statSync(`${made.get('keys') ?? ''}/tls.key`).mode & 0o777, 0o400);
  test.ok(made.get('keys')?.startsWith(`${dir}/run/`), 'secrets are in the run directory');
  test.equal(fs.statSync(scratch).mode & 0o777, 0o777);
  test.equal(made.get('host'), `${dir}/host`);
  test.ok(fs.statSync(`${dir}/made`).isDirectory());
  fs.writeFileSync(`${scratch}/kept`, '');
  test.strictSame(ensureVolumes(paths, inputOf(volumes)), made);
  test.ok(fs.existsSync(`${scratch}/kept`));
  const bad: Volume = { name: 'bad', hostPath: { path: `${dir}/host/file`, type: 'Directory' } };
  test.throws(() => ensureVolumes(paths, inputOf([bad])), { code: 'InvalidVolume' });
  const claim: Volume = { name: 'claim', persistentVolumeClaim: { claimName: 'x' } };
  test.throws(() => ensureVolumes(paths, inputOf([claim])), {
    code: 'InvalidVolume',
    message: /weft does not mount/,
  });
  test.end();
});

t.test('a subPath stays in its volume', (test) => {
  const dir = test.testdir({ volume: { sub: {} }, outside: {} });
  fs.symlinkSync('/etc', `${dir}/volume/link`);
  const sources = (subPath: string): string | undefined =>
    mountSources(
      { name: 'main', volumeMounts: [{ name: 'v', mountPath: '/m', subPath }] },
      new Map([['v', `${dir}/volume`]]),
    ).get('/m');
  test.equal(sources('sub'), fs.realpathSync(`${dir}/volume/sub`));
  test.equal(sources('new/deep'), fs.realpathSync(`${dir}/volume/new/deep`));
  for (const subPath of ['link', '../outside', 'link/ssl']) {
    test.throws(() => sources(subPath), { code: 'InvalidVolume' }, subPath);
  }
  test.throws(() => mountSources({ name: 'x', volumeMounts: [{ name: 'no', mountPath: '/m' }] }, new Map()), {
    code: 'InvalidVolume',
  });
  test.end();
});

t.test('what a pod refers to', (test) => {
  const pod = makePod(
    'web',
    {
      env: [{ name: 'X', valueFrom: { secretKeyRef: { name: 'a', key: 'k' } } }],
      envFrom: [{ configMapRef: { name: 'b' } }, { secretRef: { name: 'c' } }],
    },
    {
      volumes: [
        { name: 'v', secret: { secretName: 'd' } },
        { name: 'w', projected: { sources: [{ configMap: { name: 'e' } }, { secret: { name: 'a' } }] } },
      ],
    },
  );
  const { secrets, configMaps } = listReferences(pod);
  test.strictSame([...secrets].sort(), ['a', 'c', 'd']);
  test.strictSame([...configMaps].sort(), ['b', 'e']);
  test.end();
});
