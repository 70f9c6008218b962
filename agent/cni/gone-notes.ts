import { readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { isErrno } from '../../netns/kernel-error.ts';

/**
 * What the plugin wrote down while no agent answered it: attachments whose DEL is to be finished, or whose ADD broke
 * off. Each is an empty file `<container id>:<interface>` (cni/weft-cni.c); neither has a colon in it.
 */
export class GoneNotes {
  readonly #directory: string;

  constructor(runDir: string) {
    this.#directory = join(runDir, 'cni-gone');
  }

  list(): { readonly containerId: string; readonly ifname: string }[] {
    return readNames(this.#directory).map((name) => {
      const [containerId = '', ifname = ''] = name.split(':');
      return { containerId, ifname };
    });
  }

  has(containerId: string, ifname: string): boolean {
    return statSync(this.#file(containerId, ifname), { throwIfNoEntry: false }) !== undefined;
  }

  remove(containerId: string, ifname: string): void {
    rmSync(this.#file(containerId, ifname), { force: true });
  }

  #file(containerId: string, ifname: string): string {
    return join(this.#directory, `${containerId}:${ifname}`);
  }
}

function readNames(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
}
