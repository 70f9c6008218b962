import { chmodSync, chownSync, mkdirSync, realpathSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Container } from '../../api/kinds/container.ts';
import type { Volume } from '../../api/kinds/volume.ts';
import { writeAtomically } from './atomic-directory.ts';
import { expandVariables } from './expansion.ts';
import type { PodPaths } from './paths.ts';
import { PodError } from './pod-error.ts';
import { isApiData, volumeFiles } from './volume-files.ts';
import type { VolumeInput } from './volume-files.ts';

/** Where a volume is on the host. */
export interface HostVolume {
  readonly path: string;
  /** API data is nobody's to write, whatever the mount says. */
  readonly readOnly: boolean;
}

/**
 * Makes a pod's volumes and returns where each is on the host. What is there stays, so that a restarted container
 * finds its emptyDir again; API data is brought up to date. It lies in the run directory, which is no disk on a
 * real host. Throws PodError InvalidVolume.
 */
export function ensureVolumes(paths: PodPaths, input: VolumeInput): Map<string, HostVolume> {
  const group = input.pod.spec.securityContext?.fsGroup;
  return new Map(
    (input.pod.spec.volumes ?? []).map((volume): [string, HostVolume] => {
      if (isApiData(volume)) return [volume.name, ensureApiData(paths, input, volume, group)];
      if (volume.hostPath)
        return [volume.name, { path: ensureHostPath(volume, volume.hostPath), readOnly: false }];
      if (volume.emptyDir)
        return [volume.name, { path: ensureEmptyDir(paths, volume, group), readOnly: false }];
      throw new PodError(
        'InvalidVolume',
        volume.name,
        `volume "${volume.name}" is of a kind that weft does not mount: use secret, configMap, emptyDir, hostPath, downwardAPI or projected`,
      );
    }),
  );
}

/**
 * Brings the API data in a running pod's volumes up to date; returns why some could not be. Those, and files that
 * are mounted singly by subPath, stay as they were, as under the kubelet.
 */
export function updateVolumes(paths: PodPaths, input: VolumeInput): PodError[] {
  const group = input.pod.spec.securityContext?.fsGroup;
  return (input.pod.spec.volumes ?? []).filter(isApiData).flatMap((volume) => {
    try {
      ensureApiData(paths, input, volume, group);
      return [];
    } catch (error) {
      if (error instanceof PodError) return [error];
      throw error;
    }
  });
}

function ensureApiData(paths: PodPaths, input: VolumeInput, volume: Volume, group?: number): HostVolume {
  const files = volumeFiles(input, volume);
  // Modes inside are the user's choice and may be open to all: nobody else on the host may come this far.
  mkdirSync(paths.runDir, { recursive: true, mode: 0o700 });
  const path = join(paths.memoryVolumes, volume.name);
  mkdirSync(path, { recursive: true });
  // The kubelet has configMaps in an emptyDir on disk, all others in a tmpfs, whose roots look like /tmp.
  shareDirectory(path, volume.configMap ? 0o777 : 0o1777, group);
  writeAtomically(path, files, group);
  return { path, readOnly: true };
}

function ensureEmptyDir(paths: PodPaths, volume: Volume, group: number | undefined): string {
  const parent = volume.emptyDir?.medium === 'Memory' ? paths.memoryVolumes : paths.volumes;
  mkdirSync(paths.runDir, { recursive: true, mode: 0o700 });
  const path = join(parent, volume.name);
  mkdirSync(path, { recursive: true });
  shareDirectory(path, 0o777, group);
  return path;
}

function shareDirectory(path: string, mode: number, group: number | undefined): void {
  if (group !== undefined) chownSync(path, -1, group);
  chmodSync(path, group === undefined ? mode : mode | 0o2000);
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

/** What lies on the host behind each of a container's mountPaths. Throws PodError. */
export function mountSources(
  container: Container,
  volumes: ReadonlyMap<string, HostVolume>,
  environment: Readonly<Record<string, string>>,
): Map<string, HostVolume> {
  const sources = new Map<string, HostVolume>();
  for (const { name, mountPath, subPath = '', subPathExpr = '' } of container.volumeMounts ?? []) {
    const volume = volumes.get(name);
    if (volume === undefined) {
      throw new PodError(
        'InvalidVolume',
        name,
        `volume "${name}" of container ${container.name} is not in the pod`,
      );
    }
    const inner = subPathExpr === '' ? subPath : expandSubPath(container, subPathExpr, environment);
    sources.set(
      mountPath,
      inner === '' ? volume : { ...volume, path: resolveSubPath(name, volume.path, inner) },
    );
  }
  return sources;
}

/** A subPathExpr's variables must all be known: a directory named `$(POD_NAME)` is what nobody wants. */
function expandSubPath(
  container: Container,
  expression: string,
  environment: Readonly<Record<string, string>>,
): string {
  const fail = (why: string): PodError =>
    new PodError('InvalidEnvironment', container.name, `failed to expand subPath for volumeMount: ${why}`);
  const expanded = expandVariables(expression, (name) => {
    const value = environment[name];
    if (value === undefined) throw fail(`missing value for "${name}"`);
    return value;
  });
  if (expanded.startsWith('/')) throw fail(`SubPath \`${expanded}\` must not be an absolute path`);
  if (expanded.split('/').includes('..')) throw fail(`SubPath \`${expanded}\` must not contain '..'`);
  return expanded;
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
