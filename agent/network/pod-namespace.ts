import { statfsSync } from 'node:fs';
import { isErrno } from '../../netns/kernel-error.ts';
import {
  createNamespace,
  isOwnNamespace,
  openNamespace,
  probeNamespace,
  removeNamespace,
} from '../../netns/namespace.ts';
import type { NamespaceHandle } from '../../netns/namespace.ts';
import { podNamespaceName } from './marks.ts';
import { NetworkError } from './network-error.ts';

/** linux/magic.h */
const NSFS_MAGIC = 0x6e736673;

/** Whether a path leads to a namespace; a runtime that removed one leaves nothing, or a plain file. */
export function isNamespace(path: string): boolean {
  try {
    return statfsSync(path).type === NSFS_MAGIC;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ESRCH')) return false;
    throw error;
  }
}

/** Opens the namespace that is an attachment's own; makes it where it is not there or only half. */
export function ensurePodNamespace(id: string): NamespaceHandle {
  const name = podNamespaceName(id);
  try {
    return createNamespace(name);
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw error;
  }
  const namespace = openNamespace(name);
  // A file without a namespace behind it is what a crash between the two leaves.
  if (probeNamespace(namespace)) return namespace;
  namespace.close();
  removeNamespace(name);
  return createNamespace(name);
}

/** Opens somebody else's namespace. @throws NetworkError `bad-namespace` */
export function enterNamespace(path: string): NamespaceHandle {
  using undo = new DisposableStack();
  let namespace: NamespaceHandle;
  try {
    namespace = undo.use(openNamespace(path));
  } catch (cause) {
    throw new NetworkError('bad-namespace', `cannot open network namespace ${path}`, { cause });
  }
  if (!probeNamespace(namespace)) throw new NetworkError('bad-namespace', `${path} is no network namespace`);
  // Its interfaces are the host's: a pod's addresses and default route would cut the host off.
  if (isOwnNamespace(namespace)) {
    throw new NetworkError('bad-namespace', `${path} is the node's own network namespace`);
  }
  undo.move();
  return namespace;
}
