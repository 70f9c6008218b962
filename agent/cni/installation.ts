import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import { supportedVersions } from '../../cni/versions.ts';
import { isErrno } from '../../netns/kernel-error.ts';
import { writeFileDurably } from '../durable-file.ts';

/** Where container runtimes look. */
export interface CniPlaces {
  /** For networks' configurations, e.g. `/etc/cni/net.d`. */
  readonly configDir: string;
  /** For plugins, e.g. `/opt/cni/bin`. */
  readonly binDirs: readonly string[];
}

/** containerd takes the first file in the order of names for its pods' network. */
const configName = '10-weft.conflist';
/** The configuration's `type`, which is the name of the executable. */
const pluginName = 'weft-cni';
/** containerd wants a plugin of this name, whatever network its pods have. Ours is our plugin (cni/loopback.c). */
const loopbackName = 'loopback';

/** The plugin that the build made (cni/weft-cni.c): beside the bundle, or where the sources' build puts it. */
export function findPlugin(): string | undefined {
  const file = join(import.meta.dirname, import.meta.url.endsWith('.ts') ? '../../dist' : '.', pluginName);
  return existsSync(file) ? file : undefined;
}

/** The network's configuration for container runtimes. */
export function renderConflist({
  dnsIPs,
  zone,
}: {
  readonly dnsIPs: readonly string[];
  readonly zone: string;
}): string {
  const capabilities = ['bandwidth', 'dns', 'ipRanges', 'ips', 'mac', 'portMappings'];
  const config = {
    // Runtimes that do not know of cniVersions know 1.0.0, and would refuse the file for a version after it.
    cniVersion: '1.0.0',
    cniVersions: supportedVersions,
    name: 'weft',
    plugins: [
      {
        type: pluginName,
        capabilities: Object.fromEntries(capabilities.map((name) => [name, true])),
        dns: { nameservers: dnsIPs, search: [`svc.${zone}`, zone] },
      },
    ],
  };
  return `${JSON.stringify(config, undefined, 2)}\n`;
}

/**
 * Puts the plugin and then the configuration in place, each as a whole: whoever reads the configuration finds the
 * plugin. Files that are there already as they shall be are left alone.
 */
export function installCni({ configDir, binDirs }: CniPlaces, plugin: string, conflist: string): void {
  for (const binDir of binDirs) {
    mkdirSync(binDir, { recursive: true });
    const file = join(binDir, pluginName);
    if (!isSame(file, readFileSync(plugin))) {
      copyFileSync(plugin, `${file}.new`);
      chmodSync(`${file}.new`, 0o755);
      renameSync(`${file}.new`, file);
    }
    const loopback = join(binDir, loopbackName);
    // Somebody else's is as good. A link to nowhere is theirs, too.
    if (!lstatSync(loopback, { throwIfNoEntry: false })) symlinkSync(pluginName, loopback);
  }
  mkdirSync(configDir, { recursive: true });
  const file = join(configDir, configName);
  if (!isSame(file, Buffer.from(conflist))) writeFileDurably(file, conflist, 0o644);
}

/**
 * Takes the configuration away, then the plugin; `loopback`, too, where it is ours. Directories stay: runtimes watch
 * them.
 */
export function removeCni({ configDir, binDirs }: CniPlaces): void {
  rmSync(join(configDir, configName), { force: true });
  for (const binDir of binDirs) {
    const loopback = join(binDir, loopbackName);
    if (isOurLink(loopback)) rmSync(loopback);
    rmSync(join(binDir, pluginName), { force: true });
  }
}

function isOurLink(path: string): boolean {
  const isLink = lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;
  return isLink && readlinkSync(path) === pluginName;
}

function isSame(file: string, content: Buffer): boolean {
  try {
    return readFileSync(file).equals(content);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false;
    throw error;
  }
}
