import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { PodError } from './pod-error.ts';

const run = promisify(execFile);

/**
 * What a container of a host-root image sees of the host is an allow-list, so that a secret put on the host later
 * does not show up in a pod: the program trees below, of which only what every user of the host may read; a copy
 * of such files in /etc; empty directories for the rest. Everything else (/root, /home, /run, /srv, /opt, keys,
 * weft's own state) is not hidden but absent. What is private in a program tree is looked for when the agent
 * starts: no place for secrets, but set-uid helpers and the like live there.
 */
export interface Skeleton {
  /** The lowest layer of the root: directories, links, the copy of /etc. */
  readonly base: string;
  /** Program trees, each mounted from the host: name → directory of whiteouts that lies over it. */
  readonly trees: Readonly<Record<string, string>>;
}

const programTrees = ['usr', 'bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32'];

/** Directories with their modes, as an installed but unused system has them. */
const emptyDirectories: Readonly<Record<string, number>> = {
  boot: 0o755,
  dev: 0o755,
  home: 0o755,
  media: 0o755,
  mnt: 0o755,
  opt: 0o755,
  proc: 0o555,
  root: 0o700,
  run: 0o755,
  'run/lock': 0o1777,
  srv: 0o755,
  sys: 0o555,
  tmp: 0o1777,
  var: 0o755,
  'var/cache': 0o755,
  'var/lib': 0o755,
  'var/local': 0o755,
  'var/log': 0o755,
  'var/mail': 0o775,
  'var/opt': 0o755,
  'var/spool': 0o755,
  'var/tmp': 0o1777,
};

/** Programs expect their own directories (/var/lib/nginx, /var/log/nginx): the names of those that everybody may list. */
const varDirectories = ['var/cache', 'var/lib', 'var/log', 'var/spool'];

/** Readable or not, these say things about the host that are no business of a pod's. */
const hiddenInEtc =
  /^(apt\/auth\.conf.*|cni|containers|docker|environment|fstab|hostname|hosts|kubernetes|letsencrypt|machine-id|netplan|network|NetworkManager|resolv\.conf|shadow.*|gshadow.*|ssh|ssl\/private|sudoers.*|systemd|weft|wireguard)$/;
const hiddenInVar = /^(containerd|containers|docker|etcd|kubelet|machines|private|weft)$/;
const hiddenInUsr = ['local/etc', 'local/src', 'src'];

/**
 * Makes the skeleton of this host's root below `dir`, or finds the one made before of the same host: what it is
 * made of is in its name. Throws PodError RootFilesystem.
 */
export async function ensureSkeleton(dir: string, hostRoot = '/'): Promise<Skeleton> {
  const fingerprint = hostFingerprint(hostRoot);
  const home = join(dir, fingerprint);
  const skeleton = describeSkeleton(home, hostRoot);
  if (fs.existsSync(home)) return skeleton;
  const building = `${home}.new`;
  fs.rmSync(building, { recursive: true, force: true });
  fs.mkdirSync(building, { recursive: true, mode: 0o755 });
  buildBase(join(building, 'base'), hostRoot);
  await Promise.all(
    Object.keys(skeleton.trees).map((tree) => buildMask(join(building, 'mask', tree), join(hostRoot, tree))),
  );
  fs.renameSync(building, home);
  return skeleton;
}

/** Removes all skeletons but the current one: for when no container uses any other. */
export function removeSkeletons(dir: string, current: Skeleton): void {
  for (const name of fs.readdirSync(dir)) {
    if (join(dir, name, 'base') !== current.base)
      fs.rmSync(join(dir, name), { recursive: true, force: true });
  }
}

function describeSkeleton(home: string, hostRoot: string): Skeleton {
  const trees = programTrees.filter((tree) => {
    const found = fs.lstatSync(join(hostRoot, tree), { throwIfNoEntry: false });
    return found?.isDirectory() ?? false;
  });
  return {
    base: join(home, 'base'),
    trees: Object.fromEntries(trees.map((tree) => [tree, join(home, 'mask', tree)])),
  };
}

/** Changes when anything in /etc does, and when packages are installed (which is when /usr changes). */
function hostFingerprint(hostRoot: string): string {
  const hash = createHash('sha256').update('1');
  const note = (path: string): void => {
    const found = fs.lstatSync(path, { throwIfNoEntry: false });
    if (found) hash.update(`${path} ${found.mode} ${found.uid} ${found.ctimeMs} ${found.size}\n`);
  };
  const etc = join(hostRoot, 'etc');
  note(etc);
  for (const path of fs.readdirSync(etc, { recursive: true })) note(join(etc, String(path)));
  for (const path of ['usr', 'usr/local', 'var/lib/dpkg/status', 'var/lib', 'var/log', 'var/cache']) {
    note(join(hostRoot, path));
  }
  return hash.digest('hex').slice(0, 16);
}

