import * as fs from 'node:fs';
import path from 'node:path';
import * as libc from './libc.ts';
import * as sockets from './socket.ts';
import { isErrno } from './kernel-error.ts';
import { mount, unmount } from './mount.ts';
import { decodePort, encodeInetAddress } from './sockaddr.ts';

/** Where `ip netns` keeps named namespaces, and so do we. */
const directory = '/run/netns';
const currentNamespace = '/proc/thread-self/ns/net';
/** Says that the mount on {@link directory} is ours, and with the text `made` that the directory is, too. */
const directoryMark = '/run/weft-netns';

/** An open network namespace. Closing it (or leaving a `using` block) lets go of the fd, which keeps it alive. */
export interface NamespaceHandle extends Disposable {
  readonly path: string;
  readonly fd: number;
  close(): void;
}

/** The path of a named namespace: `/run/netns/<name>`. A path is returned as it is. */
export function namespacePath(nameOrPath: string): string {
  return nameOrPath.includes('/') ? nameOrPath : path.join(directory, nameOrPath);
}

/** The names of all named namespaces that start with `prefix`. */
export function listNamespaces(prefix = ''): string[] {
  try {
    return fs.readdirSync(directory).filter((name) => name.startsWith(prefix));
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
}

/**
 * Opens a namespace by name or path (`/proc/<pid>/ns/net`, `/run/netns/x`).
 * @throws Error ENOENT when there is none; EINVAL when the file is no namespace (it was left half-made).
 */
export function openNamespace(nameOrPath: string): NamespaceHandle {
  const file = namespacePath(nameOrPath);
  const fd = fs.openSync(file, 'r');
  let open = true;
  const close = (): void => {
    if (open) fs.closeSync(fd);
    open = false;
  };
  return { path: file, fd, close, [Symbol.dispose]: close };
}

/** Whether there is a namespace behind the handle; the file may be a mere file. */
export function probeNamespace(namespace: NamespaceHandle): boolean {
  try {
    runInNamespace(namespace, () => undefined);
    return true;
  } catch (error) {
    if (isErrno(error, 'EINVAL')) return false;
    throw error;
  }
}

/** Whether it is the one that the calling thread is in. */
export function isOwnNamespace({ fd }: NamespaceHandle): boolean {
  const [theirs, own] = [fs.fstatSync(fd), fs.fstatSync(homeNamespace())];
  return theirs.ino === own.ino && theirs.dev === own.dev;
}

/**
 * Makes a named network namespace, as `ip netns add` does, and opens it. Its loopback device is down.
 * @throws Error EEXIST when the name is taken
 */
export function createNamespace(name: string): NamespaceHandle {
  const file = namespacePath(name);
  withDirectoryLock(() => {
    ensureDirectory();
    fs.closeSync(fs.openSync(file, 'wx', 0o444));
  });
  using undo = new DisposableStack();
  undo.defer(() => removeNamespace(name));
  runInNewNamespace(() => mount(currentNamespace, file, null, libc.MS_BIND));
  const handle = openNamespace(name);
  undo.move();
  return handle;
}

/** Makes a network namespace without a name: it ends with the handle, also when the process is killed. */
export function createNamelessNamespace(): NamespaceHandle {
  return runInNewNamespace(() => openNamespace(currentNamespace));
}

function runInNewNamespace<T>(action: () => T): T {
  const home = homeNamespace();
  libc.unshare(libc.CLONE_NEWNET);
  try {
    return action();
  } finally {
    enter(home);
  }
}

/** Removes a named namespace; it ends when nothing uses it any more. A missing one is fine. */
export function removeNamespace(name: string): void {
  const file = namespacePath(name);
  unmount(file);
  fs.rmSync(file, { force: true });
  releaseDirectory();
}

/**
 * Runs `action` with the calling thread inside the namespace and returns its result. Only what happens
 * synchronously happens there: sockets made by socket.ts (they stay inside), /proc/sys/net, and children spawned.
 * Never await inside; Node's own `net` and `dgram` bind later and so outside.
 */
export function runInNamespace<T>(namespace: NamespaceHandle | string, action: () => T): T {
  if (typeof namespace === 'string') {
    using opened = openNamespace(namespace);
    return runInNamespace(opened, action);
  }
  const home = homeNamespace();
  libc.setns(namespace.fd, libc.CLONE_NEWNET);
  try {
    return action();
  } finally {
    enter(home);
  }
}

export interface ListenOptions {
  /** A literal address; `::` listens on IPv6 only. */
  readonly host: string;
  /** 0 lets the kernel choose: see {@link listeningPort}. */
  readonly port: number;
  readonly backlog?: number;
}

/** A TCP socket's fd, bound and listening inside the namespace: hand it to `server.listen({ fd })`. */
export function listenInNamespace(
  namespace: NamespaceHandle | string,
  { host, port, backlog = 511 }: ListenOptions,
): number {
  return runInNamespace(namespace, () => {
    const v6 = host.includes(':');
    const fd = sockets.open(
      v6 ? sockets.AF_INET6 : sockets.AF_INET,
      sockets.SOCK_STREAM | sockets.SOCK_NONBLOCK,
    );
    using undo = new DisposableStack();
    undo.defer(() => libc.close(fd));
    sockets.setsockopt(fd, sockets.SOL_SOCKET, sockets.SO_REUSEADDR, 1);
    if (v6) sockets.setsockopt(fd, sockets.IPPROTO_IPV6, sockets.IPV6_V6ONLY, 1);
    sockets.bind(fd, encodeInetAddress(host, port), `${host} port ${port}`);
    sockets.listen(fd, backlog, `${host} port ${port}`);
    undo.move();
    return fd;
  });
}

/**
 * A TCP socket's fd on its way to an address inside the namespace: hand it to `new net.Socket({ fd })`, whose first
 * write, also of no bytes, waits for the connection and fails when nobody listens there.
 */
export function connectInNamespace(
  namespace: NamespaceHandle | string,
  { host, port }: { readonly host: string; readonly port: number },
): number {
  return runInNamespace(namespace, () => {
    const family = host.includes(':') ? sockets.AF_INET6 : sockets.AF_INET;
    const fd = sockets.open(family, sockets.SOCK_STREAM | sockets.SOCK_NONBLOCK);
    using undo = new DisposableStack();
    undo.defer(() => libc.close(fd));
    try {
      sockets.connect(fd, encodeInetAddress(host, port), `${host} port ${port}`);
    } catch (error) {
      if (!isErrno(error, 'EINPROGRESS')) throw error;
    }
    undo.move();
    return fd;
  });
}

/** A UDP socket's fd inside the namespace, bound to nothing: hand it to `socket.bind({ fd })`, then connect it. */
export function openUdpInNamespace(namespace: NamespaceHandle | string, family: 4 | 6): number {
  return runInNamespace(namespace, () =>
    sockets.open(
      family === 6 ? sockets.AF_INET6 : sockets.AF_INET,
      sockets.SOCK_DGRAM | sockets.SOCK_NONBLOCK,
    ),
  );
}

/** The port of a bound socket's fd. */
export function listeningPort(fd: number): number {
  return decodePort(sockets.getsockname(fd));
}

let homeFd: number | undefined;

/** The namespace this thread belongs to, opened once and kept, so that the way home can never fail to open. */
function homeNamespace(): number {
  homeFd ??= fs.openSync(currentNamespace, 'r');
  return homeFd;
}

/** The way home. A thread lost in another namespace would from then on change the wrong host: better none. */
function enter(fd: number): void {
  try {
    libc.setns(fd, libc.CLONE_NEWNET);
  } catch (error) {
    process.stderr.write(`weft: cannot return to the home network namespace: ${String(error)}\n`);
    process.abort();
  }
}

/**
 * Makes {@link directory} a shared mount, as `ip netns` does: removing a namespace then also removes the copies
 * of its mount in other mount namespaces, which would keep it alive.
 */
function ensureDirectory(): void {
  const made = fs.mkdirSync(directory, { recursive: true, mode: 0o755 }) !== undefined;
  if (shareDirectory()) return;
  fs.writeFileSync(directoryMark, made ? 'made' : 'mounted');
  mount(directory, directory, null, libc.MS_BIND | libc.MS_REC);
  shareDirectory();
}

function shareDirectory(): boolean {
  try {
    mount('', directory, null, libc.MS_SHARED | libc.MS_REC);
    return true;
  } catch (error) {
    if (isErrno(error, 'EINVAL')) return false;
    throw error;
  }
}

/** Takes the mount off again once the last namespace is gone, if it was us who put it there. */
function releaseDirectory(): void {
  if (!fs.existsSync(directoryMark) || listNamespaces().length > 0) return;
  withDirectoryLock(() => {
    if (!fs.existsSync(directoryMark) || listNamespaces().length > 0) return;
    unmount(directory);
    if (fs.readFileSync(directoryMark, 'utf8') === 'made') fs.rmdirSync(directory);
    fs.rmSync(directoryMark);
  });
}

/** Runs `action` while no other process of ours does. The lock is on /run itself: it leaves no file behind. */
function withDirectoryLock(action: () => void): void {
  const fd = fs.openSync(path.dirname(directory), 'r');
  try {
    libc.flock(fd, libc.LOCK_EX);
    action();
  } finally {
    fs.closeSync(fd);
  }
}
