import { posix } from 'node:path';
import type { Pod } from '../../api/kinds/pod.ts';
import type { Volume } from '../../api/kinds/volume.ts';
import type { VolumeFile } from './atomic-directory.ts';
import { resolveFieldPath } from './field-path.ts';
import type { PodAddresses } from './field-path.ts';
import { PodError } from './pod-error.ts';
import type { ObjectData, References } from './references.ts';
import { resolveResourceField } from './resources.ts';

export interface VolumeInput {
  readonly pod: Pod;
  readonly addresses: PodAddresses;
  readonly references: References;
}

type Projection = NonNullable<NonNullable<Volume['projected']>['sources']>[number];
type DownwardItems = NonNullable<Volume['downwardAPI']>['items'];
type Files = Map<string, VolumeFile>;

interface KeyedSource {
  readonly kind: 'secret' | 'configmap';
  readonly name: string;
  readonly items:
    readonly { readonly key: string; readonly path: string; readonly mode?: number }[] | undefined;
  readonly optional: boolean;
}

const defaultMode = 0o644;

/** The kubelet's words. */
const missingKey: Readonly<Record<KeyedSource['kind'], string>> = {
  secret: 'references non-existent secret key',
  configmap: 'configmap references non-existent config key',
};

/** Whether a volume is made of API data: a secret, configMap, downwardAPI or projected volume. */
export function isApiData({ secret, configMap, downwardAPI, projected }: Volume): boolean {
  return [secret, configMap, downwardAPI, projected].some((source) => source !== undefined);
}

/** The files of a volume of API data by their path in it. Throws PodError InvalidVolume, in the kubelet's words. */
export function volumeFiles(input: VolumeInput, volume: Volume): Files {
  const { secret, configMap, downwardAPI, projected } = volume;
  if (secret)
    return projectAll(input, volume, [{ secret: { ...secret, name: secret.secretName ?? '' } }], secret);
  if (configMap) return projectAll(input, volume, [{ configMap }], configMap);
  if (downwardAPI) return projectAll(input, volume, [{ downwardAPI }], downwardAPI);
  return projectAll(input, volume, projected?.sources ?? [], projected ?? {});
}

function projectAll(
  input: VolumeInput,
  volume: Volume,
  sources: readonly Projection[],
  options: { readonly defaultMode?: number },
): Files {
  const files: Files = new Map();
  const mode = options.defaultMode ?? defaultMode;
  for (const { secret, configMap, downwardAPI, ...others } of sources) {
    if (secret) projectKeys(input, volume, keyedSource('secret', secret), mode, files);
    if (configMap) projectKeys(input, volume, keyedSource('configmap', configMap), mode, files);
    if (downwardAPI) projectFields(input, volume, downwardAPI.items, mode, files);
    const unknown = Object.keys(others)[0];
    // A program without the token it counts on fails far from the reason.
    if (unknown !== undefined) throw fail(volume, `weft does not project ${unknown}`);
  }
  return files;
}

function keyedSource(
  kind: KeyedSource['kind'],
  source: { name?: string; items?: KeyedSource['items']; optional?: boolean },
): KeyedSource {
  return { kind, name: source.name ?? '', items: source.items, optional: source.optional ?? false };
}

function projectKeys(
  input: VolumeInput,
  volume: Volume,
  source: KeyedSource,
  mode: number,
  files: Files,
): void {
  const data = findData(input.references, source);
  if (data === undefined && !source.optional) throw fail(volume, `${source.kind} "${source.name}" not found`);
  const { items = [] } = source;
  const every = Object.keys(data ?? {}).map((key) => ({ key, path: key, mode: undefined }));
  for (const item of items.length > 0 ? items : every) {
    const content = data?.[item.key];
    if (content !== undefined) {
      files.set(safePath(volume, item.path), { content, mode: item.mode ?? mode });
    } else if (!source.optional) {
      throw fail(volume, `${missingKey[source.kind]}: ${item.key}`);
    }
  }
}

function findData({ secrets, configMaps }: References, { kind, name }: KeyedSource): ObjectData | undefined {
  if (kind === 'secret') return secrets.get(name);
  const found = configMaps.get(name);
  return found && { ...found.binary, ...found.text };
}

function projectFields(
  input: VolumeInput,
  volume: Volume,
  items: DownwardItems,
  mode: number,
  files: Files,
): void {
  for (const { path, fieldRef, resourceFieldRef, mode: own = mode } of items ?? []) {
    const container = input.pod.spec.containers.find(({ name }) => name === resourceFieldRef?.containerName);
    const value = fieldRef
      ? resolveFieldPath(input.pod, input.addresses, fieldRef.fieldPath)
      : container && resourceFieldRef
        ? resolveResourceField(container, resourceFieldRef.resource, resourceFieldRef.divisor)
        : undefined;
    if (value === undefined) throw fail(volume, `cannot resolve what ${path} refers to`);
    files.set(safePath(volume, path), { content: Buffer.from(value), mode: own });
  }
}

/** A volume's paths stay inside it, whatever the API let through; names with two dots in front are our own. */
function safePath(volume: Volume, path: string): string {
  const clean = posix.normalize(path);
  if (path === '' || clean.startsWith('/') || clean.startsWith('..') || path.split('/').includes('..')) {
    throw fail(volume, `has an invalid path '${path}'`);
  }
  return clean;
}

function fail(volume: Volume, message: string): PodError {
  return new PodError(
    'InvalidVolume',
    volume.name,
    `MountVolume.SetUp failed for volume "${volume.name}" : ${message}`,
  );
}