function buildBase(base: string, hostRoot: string): void {
  fs.mkdirSync(base);
  for (const tree of programTrees) {
    const source = join(hostRoot, tree);
    const found = fs.lstatSync(source, { throwIfNoEntry: false });
    if (found?.isSymbolicLink()) fs.symlinkSync(fs.readlinkSync(source), join(base, tree));
    else if (found?.isDirectory()) fs.mkdirSync(join(base, tree));
  }
  for (const [path, mode] of Object.entries(emptyDirectories)) {
    fs.mkdirSync(join(base, path));
    fs.chmodSync(join(base, path), mode);
  }
  fs.symlinkSync('/run', join(base, 'var/run'));
  fs.symlinkSync('/run/lock', join(base, 'var/lock'));
  for (const parent of varDirectories) copyDirectoryNames(join(hostRoot, parent), join(base, parent));
  copyReadable(join(hostRoot, 'etc'), join(base, 'etc'), hiddenInEtc);
  // The pod's own files are mounted on these.
  for (const name of ['hostname', 'hosts', 'resolv.conf']) fs.writeFileSync(join(base, 'etc', name), '');
}

function copyDirectoryNames(source: string, target: string): void {
  for (const name of fs.existsSync(source) ? fs.readdirSync(source) : []) {
    const found = fs.lstatSync(join(source, name), { throwIfNoEntry: false });
    if (!found?.isDirectory() || hiddenInVar.test(name) || !isPublic(found)) continue;
    ensureLike(join(target, name), found);
  }
}

/** Copies what everybody may read; links stay links, devices and sockets are left out. */
function copyReadable(source: string, target: string, hidden: RegExp, path = ''): void {
  const found = fs.lstatSync(join(source, path), { throwIfNoEntry: false });
  if (!found || hidden.test(path)) return;
  const copy = join(target, path);
  if (found.isSymbolicLink()) {
    fs.symlinkSync(fs.readlinkSync(join(source, path)), copy);
  } else if (!isPublic(found)) {
    return;
  } else if (found.isDirectory()) {
    ensureLike(copy, found);
    for (const name of fs.readdirSync(join(source, path))) {
      copyReadable(source, target, hidden, path === '' ? name : `${path}/${name}`);
    }
  } else if (found.isFile()) {
    fs.copyFileSync(join(source, path), copy);
    fs.chownSync(copy, found.uid, found.gid);
    fs.chmodSync(copy, found.mode & 0o7777);
  }
}

function ensureLike(target: string, found: fs.Stats): void {
  fs.mkdirSync(target, { recursive: true });
  fs.chownSync(target, found.uid, found.gid);
  fs.chmodSync(target, found.mode & 0o7777);
}

/** Whether every user of the host may read it. */
function isPublic(found: fs.Stats): boolean {
  const needed = found.isDirectory() ? 0o005 : 0o004;
  return (found.mode & needed) === needed;
}

/** A layer of whiteouts over everything in a program tree that not every user may read. */
async function buildMask(mask: string, tree: string): Promise<void> {
  fs.mkdirSync(mask, { recursive: true });
  const unreadableFile = ['-type', 'f', '!', '-perm', '-o=r', '-printf', '%P\\0'];
  const unreadableDirectory = ['-type', 'd', '!', '-perm', '-o=rx', '-printf', '%P\\0', '-prune'];
  const named = hiddenInUsr.flatMap((path) => [
    '-path',
    join(tree, path),
    '-printf',
    '%P\\0',
    '-prune',
    '-o',
  ]);
  try {
    const { stdout } = await run(
      'find',
      [tree, '-xdev', ...named, '(', ...unreadableDirectory, ')', '-o', '(', ...unreadableFile, ')'],
      { maxBuffer: 64 * 2 ** 20 },
    );
    const paths = stdout.split('\0').filter((path) => path !== '');
    for (const path of paths) shapeParents(mask, tree, path);
    // overlayfs' whiteout: a character device 0/0.
    for (const path of paths) await run('mknod', [join(mask, path), 'c', '0', '0']);
  } catch (error) {
    throw new PodError('RootFilesystem', tree, `cannot hide what is private in ${tree}: ${String(error)}`, {
      cause: error,
    });
  }
}

/** A directory of the mask merges with that of the tree and lends it its mode: so it has the same. */
function shapeParents(mask: string, tree: string, path: string): void {
  const parent = dirname(path);
  if (parent === '.' || fs.existsSync(join(mask, parent))) return;
  shapeParents(mask, tree, parent);
  ensureLike(join(mask, parent), fs.lstatSync(join(tree, parent)));
}
