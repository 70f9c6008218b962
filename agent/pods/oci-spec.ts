import type { Container } from '../../api/kinds/container.ts';
import type { Pod } from '../../api/kinds/pod.ts';
import type { SecurityContext } from '../../api/kinds/security-context.ts';
import { containerCapabilities, maskedPaths, readonlyPaths } from './capabilities.ts';
import { expandVariables } from './expansion.ts';
import type { Image } from './images.ts';
import { podCgroup } from './paths.ts';
import { PodError } from './pod-error.ts';
import { containerLimits, oomScore } from './resources.ts';
import type { ProcessUser } from './user.ts';
import type { HostVolume } from './volumes.ts';

interface OciMount {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

/** The part of the OCI runtime spec's config.json that we write. https://github.com/opencontainers/runtime-spec */
export interface OciSpec {
  readonly ociVersion: string;
  readonly process: {
    readonly terminal: boolean;
    readonly user: ProcessUser;
    readonly args: readonly string[];
    readonly env: readonly string[];
    readonly cwd: string;
    readonly capabilities: Readonly<Record<'bounding' | 'effective' | 'permitted', readonly string[]>>;
    readonly noNewPrivileges: boolean;
    readonly oomScoreAdj: number;
  };
  readonly root: { readonly path: string; readonly readonly: boolean };
  readonly hostname?: string;
  readonly mounts: readonly OciMount[];
  readonly linux: {
    readonly cgroupsPath: string;
    readonly namespaces: readonly { readonly type: string; readonly path?: string }[];
    readonly resources: object;
    readonly sysctl: Readonly<Record<string, string>>;
    readonly maskedPaths: readonly string[];
    readonly readonlyPaths: readonly string[];
  };
}

export interface SpecInput {
  readonly pod: Pod;
  readonly container: Container;
  readonly image: Image;
  readonly environment: Readonly<Record<string, string>>;
  readonly user: ProcessUser;
  readonly hostname: string;
  /** The pod's network namespace; undefined: the agent's own (hostNetwork). */
  readonly netns: string | undefined;
  readonly rootfs: string;
  /** The lowest oom_score_adj that the host allows. */
  readonly oomFloor: number;
  /** What lies on the host behind each of the container's mountPaths. */
  readonly mountSources: ReadonlyMap<string, HostVolume>;
  /** Single files of the pod's: destination in the container → file on the host. */
  readonly files: Readonly<Record<string, string>>;
}

/** One container as runc wants it. Throws PodError when the pod and its image do not fit together. */
export function renderSpec(input: SpecInput): OciSpec {
  const { pod, container } = input;
  const security = container.securityContext ?? {};
  const capabilities = containerCapabilities(security);
  const effective = input.user.uid === 0 ? capabilities : [];
  const privileged = security.privileged ?? false;
  const ownsNetwork = input.netns !== undefined;
  return {
    ociVersion: '1.0.2',
    process: {
      terminal: container.tty ?? false,
      user: input.user,
      args: processArguments(input),
      env: Object.entries(input.environment).map(([name, value]) => `${name}=${value}`),
      cwd: container.workingDir ?? input.image.workingDir ?? '/',
      capabilities: { bounding: capabilities, effective, permitted: effective },
      noNewPrivileges: security.allowPrivilegeEscalation === false,
      oomScoreAdj: Math.max(oomScore(pod, container), input.oomFloor),
    },
    root: { path: input.rootfs, readonly: security.readOnlyRootFilesystem ?? false },
    ...(ownsNetwork ? { hostname: input.hostname } : {}),
    mounts: [...systemMounts(privileged), ...outerFirst([...volumeMounts(input), ...fileMounts(input)])],
    linux: {
      cgroupsPath: `${podCgroup(pod.metadata.uid ?? '')}/${container.name}`,
      namespaces: namespaces(input),
      resources: cgroupResources(container, privileged),
      sysctl: Object.fromEntries(
        (pod.spec.securityContext?.sysctls ?? []).map(({ name, value }) => [name, value]),
      ),
      maskedPaths: privileged ? [] : maskedPaths,
      readonlyPaths: privileged ? [] : readonlyPaths,
    },
  };
}

/** A pod's command replaces the image's entrypoint and command, its args the image's command only. */
function processArguments({ container, image, environment }: SpecInput): string[] {
  const expand = (text: string): string => expandVariables(text, (name) => environment[name]);
  const { command = [], args = [] } = container;
  const entrypoint = command.length > 0 ? command.map(expand) : image.entrypoint;
  const rest = args.length > 0 || command.length > 0 ? args.map(expand) : image.command;
  const all = [...entrypoint, ...rest];
  if (all.length === 0) {
    throw new PodError('RuntimeFailed', container.name, 'no command specified, and the image has none');
  }
  return all;
}

function namespaces({ pod, netns }: SpecInput): OciSpec['linux']['namespaces'] {
  return [
    { type: 'mount' },
    { type: 'cgroup' },
    ...(pod.spec.hostPID ? [] : [{ type: 'pid' }]),
    ...(pod.spec.hostIPC ? [] : [{ type: 'ipc' }]),
    ...(netns === undefined ? [] : [{ type: 'uts' }, { type: 'network', path: netns }]),
  ];
}

function systemMounts(privileged: boolean): OciMount[] {
  const guarded = ['nosuid', 'noexec', 'nodev'];
  const access = privileged ? 'rw' : 'ro';
  const mount = (destination: string, type: string, source: string, options: string[]): OciMount => ({
    destination,
    type,
    source,
    options,
  });
  const devices = privileged
    ? mount('/dev', 'bind', '/dev', ['rbind', 'rw'])
    : mount('/dev', 'tmpfs', 'tmpfs', ['nosuid', 'strictatime', 'mode=755', 'size=65536k']);
  const terminals = ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'];
  return [
    mount('/proc', 'proc', 'proc', guarded),
    devices,
    mount('/dev/pts', 'devpts', 'devpts', terminals),
    mount('/dev/mqueue', 'mqueue', 'mqueue', guarded),
    mount('/dev/shm', 'tmpfs', 'shm', [...guarded, 'mode=1777', 'size=65536k']),
    mount('/sys', 'sysfs', 'sysfs', [...guarded, access]),
    mount('/sys/fs/cgroup', 'cgroup', 'cgroup', [...guarded, 'relatime', access]),
  ];
}

function volumeMounts({ container, mountSources }: SpecInput): OciMount[] {
  const propagation: Readonly<Record<string, string>> = {
    HostToContainer: 'rslave',
    Bidirectional: 'rshared',
  };
  return (container.volumeMounts ?? []).map(({ mountPath, mountPropagation = '', readOnly = false }) => {
    const volume = mountSources.get(mountPath);
    const access = readOnly || volume?.readOnly ? 'ro' : 'rw';
    return {
      destination: mountPath,
      type: 'bind',
      source: volume?.path ?? '',
      options: ['rbind', propagation[mountPropagation] ?? 'rprivate', access],
    };
  });
}

/** The pod's own files, except where a volume of the pod's stands in their place. */
function fileMounts({ container, files }: SpecInput): OciMount[] {
  const taken = new Set((container.volumeMounts ?? []).map(({ mountPath }) => mountPath));
  return Object.entries(files)
    .filter(([destination]) => !taken.has(destination))
    .map(([destination, source]) => ({
      destination,
      type: 'bind',
      source,
      options: ['bind', 'rprivate', 'rw'],
    }));
}

/** A mount hides what was mounted below its destination before: so `/data` comes before `/data/cache`. */
function outerFirst(mounts: readonly OciMount[]): OciMount[] {
  const depth = ({ destination }: OciMount): number => destination.split('/').filter(Boolean).length;
  return mounts.toSorted((a, b) => depth(a) - depth(b));
}

function cgroupResources(container: Container, privileged: boolean): object {
  const { cpuShares, cpuQuota, memory } = containerLimits(container);
  const cpu =
    cpuQuota === undefined ? { shares: cpuShares } : { shares: cpuShares, quota: cpuQuota, period: 100_000 };
  return {
    // runc itself allows the few devices every container has.
    devices: [{ allow: privileged, access: 'rwm' }],
    cpu,
    ...(memory === undefined ? {} : { memory: { limit: memory } }),
  };
}

/** The pod's securityContext filled in under the container's. */
export function effectiveSecurity(pod: Pod, container: Container): SecurityContext {
  const { runAsUser, runAsGroup, runAsNonRoot } = pod.spec.securityContext ?? {};
  return {
    ...(runAsUser === undefined ? {} : { runAsUser }),
    ...(runAsGroup === undefined ? {} : { runAsGroup }),
    ...(runAsNonRoot === undefined ? {} : { runAsNonRoot }),
    ...container.securityContext,
  };
}
