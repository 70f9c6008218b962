import * as fs from 'node:fs';
import { dirname, join } from 'node:path';

/** One file of a volume made of API data. */
export interface VolumeFile {
  readonly content: Buffer;
  readonly mode: number;
}

export type VolumeFiles = ReadonlyMap<string, VolumeFile>;

const dataLink = '..data';
const nextLink = '..data_tmp';

/**
 * Makes a directory show exactly `files`, all of them changing in one instant; whether anything changed. The files
 * lie in a directory of their own, `..data` leads there and is replaced by a rename, and what a user sees are links
 * through it: `nginx.crt → ..data/nginx.crt`. Programs watch `..data` for changes, so it is laid out as the kubelet
 * does (kubernetes pkg/volume/util/atomic_writer.go). `group` owns the files and may read them (fsGroup).
 */
export function writeAtomically(dir: string, files: VolumeFiles, group?: number): boolean {
  const current = readLink(join(dir, dataLink));
  if (current !== undefined && isSame(join(dir, current), files)) return false;
  const fresh = fs.mkdtempSync(join(dir, timestampPrefix(new Date())));
  for (const [path, file] of files) writeFile(fresh, path, file);
  shareTree(fresh, group);
  const names = new Set([...files.keys()].map((path) => path.split('/', 1)[0] ?? ''));
  for (const name of names) ensureLink(join(dir, name), `${dataLink}/${name}`);
  fs.rmSync(join(dir, nextLink), { force: true });
  fs.symlinkSync(fresh.slice(dir.length + 1), join(dir, nextLink));
  fs.renameSync(join(dir, nextLink), join(dir, dataLink));
  removeOld(dir, names, fresh.slice(dir.length + 1));
  return true;
}

/** `..2026_11_25_17_08_42.` in UTC; mkdtemp makes it unique. */
function timestampPrefix(now: Date): string {
  return `..${now.toISOString().slice(0, 19).replaceAll(/[-T:]/g, '_')}.`;
}

function writeFile(root: string, path: string, { content, mode }: VolumeFile): void {
  const file = join(root, path);
  fs.mkdirSync(dirname(file), { recursive: true });
  fs.writeFileSync(file, content);
  fs.chmodSync(file, mode);
}

/** Everybody passes directories; the kubelet lets fsGroup read files, too, whatever their mode. */
function shareTree(root: string, group: number | undefined): void {
  for (const path of ['', ...fs.readdirSync(root, { recursive: true, encoding: 'utf8' })]) {
    const file = join(root, path);
    const found = fs.statSync(file);
    const mode = found.isDirectory() ? 0o755 : found.mode & 0o777;
    // A change of owner takes the set-group bit away: so it comes first.
    if (group !== undefined) fs.chownSync(file, found.uid, group);
    fs.chmodSync(file, group === undefined ? mode : mode | (found.isDirectory() ? 0o2050 : 0o440));
  }
}

function isSame(root: string, files: VolumeFiles): boolean {
  if (!fs.existsSync(root)) return false;
  const there = fs
    .readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1));
  if (there.length !== files.size) return false;
  return there.every((path) => files.get(path)?.content.equals(fs.readFileSync(join(root, path))) ?? false);
}

function ensureLink(path: string, target: string): void {
  if (readLink(path) === target) return;
  fs.rmSync(path, { recursive: true, force: true });
  fs.symlinkSync(target, path);
}

/** Takes away links to files that are no more, and earlier states, also those that a crash left. */
function removeOld(dir: string, names: ReadonlySet<string>, current: string): void {
  for (const name of fs.readdirSync(dir)) {
    const isOldState = name.startsWith('..') && name !== dataLink && name !== current;
    const isOldLink = !names.has(name) && readLink(join(dir, name)) === `${dataLink}/${name}`;
    if (isOldState || isOldLink) fs.rmSync(join(dir, name), { recursive: true, force: true });
  }
}

/** Where a symbolic link leads; undefined when there is none. */
function readLink(path: string): string | undefined {
  return fs.lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ? fs.readlinkSync(path) : undefined;
}
