import { chmodSync, chownSync, mkdirSync, realpathSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Container } from '../../api/kinds/container.ts';
import type { Volume } from '../../api/kinds/volume.ts';
import type { PodPaths } from './paths.ts';
import { PodError } from './pod-error.ts';
import { volumeFiles } from './volume-files.ts';
import type { VolumeInput } from './volume-files.ts';

/**
 * Makes a pod's volumes and returns where each is on the host. What is there stays as it is, so that a restarted
 * container finds its emptyDir again. API data lies in the run directory, which is no disk on a real host.
 * Throws PodError InvalidVolume.
 */
export function ensureVolumes(paths: PodPaths, input: VolumeInput): Map<string, string> {
  const made = new Map<string, string>();
  const group = input.pod.spec.securityContext?.fsGroup;
  for (const volume of input.pod.spec.volumes ?? [])
    made.set(volume.name, ensureVolume(paths, input, volume, group));
  return made;
}

function ensureVolume(
  paths: PodPaths,
  input: VolumeInput,
  volume: Volume,
  group: number | undefined,
): string {
  if (volume.hostPath) return ensureHostPath(volume, volume.hostPath);
  if (volume.emptyDir) {
    const dir = join(volume.emptyDir.medium === 'Memory' ? paths.memoryVolumes : paths.volumes, volume.name);
    mkdirSync(dir, { recursive: true });
    chmodSync(dir, group === undefined ? 0o777 : 0o2777);
    if (group !== undefined) chownSync(dir, -1, group);
    return dir;
  }
  const files = volumeFiles(input, volume);
  if (files === undefined) {
    throw new PodError(
      'InvalidVolume',
      volume.name,
      `volume "${volume.name}" is of a kind that weft does not mount: use secret, configMap, emptyDir, hostPath, downwardAPI or projected`,
    );
  }
  const dir = join(paths.memoryVolumes, volume.name);
  mkdirSync(dir, { recursive: true, mode: 0o755 });
  for (const [path, { content, mode }] of files) {
    const file = join(dir, path);
    mkdirSync(dirname(file), { recursive: true, mode: 0o755 });
    writeFileSync(file, content);
    chmodSync(file, group === undefined ? mode : mode | ((mode & 0o400) >> 3));
    if (group !== undefined) chownSync(file, 0, group);
  }
  return dir;
}

/** hostPath's types. Source: kubernetes pkg/volume/hostpath. */
function ensureHostPath(volume: Volume, { path, type = '' }: { path: string; type?: string }): string {
  if (type === 'DirectoryOrCreate') mkdirSync(path, { recursive: true, mode: 0o755 });
  if (type === 'FileOrCreate') writeFileSync(path, '', { flag: 'a', mode: 0o644 });
  const found = statSync(path, { throwIfNoEntry: false });
  const fits: Readonly<Record<string, boolean | undefined>> = {
    // Without a type nothing is checked, and a missing path becomes a directory.
    '': true,
    DirectoryOrCreate: found?.isDirectory(),
    Directory: found?.isDirectory(),
    FileOrCreate: found?.isFile(),
    File: found?.isFile(),
    Socket: found?.isSocket(),
    CharDevice: found?.isCharacterDevice(),
    BlockDevice: found?.isBlockDevice(),
  };
  if (fits[type] !== true) {
    throw new PodError(
      'InvalidVolume',
      volume.name,
      `MountVolume.SetUp failed for volume "${volume.name}" : hostPath type check failed: ${path} is not a ${type}`,
    );
  }
  if (found === undefined) mkdirSync(path, { recursive: true, mode: 0o755 });
  return path;
}

/** What lies on the host behind each of a container's mountPaths. Throws PodError InvalidVolume. */
export function mountSources(
  container: Container,
  volumes: ReadonlyMap<string, string>,
): Map<string, string> {
  const sources = new Map<string, string>();
  for (const { name, mountPath, subPath } of container.volumeMounts ?? []) {
    const volume = volumes.get(name);
    if (volume === undefined) {
      throw new PodError(
        'InvalidVolume',
        name,
        `volume "${name}" of container ${container.name} is not in the pod`,
      );
    }
    sources.set(mountPath, subPath ? resolveSubPath(name, volume, subPath) : volume);
  }
  return sources;
}

/** A subPath may not lead out of its volume, not even by a symbolic link that a container left in it. */
function resolveSubPath(name: string, volume: string, subPath: string): string {
  const wanted = join(volume, subPath);
  if (!statSync(wanted, { throwIfNoEntry: false })) mkdirSync(wanted, { recursive: true, mode: 0o755 });
  const root = realpathSync(volume);
  const resolved = realpathSync(wanted);
  if (resolved !== root && !resolved.startsWith(`${root}/`)) {
    throw new PodError('InvalidVolume', name, `subPath "${subPath}" leads out of volume "${name}"`);
  }
  return resolved;
}
