import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const cache = join(import.meta.dirname, '../.cache/runtimes');
const libraryDirectories = ['x86_64-linux-gnu', 'aarch64-linux-gnu'].map((name) =>
  join(cache, 'usr/lib', name),
);

/** The plugins of Debian's containernetworking-plugins: installed, or unpacked aside by scripts/setup. */
export const debianPlugins = ['/usr/lib/cni', join(cache, 'usr/lib/cni')].find(existsSync) ?? '/usr/lib/cni';

/** An environment in which containerd, podman and umoci are found, installed or unpacked aside by scripts/setup. */
export function runtimesEnvironment(more: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const path = [process.env['PATH'] ?? '', '/usr/sbin', '/sbin', join(cache, 'usr/bin')];
  return {
    ...process.env,
    PATH: path.join(delimiter),
    LD_LIBRARY_PATH: libraryDirectories.filter(existsSync).join(delimiter),
    ...more,
  };
}
