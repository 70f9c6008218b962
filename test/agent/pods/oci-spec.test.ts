import t from 'tap';
import { containerCapabilities, defaultCapabilities } from '../../../agent/pods/capabilities.ts';
import type { Image } from '../../../agent/pods/images.ts';
import { effectiveSecurity, renderSpec } from '../../../agent/pods/oci-spec.ts';
import type { OciSpec } from '../../../agent/pods/oci-spec.ts';
import { oomFloor } from '../../../agent/pods/oom-floor.ts';
import { containerLimits, oomScore, qosClass } from '../../../agent/pods/resources.ts';
import { resolveUser } from '../../../agent/pods/user.ts';
import type { UserInput } from '../../../agent/pods/user.ts';
import type { Container } from '../../../api/kinds/container.ts';
import type { Pod } from '../../../api/kinds/pod.ts';
import { makePod } from './fake-node.ts';

const image: Image = {
  name: 'docker.io/library/host:latest',
  root: { hostRoot: true },
  entrypoint: ['/entry'],
  command: ['default'],
  env: {},
  files: {},
};

function render(
  container: Partial<Container>,
  spec: Partial<Pod['spec']> = {},
  netns?: string,
  oomFloor = -1000,
): OciSpec {
  const pod = makePod('web', container, spec);
  pod.metadata.uid = 'u1';
  const [main] = pod.spec.containers;
  if (!main) throw new Error('no container');
  return renderSpec({
    pod,
    container: main,
    image,
    environment: { A: 'a', PATH: '/bin' },
    user: { uid: 0, gid: 0, additionalGids: [] },
    hostname: 'web',
    netns,
    rootfs: '/bundle/rootfs',
    oomFloor,
    mountSources: new Map([
      ['/data', { path: '/volumes/data', readOnly: false }],
      ['/data/keys', { path: '/volumes/keys', readOnly: true }],
    ]),
    files: { '/etc/hosts': '/pod/hosts', '/data': '/never' },
  });
}

t.test('command and args against the entrypoint and command of the image', (test) => {
  const args = (container: Partial<Container>): readonly string[] => render(container).process.args;
  test.strictSame(args({}), ['/entry', 'default']);
  test.strictSame(args({ args: ['x'] }), ['/entry', 'x']);
  test.strictSame(args({ command: ['y'] }), ['y']);
  test.strictSame(args({ command: ['echo', '$(A)$$'], args: ['$(A)', '$(NO)'] }), [
    'echo',
    'a$',
    'a',
    '$(NO)',
  ]);
  test.end();
});

t.test('a plain container', (test) => {
  const spec = render(
    { volumeMounts: [{ name: 'data', mountPath: '/data', readOnly: true }] },
    {},
    '/run/netns/x',
  );
  test.match(spec, {
    process: {
      env: ['A=a', 'PATH=/bin'],
      cwd: '/',
      terminal: false,
      noNewPrivileges: false,
      oomScoreAdj: 1000,
    },
    root: { path: '/bundle/rootfs', readonly: false },
    hostname: 'web',
    linux: { cgroupsPath: '/weft-u1/main', resources: { devices: [{ allow: false }] } },
  });
  test.strictSame(spec.process.capabilities.bounding, defaultCapabilities);
  test.strictSame(
    spec.linux.namespaces.map(({ type, path }) => path ?? type),
    ['mount', 'cgroup', 'pid', 'ipc', 'uts', '/run/netns/x'],
  );
  test.ok(spec.linux.maskedPaths.includes('/proc/kcore'));
  const mountsAt = (path: string): unknown[] => spec.mounts.filter(({ destination }) => destination === path);
  test.match(mountsAt('/data'), [{ source: '/volumes/data', options: ['rbind', 'rprivate', 'ro'] }]);
  test.equal(mountsAt('/data').length, 1, "the pod's own file gives way to a volume");
  test.match(mountsAt('/etc/hosts'), [{ source: '/pod/hosts' }]);
  test.match(mountsAt('/sys'), [{ options: ['nosuid', 'noexec', 'nodev', 'ro'] }]);
  test.end();
});

t.test('mounts: the outer one first, API data for reading only', (test) => {
  const volumeMounts = [
    { name: 'keys', mountPath: '/data/keys' },
    { name: 'data', mountPath: '/data' },
  ];
  const mounts = render({ volumeMounts }).mounts.filter(({ destination }) => destination.startsWith('/data'));
  test.match(mounts, [
    { destination: '/data', options: ['rbind', 'rprivate', 'rw'] },
    { destination: '/data/keys', options: ['rbind', 'rprivate', 'ro'] },
  ]);
  test.end();
});

