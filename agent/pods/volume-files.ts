import type { Pod } from '../../api/kinds/pod.ts';
import type { Volume } from '../../api/kinds/volume.ts';
import { resolveFieldPath } from './field-path.ts';
import type { PodAddresses } from './field-path.ts';
import { PodError } from './pod-error.ts';
import type { ObjectData, References } from './references.ts';
import { resolveResourceField } from './resources.ts';

/** One file of a volume made of API data. */
interface VolumeFile {
  readonly content: Buffer;
  readonly mode: number;
}

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

/**
 * The files of a secret, configMap, downwardAPI or projected volume by their path in it; undefined for any other
 * volume. Throws PodError InvalidVolume for what is missing, in the kubelet's words.
 */
export function volumeFiles(input: VolumeInput, volume: Volume): Files | undefined {
  const { secret, configMap, downwardAPI, projected } = volume;
  if (secret)
    return projectAll(input, volume, [{ secret: { ...secret, name: secret.secretName ?? '' } }], secret);
  if (configMap) return projectAll(input, volume, [{ configMap }], configMap);
  if (downwardAPI) return projectAll(input, volume, [{ downwardAPI }], downwardAPI);
  if (projected) return projectAll(input, volume, projected.sources ?? [], projected);
  return undefined;
}

function projectAll(
  input: VolumeInput,
  volume: Volume,
  sources: readonly Projection[],
  options: { readonly defaultMode?: number },
): Files {
  const files: Files = new Map();
  const mode = options.defaultMode ?? defaultMode;
  for (const { secret, configMap, downwardAPI } of sources) {
    if (secret) projectKeys(input, volume, keyedSource('secret', secret), mode, files);
    if (configMap) projectKeys(input, volume, keyedSource('configmap', configMap), mode, files);
    if (downwardAPI) projectFields(input, volume, downwardAPI.items, mode, files);
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
  const table = source.kind === 'secret' ? input.references.secrets : input.references.configMaps;
  const data: ObjectData | undefined = table.get(source.name);
  if (data === undefined && !source.optional) throw fail(volume, `${source.kind} "${source.name}" not found`);
  const items: NonNullable<KeyedSource['items']> =
    source.items ?? Object.keys(data ?? {}).map((key) => ({ key, path: key }));
  for (const item of items) {
    const content = data?.[item.key];
    if (content !== undefined) {
      files.set(safePath(volume, item.path), { content, mode: item.mode ?? mode });
    } else if (!source.optional) {
      throw fail(volume, `references non-existent ${source.kind} key: ${item.key}`);
    }
  }
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

/** A volume's paths stay inside it, whatever the API let through. */
function safePath(volume: Volume, path: string): string {
  if (path === '' || path.startsWith('/') || path.split('/').includes('..')) {
    throw fail(volume, `has an invalid path '${path}'`);
  }
  return path;
}

function fail(volume: Volume, message: string): PodError {
  return new PodError(
    'InvalidVolume',
    volume.name,
    `MountVolume.SetUp failed for volume "${volume.name}" : ${message}`,
  );
}
