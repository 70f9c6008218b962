import * as libc from './libc.ts';
import { isErrno } from './kernel-error.ts';

/**
 * mount(2): `mount('overlay', '/target', 'overlay', 0, 'lowerdir=…')`.
 * @throws KernelError
 */
export function mount(
  source: string,
  target: string,
  type: string | null,
  flags = 0,
  data: string | null = null,
): void {
  libc.mount(source, target, type, flags, data);
}

/**
 * Takes the topmost mount off `target`, at once and also when it is in use (MNT_DETACH). Returns whether there
 * was one; a target that is missing or no mount point is fine.
 * @throws KernelError
 */
export function unmount(target: string): boolean {
  try {
    libc.umount2(target, libc.MNT_DETACH);
    return true;
  } catch (error) {
    if (isErrno(error, 'EINVAL', 'ENOENT')) return false;
    throw error;
  }
}
