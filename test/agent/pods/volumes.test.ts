import * as fs from 'node:fs';
import t from 'tap';
import { nodePaths, podPaths } from '../../../agent/pods/paths.ts';
import { listReferences } from '../../../agent/pods/references.ts';
import { volumeFiles } from '../../../agent/pods/volume-files.ts';
import { ensureVolumes, mountSources, updateVolumes } from '../../../agent/pods/volumes.ts';
import type { HostVolume } from '../../../agent/pods/volumes.ts';
import type { Volume } from '../../../api/kinds/volume.ts';
import { makePod } from './fake-node.ts';

const references = {
  secrets: new Map([['keys', { 'tls.key': Buffer.from('k'), 'tls.crt': Buffer.from('c') }]]),
  configMaps: new Map([
    ['settings', { text: { color: Buffer.from('blue') }, binary: { logo: Buffer.from('png') } }],
  ]),
};

function inputOf(volumes: Volume[]) {
  const addresses = { podIPs: ['10.244.1.2'], hostIPs: ['192.0.2.11'] };
  return { pod: makePod('web', {}, { volumes }), addresses, references };
}

/** A volume's files as `path mode content`. */
function filesOf(volume: Volume): string[] {
  const files = volumeFiles(inputOf([volume]), volume);
  return [...files].map(([path, { mode, content }]) => `${path} ${mode.toString(8)} ${content.toString()}`);
}

t.test('what is in a volume of API data', (test) => {
  test.strictSame(filesOf({ name: 'v', secret: { secretName: 'keys' } }), ['tls.key 644 k', 'tls.crt 644 c']);
  const items = [{ key: 'tls.key', path: 'private/key', mode: 0o400 }];
  test.strictSame(filesOf({ name: 'v', secret: { secretName: 'keys', defaultMode: 0o440, items } }), [
    'private/key 400 k',
  ]);
  test.strictSame(filesOf({ name: 'v', configMap: { name: 'settings', defaultMode: 0o600 } }), [
    'logo 600 png',
    'color 600 blue',
  ]);
  test.strictSame(filesOf({ name: 'v', secret: { secretName: 'keys', items: [] } }).length, 2);
  const fields = { items: [{ path: 'name', fieldRef: { fieldPath: 'metadata.name' } }] };
  test.strictSame(filesOf({ name: 'v', downwardAPI: fields }), ['name 644 web']);
  const sources = [
    { configMap: { name: 'settings' } },
    { downwardAPI: fields },
    { secret: { name: 'keys', items } },
  ];
  test.strictSame(filesOf({ name: 'v', projected: { sources } }), [
    'logo 644 png',
    'color 644 blue',
    'name 644 web',
    'private/key 400 k',
  ]);
  test.strictSame(filesOf({ name: 'v', secret: { secretName: 'absent', optional: true } }), []);
  const some = { secretName: 'keys', optional: true, items: [{ key: 'no', path: 'x' }, ...items] };
  test.strictSame(filesOf({ name: 'v', secret: some }), ['private/key 400 k']);
  test.end();
});

