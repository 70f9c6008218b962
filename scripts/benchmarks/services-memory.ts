import { existsSync, mkdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * A control group of this benchmark: what the kernel allocates for the processes in it, and keeps when they end, is
 * counted there, whatever else the machine does. Rules are charged to who loads them (GFP_KERNEL_ACCOUNT in nf_tables
 * and x_tables); of the hash tables that hold nftables' elements only the elements are, not the 8 bytes per bucket.
 */
export class MemoryGroup implements Disposable {
  readonly #directory: string;

  constructor() {
    const root = '/sys/fs/cgroup';
    const v1 = join(root, 'memory');
    this.#directory = join(existsSync(v1) ? v1 : root, `weft-bench${process.pid}`);
    mkdirSync(this.#directory);
  }

  /** The file that takes a process in. */
  get processes(): string {
    return join(this.#directory, 'cgroup.procs');
  }

  /** Kernel memory in MB that is still there when the processes have ended. */
  async kernelMegabytes(): Promise<number> {
    // Their own structures are freed with a delay (RCU).
    await sleep(1000);
    return this.#kernelBytes() / 2 ** 20;
  }

  #kernelBytes(): number {
    const v1 = join(this.#directory, 'memory.kmem.usage_in_bytes');
    if (existsSync(v1)) return Number(readFileSync(v1, 'utf8'));
    const bytes = /^kernel (\d+)$/m.exec(readFileSync(join(this.#directory, 'memory.stat'), 'utf8'))?.[1];
    if (bytes === undefined)
      throw new Error('the kernel does not count kernel memory (Linux 5.18, memory cgroup)');
    return Number(bytes);
  }

  [Symbol.dispose](): void {
    rmdirSync(this.#directory);
  }
}
