import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { PodError } from './pod-error.ts';

/** Where an image's files come from: this host's own root (without its secrets), or an unpacked root directory. */
export type ImageRoot = { readonly hostRoot: true } | { readonly root: string };

/** How an image's container runs when the pod says nothing else. */
export interface ImageOptions {
  /** Runs before `command`; a pod's `command` replaces both, a pod's `args` only `command`. */
  readonly entrypoint?: readonly string[];
  readonly command?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Files laid over the root at a container's creation: absolute path → content. Mode 0644. */
  readonly files?: Readonly<Record<string, string>>;
  /** `user`, `uid`, `user:group` or `uid:gid`. Default: root. */
  readonly user?: string;
  readonly workingDir?: string;
}

export interface Image extends Required<Omit<ImageOptions, 'user' | 'workingDir'>> {
  /** The full name, e.g. `docker.io/library/nginx:latest`. */
  readonly name: string;
  readonly root: ImageRoot;
  readonly user?: string;
  readonly workingDir?: string;
}

/**
 * The full form of an image name, as Docker and containerd write it: `nginx` is `docker.io/library/nginx:latest`.
 * Source: distribution/reference, "normalized named". Throws PodError ImageInvalid.
 */
export function normalizeImageName(name: string): string {
  if (!/^[\w.:/@-]+$/.test(name)) throw new PodError('ImageInvalid', name, `invalid image name '${name}'`);
  const [path = '', digest] = name.split('@', 2);
  const slash = path.indexOf('/');
  const first = slash < 0 ? '' : path.slice(0, slash);
  const hasRegistry = first.includes('.') || first.includes(':') || first === 'localhost';
  const registry = hasRegistry ? first : 'docker.io';
  let repository = hasRegistry ? path.slice(slash + 1) : path;
  if (registry === 'docker.io' && !repository.includes('/')) repository = `library/${repository}`;
  if (repository === '' || repository.endsWith('/')) {
    throw new PodError('ImageInvalid', name, `invalid image name '${name}'`);
  }
  if (digest !== undefined) return `${registry}/${repository}@${digest}`;
  const tagged = repository.slice(repository.lastIndexOf('/') + 1).includes(':');
  return `${registry}/${repository}${tagged ? '' : ':latest'}`;
}

/**
 * The images of one node: one JSON file each, `<stateDir>/images/<encoded name>.json`, so that `weft image add`
 * and a running agent need not know of each other.
 */
export class ImageTable {
  readonly #dir: string;

  constructor(stateDir: string) {
    this.#dir = join(stateDir, 'images');
  }

  /** Adds or replaces. Throws PodError ImageInvalid for a root that is no directory or a file path that is not absolute. */
  add(name: string, root: ImageRoot, options: ImageOptions = {}): Image {
    const fullName = normalizeImageName(name);
    if ('root' in root && !(isAbsolute(root.root) && isDirectory(root.root))) {
      throw new PodError(
        'ImageInvalid',
        fullName,
        `image root '${root.root}' must be an absolute path of a directory`,
      );
    }
    for (const path of Object.keys(options.files ?? {})) {
      if (!isAbsolute(path)) {
        throw new PodError('ImageInvalid', fullName, `image file '${path}' must have an absolute path`);
      }
    }
    const image: Image = {
      entrypoint: [],
      command: [],
      env: {},
      files: {},
      ...options,
      name: fullName,
      root,
    };
    mkdirSync(this.#dir, { recursive: true, mode: 0o700 });
    const file = this.#file(fullName);
    writeFileSync(`${file}.tmp`, `${JSON.stringify(image, null, 2)}\n`, { mode: 0o600 });
    renameSync(`${file}.tmp`, file);
    return image;
  }

  get(name: string): Image | undefined {
    try {
      return JSON.parse(readFileSync(this.#file(normalizeImageName(name)), 'utf8')) as Image;
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  /** All images, by name. */
  list(): Image[] {
    let names: string[];
    try {
      names = readdirSync(this.#dir);
    } catch (error) {
      if (isMissing(error)) return [];
      throw error;
    }
    return names
      .filter((name) => name.endsWith('.json'))
      .sort()
      .map((name) => JSON.parse(readFileSync(join(this.#dir, name), 'utf8')) as Image);
  }

  /** Missing is fine. Running containers keep their files. */
  remove(name: string): void {
    rmSync(this.#file(normalizeImageName(name)), { force: true });
  }

  #file(fullName: string): string {
    return join(this.#dir, `${encodeURIComponent(fullName)}.json`);
  }
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}