t.test('what is missing or leads out is refused', (test) => {
  const refused: [Volume, RegExp][] = [
    [{ name: 'v', secret: { secretName: 'absent' } }, /volume "v" : secret "absent" not found/],
    [
      { name: 'v', configMap: { name: 'settings', items: [{ key: 'no', path: 'x' }] } },
      /: configmap references non-existent config key: no/,
    ],
    [
      { name: 'v', secret: { secretName: 'keys', items: [{ key: 'no', path: 'x' }] } },
      /: references non-existent secret key: no/,
    ],
    [
      { name: 'v', projected: { sources: [{ serviceAccountToken: { path: 'token' } }] } },
      /: weft does not project serviceAccountToken/,
    ],
    ...['../../etc/x', '/etc/x', 'a/../../x', '..data', './..data/x', ''].map((path): [Volume, RegExp] => [
      { name: 'v', secret: { secretName: 'keys', items: [{ key: 'tls.key', path }] } },
      /invalid path/,
    ]),
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
  const scratch = made.get('scratch')?.path ?? '';
  const keys = made.get('keys') ?? { path: '', readOnly: false };
  test.equal(fs.readFileSync(`${keys.path}/tls.key`, 'utf8'), 'k');
  test.equal(fs.statSync(`${keys.path}/tls.key`).mode & 0o777, 0o400);
  test.ok(keys.path.startsWith(`${dir}/run/`), 'secrets are in the run directory');
  test.equal(keys.readOnly, true);
  test.equal(fs.statSync(paths.runDir).mode & 0o777, 0o700, 'nobody else on the host gets there');
  test.equal(fs.statSync(scratch).mode & 0o777, 0o777);
  test.strictSame(made.get('host'), { path: `${dir}/host`, readOnly: false });
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

t.test('API data is brought up to date; what cannot be stays', (test) => {
  const dir = test.testdir({});
  const paths = podPaths(nodePaths(`${dir}/state`, `${dir}/run`), 'u1');
  const input = inputOf([
    { name: 'keys', secret: { secretName: 'keys' } },
    { name: 'settings', configMap: { name: 'settings' } },
    { name: 'later', secret: { secretName: 'later', optional: true } },
    { name: 'scratch', emptyDir: {} },
  ]);
  const made = ensureVolumes(paths, input);
  const files = (name: string): string[] =>
    fs.readdirSync(made.get(name)?.path ?? '').filter((file) => !file.startsWith('..'));
  test.strictSame(files('later'), []);
  const references = {
    secrets: new Map([['later', { token: Buffer.from('t') }]]),
    configMaps: new Map([['settings', { text: { size: Buffer.from('4') }, binary: {} }]]),
  };
  test.match(updateVolumes(paths, { ...input, references }), [
    { subject: 'keys', message: 'MountVolume.SetUp failed for volume "keys" : secret "keys" not found' },
  ]);
  test.strictSame(files('keys'), ['tls.crt', 'tls.key']);
  test.strictSame(files('settings'), ['size']);
  test.strictSame(files('later'), ['token']);
  test.end();
});

t.test('a subPath stays in its volume', (test) => {
  const dir = test.testdir({ volume: { sub: {} }, outside: {} });
  fs.symlinkSync('/etc', `${dir}/volume/link`);
  const volumes = new Map([['v', { path: `${dir}/volume`, readOnly: true }]]);
  const source = (mount: { subPath?: string; subPathExpr?: string }): HostVolume | undefined =>
    mountSources({ name: 'main', volumeMounts: [{ name: 'v', mountPath: '/m', ...mount }] }, volumes, {
      NAME: 'web',
      UP: '../up',
      ROOT: '/etc',
    }).get('/m');
  const sources = (subPath: string): string | undefined => source({ subPath })?.path;
  test.equal(sources('sub'), fs.realpathSync(`${dir}/volume/sub`));
  test.equal(sources('new/deep'), fs.realpathSync(`${dir}/volume/new/deep`));
  for (const subPath of ['link', '../outside', 'link/ssl']) {
    test.throws(() => sources(subPath), { code: 'InvalidVolume' }, subPath);
  }
  test.strictSame(source({ subPathExpr: 'logs/$(NAME)' }), {
    path: fs.realpathSync(`${dir}/volume/logs/web`),
    readOnly: true,
  });
  const refused: Record<string, RegExp> = {
    '$(NO)': /missing value for "NO"/,
    '$(UP)': /must not contain '\.\.'/,
    '$(ROOT)': /must not be an absolute path/,
  };
  for (const [subPathExpr, message] of Object.entries(refused)) {
    test.throws(() => source({ subPathExpr }), { code: 'InvalidEnvironment', message }, subPathExpr);
  }
  const unknown = { name: 'x', volumeMounts: [{ name: 'no', mountPath: '/m' }] };
  test.throws(() => mountSources(unknown, volumes, {}), { code: 'InvalidVolume' });
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
