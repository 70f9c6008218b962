import * as fs from 'node:fs';
import { dirname, join } from 'node:path';
import { mount, unmount } from '../../netns/mount.ts';
import type { Image } from './images.ts';
import { PodError } from './pod-error.ts';
import type { Skeleton } from './skeleton.ts';

/** One overlay mount: lower layers from top to bottom, below `path` of the root. */
interface Tree {
  readonly path: string;
  readonly lower: readonly string[];
}

/**
 * Mounts a container's own writable root at `<bundle>/rootfs` and lays the image's files into it. What the
 * container writes lies below `<bundle>/layers`. Throws PodError RootFilesystem; then nothing stays mounted.
 */
export function mountRootfs(bundle: string, image: Image, skeleton: Skeleton): void {
  const rootfs = join(bundle, 'rootfs');
  fs.mkdirSync(rootfs, { recursive: true });
  using undo = new DisposableStack();
  undo.defer(() => unmountRootfs(bundle));
  for (const tree of imageTrees(image, skeleton)) mountTree(bundle, tree);
  for (const [path, content] of Object.entries(image.files)) writeInside(rootfs, path, content);
  undo.move();
}

/** Takes everything off `<bundle>/rootfs`. Nothing there is fine. */
export function unmountRootfs(bundle: string): void {
  const rootfs = join(bundle, 'rootfs');
  const layers = join(bundle, 'layers');
  for (const name of fs.existsSync(layers) ? fs.readdirSync(layers) : []) {
    if (name !== 'root') while (unmount(join(rootfs, name)));
  }
  while (unmount(rootfs));
}

/** A file of a container's root as text; empty when there is none. Links are followed inside the root only. */
export function readInside(rootfs: string, path: string): string {
  try {
    return fs.readFileSync(resolveInside(rootfs, path), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}

function imageTrees(image: Image, skeleton: Skeleton): Tree[] {
  if ('root' in image.root) return [{ path: '', lower: [image.root.root] }];
  return [
    { path: '', lower: [skeleton.base] },
    ...Object.entries(skeleton.trees).map(([path, mask]) => ({ path, lower: [mask, `/${path}`] })),
  ];
}

function mountTree(bundle: string, { path, lower }: Tree): void {
  const layer = join(bundle, 'layers', path === '' ? 'root' : path);
  const upper = join(layer, 'upper');
  const work = join(layer, 'work');
  fs.mkdirSync(upper, { recursive: true, mode: 0o755 });
  fs.mkdirSync(work, { recursive: true, mode: 0o755 });
  const target = join(bundle, 'rootfs', path);
  const options = `lowerdir=${lower.map(escapeOption).join(':')},upperdir=${escapeOption(upper)},workdir=${escapeOption(work)}`;
  try {
    mount('overlay', target, 'overlay', 0, options);
  } catch (error) {
    const reason = (error as Error).message;
    throw new PodError('RootFilesystem', target, `cannot mount the container's root: ${reason}`, {
      cause: error,
    });
  }
}

/** overlayfs takes `:` and `,` apart: https://docs.kernel.org/filesystems/overlayfs.html */
function escapeOption(path: string): string {
  return path.replaceAll(/[\\:,]/g, '\\$&');
}

function writeInside(rootfs: string, path: string, content: string): void {
  const file = resolveInside(rootfs, path);
  fs.mkdirSync(dirname(file), { recursive: true, mode: 0o755 });
  fs.writeFileSync(file, content, { mode: 0o644 });
}

/**
 * The host path of a path in a container's root, its symbolic links read as the container would: an absolute
 * one starts at its root, `..` ends there.
 */
export function resolveInside(rootfs: string, path: string): string {
  const pending = path.split('/').reverse();
  const resolved: string[] = [];
  let links = 0;
  while (pending.length > 0) {
    const part = pending.pop();
    if (part === undefined || part === '' || part === '.') continue;
    if (part === '..') {
      resolved.pop();
      continue;
    }
    const here = join(rootfs, ...resolved, part);
    if (!fs.lstatSync(here, { throwIfNoEntry: false })?.isSymbolicLink()) {
      resolved.push(part);
      continue;
    }
    links += 1;
    if (links > 40) throw new PodError('RootFilesystem', path, `too many symbolic links in ${path}`);
    const target = fs.readlinkSync(here);
    if (target.startsWith('/')) resolved.length = 0;
    pending.push(...target.split('/').reverse());
  }
  return join(rootfs, ...resolved);
}