t.test('privileged, host network, limits', (test) => {
  const privileged = render({ securityContext: { privileged: true } });
  test.strictSame(privileged.linux.maskedPaths, []);
  test.ok(privileged.process.capabilities.effective.includes('CAP_SYS_ADMIN'));
  const host = render({}, { hostNetwork: true });
  test.strictSame(
    host.linux.namespaces.map(({ type }) => type),
    ['mount', 'cgroup', 'pid', 'ipc'],
  );
  test.equal(host.hostname, undefined);
  const limited = render({ resources: { limits: { cpu: '500m', memory: '64Mi' } } });
  test.match(limited.linux.resources, {
    cpu: { shares: 512, quota: 50_000, period: 100_000 },
    memory: { limit: 64 * 2 ** 20 },
  });
  test.end();
});

t.test('capabilities', (test) => {
  test.strictSame(containerCapabilities({ capabilities: { drop: ['ALL'], add: ['NET_BIND_SERVICE'] } }), [
    'CAP_NET_BIND_SERVICE',
  ]);
  test.notOk(containerCapabilities({ capabilities: { drop: ['net_raw'] } }).includes('CAP_NET_RAW'));
  test.ok(containerCapabilities({ capabilities: { add: ['CAP_SYS_TIME'] } }).includes('CAP_SYS_TIME'));
  const all = containerCapabilities({ capabilities: { add: ['ALL'], drop: ['SYS_ADMIN'] } });
  test.equal(all.length, 40);
  test.end();
});

t.test('classes of service', (test) => {
  const limits = { cpu: '1', memory: '1Gi' };
  const of = (container: Partial<Container>): string => qosClass(makePod('x', container));
  test.equal(of({}), 'BestEffort');
  test.equal(of({ resources: { limits } }), 'Guaranteed');
  test.equal(of({ resources: { limits, requests: { cpu: '1', memory: '1Gi' } } }), 'Guaranteed');
  test.equal(of({ resources: { limits, requests: { cpu: '500m' } } }), 'Burstable');
  test.equal(of({ resources: { requests: { memory: '1Mi' } } }), 'Burstable');
  const burstable: Container = { name: 'main', resources: { requests: { memory: '1Gi' } } };
  test.equal(oomScore(makePod('x', burstable), burstable, 4 * 2 ** 30), 750);
  test.strictSame(containerLimits({ name: 'x' }), { cpuShares: 2, cpuQuota: undefined, memory: undefined });
  test.end();
});

const passwd = 'root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33::/var/www:/usr/sbin/nologin\n';
const group = 'root:x:0:\nwww-data:x:33:\nssl-cert:x:104:www-data,postgres\nstaff:x:50:\n';

t.test('who a container runs as', (test) => {
  const resolve = (input: Partial<UserInput>): unknown =>
    resolveUser(
      {
        imageUser: undefined,
        runAsUser: undefined,
        runAsGroup: undefined,
        runAsNonRoot: false,
        supplementalGroups: [],
        passwd,
        group,
        ...input,
      },
      'main',
    );
  test.strictSame(resolve({}), { uid: 0, gid: 0, additionalGids: [] });
  test.strictSame(resolve({ imageUser: 'www-data' }), { uid: 33, gid: 33, additionalGids: [104] });
  test.strictSame(resolve({ imageUser: 'www-data:staff' }), { uid: 33, gid: 50, additionalGids: [104] });
  test.strictSame(resolve({ imageUser: '1000:1001' }), { uid: 1000, gid: 1001, additionalGids: [] });
  test.strictSame(resolve({ imageUser: 'www-data:staff', runAsUser: 1000 }), {
    uid: 1000,
    gid: 0,
    additionalGids: [],
  });
  test.strictSame(resolve({ runAsUser: 33, runAsGroup: 7, supplementalGroups: [7, 8] }), {
    uid: 33,
    gid: 7,
    additionalGids: [104, 8],
  });
  test.throws(() => resolve({ imageUser: 'nobody-here' }), { code: 'UserNotFound' });
  test.throws(() => resolve({ imageUser: 'root:nogroup' }), { code: 'UserNotFound' });
  test.throws(() => resolve({ runAsNonRoot: true }), { code: 'UserNotFound' });
  const pod = makePod('x', {}, { securityContext: { runAsUser: 5, runAsNonRoot: true } });
  test.strictSame(effectiveSecurity(pod, { name: 'main', securityContext: { runAsUser: 6 } }), {
    runAsUser: 6,
    runAsNonRoot: true,
  });
  test.end();
});

t.test('a host that may not lower the score of processes starts guaranteed pods all the same', (test) => {
  const limits = { cpu: '500m', memory: '64Mi' };
  const score = (floor: number): number =>
    render({ resources: { limits } }, {}, undefined, floor).process.oomScoreAdj;
  test.equal(score(oomFloor('Name:\tnode\nCapEff:\t000001ffffffffff\nNoNewPrivs:\t0\n', 0)), -997);
  test.equal(score(oomFloor('Name:\tnode\nCapEff:\t000001fffeffffff\nNoNewPrivs:\t0\n', 0)), 0);
  test.equal(score(oomFloor('Name:\tnode\nCapEff:\t0000000000000000\nNoNewPrivs:\t0\n', -500)), -500);
  test.end();
});
