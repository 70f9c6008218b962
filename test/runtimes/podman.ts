import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runInNamespace } from '../../netns/namespace.ts';
import type { RuntimeOptions } from './containerd.ts';
import { imageName } from './image.ts';
import { runtimesEnvironment } from '../../rig/runtime-programs.ts';

/** podman with its CNI backend and state of its own, in a network namespace. It has no daemon. */
export class Podman implements Disposable {
  readonly #options: RuntimeOptions;
  readonly #env: NodeJS.ProcessEnv;

  constructor(options: RuntimeOptions) {
    const { directory, image } = options;
    this.#options = options;
    const settings = { 'containers.conf': renderConfig(options), 'storage.conf': renderStorage(options) };
    mkdirSync(directory, { recursive: true });
    for (const [name, text] of Object.entries(settings)) writeFileSync(join(directory, name), text);
    writeFileSync(join(directory, 'policy.json'), '{"default":[{"type":"insecureAcceptAnything"}]}');
    writeFileSync(join(directory, 'registries.conf'), '');
    this.#env = runtimesEnvironment({
      CONTAINERS_CONF: join(directory, 'containers.conf'),
      CONTAINERS_STORAGE_CONF: join(directory, 'storage.conf'),
      CONTAINERS_REGISTRIES_CONF: join(directory, 'registries.conf'),
      ...options.environment,
    });
    const policy = ['--signature-policy', join(directory, 'policy.json')];
    // `Loaded image: NAME`
    const id =
      this.run('load', '--quiet', ...policy, '--input', image.archive)
        .trim()
        .split(' ')
        .at(-1) ?? '';
    this.run('tag', id, imageName);
  }

  /** `podman ARGS`; returns what it printed, throws with its error output. */
  run(...args: string[]): string {
    return runInNamespace(this.#options.namespace, () =>
      execFileSync('podman', args, { env: this.#env, encoding: 'utf8', stdio: 'pipe', timeout: 60_000 }),
    );
  }

  /** `podman ARGS`, which may be ended before it is done. */
  start(...args: string[]): ChildProcess {
    return runInNamespace(this.#options.namespace, () =>
      spawn('podman', args, { env: this.#env, stdio: 'ignore' }),
    );
  }

  /** Ends and removes every container. */
  [Symbol.dispose](): void {
    this.run('rm', '--all', '--force', '--time', '0');
  }
}

/** What this machine lacks is left out: systemd for cgroups and journal. */
function renderConfig({ directory, cni }: RuntimeOptions): string {
  return `[containers]
log_driver = "k8s-file"
apparmor_profile = ""
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
static_dir = "${directory}/static"
tmp_dir = "${directory}/tmp"
volume_path = "${directory}/volumes"
[network]
network_backend = "cni"
cni_plugin_dirs = ["${cni.binDir}"]
network_config_dir = "${cni.configDir}"
`;
}

function renderStorage({ directory }: RuntimeOptions): string {
  return `[storage]
driver = "vfs"
graphroot = "${directory}/storage"
runroot = "${directory}/run"
`;
}
