import { execFile, execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Variant } from '../../iptables/iptables-family.ts';
import { runInNamespace } from '../../netns/namespace.ts';

const cache = join(import.meta.dirname, '../../.cache');
/** Where scripts/setup and scripts/soak unpack Debian packages that no test machine has installed. */
const unpacked = ['firewalls', 'docker'].map((name) => join(cache, name));

/** Merged and unmerged places of packages' files: Debian 12 has both, and links the second to the first. */
const places: Readonly<Record<string, readonly string[]>> = {
  '/usr/lib': ['usr/lib', 'lib'],
  '/usr/sbin': ['usr/sbin', 'sbin'],
  '/usr/bin': ['usr/bin', 'bin'],
  '/usr/libexec': ['usr/libexec'],
  '/usr/share': ['usr/share'],
  '/etc': ['etc'],
  '/var/lib': ['var/lib'],
};

/** Whoever may connect may do anything: programs of the host ask nobody else (polkit) for leave then. */
const bus = `<busconfig><type>system</type><listen>unix:path=/run/dbus/system_bus_socket</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/></policy>
</busconfig>`;

/** What `update-alternatives --set iptables /usr/sbin/iptables-legacy` does, and the same for IPv6. */
function renderAlternatives(variant: Variant): string {
  return ['iptables', 'ip6tables']
    .flatMap((program) =>
      ['', '-save', '-restore'].map(
        (suffix) => `ln -sf /usr/sbin/${program}-${variant}${suffix} /etc/alternatives/${program}${suffix}`,
      ),
    )
    .join('\n');
}

export interface PackagedHostOptions {
  /** Which of the kernel's interfaces `iptables` uses there. Default: nft */
  readonly variant?: Variant;
  /** The lock of others who use the legacy interface in the same network namespace. Default: one of its own */
  readonly lockFile?: string;
}

/**
 * For a shell in a mount namespace of its own: unpacked packages are as if they were installed, with a /run and a system
 * bus of their own. What programs write anywhere in these places is gone with the namespace.
 */
export function renderPackagedRoot({ variant = 'nft', lockFile }: PackagedHostOptions = {}): string {
  const layers = Object.entries(places).flatMap(([place, names]) => {
    const lower = unpacked.flatMap((root) => names.map((name) => join(root, name))).filter(existsSync);
    if (!existsSync(place)) return [];
    const own = `/run/layers${place}`;
    const options = `lowerdir=${[...lower, place].join(':')},upperdir=${own}/upper,workdir=${own}/work`;
    return [`mkdir -p ${own}/upper ${own}/work`, `mount -t overlay overlay -o ${options} ${place}`];
  });
  return [
    // Under the /run that comes now it has no path.
    ...(lockFile ? [`exec 3>>${lockFile}`] : []),
    'mount -t tmpfs tmpfs /run',
    ...layers,
    renderAlternatives(variant),
    // What the package's postinst does: configuration files from templates.
    'if [ -d /usr/share/ufw ]; then cp -n /usr/share/ufw/iptables/*.rules /usr/share/ufw/*.init /usr/share/ufw/ufw.conf /etc/ufw/; fi',
    'mkdir -p /run/dbus /run/lock',
    ...(lockFile
      ? ['touch /run/xtables.lock', 'mount --bind /proc/self/fd/3 /run/xtables.lock', 'exec 3>&-']
      : []),
    `cat >/run/dbus/bus.conf <<'E'\n${bus}\nE`,
    // It is listening when it has gone into the background.
    'dbus-daemon --config-file=/run/dbus/bus.conf --fork --nopidfile',
  ].join('\n');
}

/** Debian's paths: a python or an iptables of the user's own is not what the packages were made for. */
const environment = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root', LANG: 'C.UTF-8' };

/** A host in an existing network namespace on which the unpacked packages are installed. Disposing ends its programs. */
export class PackagedHost implements AsyncDisposable {
  readonly #init: ChildProcess;
  readonly #namespace: string;

  private constructor(init: ChildProcess, namespace: string) {
    this.#init = init;
    this.#namespace = namespace;
  }

  /** @param namespace the network namespace's name */
  static async open(namespace: string, options?: PackagedHostOptions): Promise<PackagedHost> {
    // The first process has to wait for those whose parents have ended; a shell that waits for anything does.
    const script = `${renderPackagedRoot(options)}\necho ready\nwhile :; do sleep 60; done`;
    // With a PID namespace of its own whatever is started in it ends with its first process.
    const flags = ['--mount', '--pid', '--fork', '--mount-proc', '--propagation', 'private', '--kill-child'];
    const init = runInNamespace(namespace, () =>
      spawn('unshare', [...flags, 'sh', '-ec', script], {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: environment,
      }),
    );
    await new Promise<void>((resolve, reject) => {
      let said = '';
      init.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
      init.stdout.on('data', (chunk: Buffer) => chunk.toString().includes('ready') && resolve());
      init.once('exit', () => reject(new Error(`no host with packages: ${said}`)));
    });
    return new PackagedHost(init, namespace);
  }

  /** Runs a command line of a root shell there. @throws Error with what it said */
  async run(command: string): Promise<string> {
    return new Promise((resolve, reject) => {
      execFile(
        'nsenter',
        this.#enter(command),
        { env: environment, timeout: 30_000 },
        (error, stdout, stderr) => {
          if (error) reject(new Error(`${command}: ${stdout}${stderr}`.trim(), { cause: error }));
          else resolve(stdout);
        },
      );
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const gone = new Promise((resolve) => this.#init.once('exit', resolve));
    this.#init.kill('SIGKILL');
    await gone;
  }

  #enter(command: string): string[] {
    const inside = execFileSync('pgrep', ['-P', String(this.#init.pid)], { encoding: 'utf8' }).trim();
    return [
      '--target',
      inside,
      '--mount',
      '--pid',
      `--net=/run/netns/${this.#namespace}`,
      'sh',
      '-c',
      command,
    ];
  }
}
