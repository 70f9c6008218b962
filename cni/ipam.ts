import * as fs from 'node:fs';
import path from 'node:path';
import { encodeIp } from '../netns/ip.ts';
import { isErrno } from '../netns/kernel-error.ts';
import { IpamError } from './ipam-error.ts';
import type { PoolOptions, PoolState } from './pool.ts';
import { emptyState, Pool } from './pool.ts';

export interface IpamOptions extends PoolOptions {
  /** The leases file; its directory is made. */
  readonly file: string;
  /** Identifies this boot of the machine: leases of an earlier one belong to nobody. Default: the kernel's. */
  readonly bootId?: string;
  /** Unix ms. */
  readonly now?: () => number;
}

/** The leases file. */
interface LeasesFile extends PoolState {
  readonly bootId: string;
}

/**
 * Gives out a node's pod addresses, durably: a promise of {@link allocate} resolves once the lease is on disk, so
 * that no crash can hand an address out twice. Changes made while a write is under way share the next one.
 */
export class Ipam {
  readonly #file: string;
  readonly #bootId: string;
  readonly #now: () => number;
  readonly #pool: Pool;
  #writing: Promise<void> = Promise.resolve();
  #queued: Promise<void> | undefined;

  private constructor(options: IpamOptions, bootId: string, pool: Pool) {
    this.#file = options.file;
    this.#bootId = bootId;
    this.#now = options.now ?? Date.now;
    this.#pool = pool;
  }

  /**
   * Reads the leases file, if there is one.
   * @throws IpamError `corrupt` when it cannot be understood
   */
  static open(options: IpamOptions): Ipam {
    const bootId = options.bootId ?? readBootId();
    fs.mkdirSync(path.dirname(options.file), { recursive: true });
    return new Ipam(options, bootId, new Pool(options, readState(options.file, bootId)));
  }

  /** Gives out of these ranges from now on; what was given out before stays its owner's. */
  useRanges(ranges: readonly string[], reserved: readonly string[]): void {
    this.#pool.useRanges(ranges, reserved);
  }

  /**
   * One address of each range, primary family first; the same ones when the owner has them already.
   * The addresses are the owner's at once; `saved` resolves when they are on disk: do not let anybody use them
   * before.
   * @throws IpamError `exhausted`, `resting`
   */
  allocate(owner: string): { readonly addresses: readonly string[]; readonly saved: Promise<void> } {
    const present = this.#pool.leases.get(owner);
    const addresses = this.#pool.allocate(owner, this.#now());
    return { addresses, saved: present ? (this.#queued ?? this.#writing) : this.#save() };
  }

  /** Takes an owner's addresses back. An owner without any is fine. */
  async release(owner: string): Promise<void> {
    if (this.#pool.release(owner, this.#now())) await this.#save();
  }

  /** Takes everybody's addresses back but these owners'. */
  async retain(owners: ReadonlySet<string>): Promise<void> {
    const gone = [...this.#pool.leases.keys()].filter((owner) => !owners.has(owner));
    for (const owner of gone) this.#pool.release(owner, this.#now());
    if (gone.length > 0) await this.#save();
  }

  /** Addresses by owner. */
  list(): ReadonlyMap<string, readonly string[]> {
    return this.#pool.leases;
  }

  #save(): Promise<void> {
    const start = (): Promise<void> => {
      this.#queued = undefined;
      return this.#write();
    };
    // The one under way may have taken its snapshot before this change; whether it failed is its callers' affair.
    this.#queued ??= this.#writing = this.#writing.then(start, start);
    return this.#queued;
  }

  async #write(): Promise<void> {
    const content: LeasesFile = { bootId: this.#bootId, ...this.#pool.state() };
    const temporary = `${this.#file}.new`;
    await fs.promises.writeFile(temporary, JSON.stringify(content), { flush: true });
    await fs.promises.rename(temporary, this.#file);
    const directory = await fs.promises.open(path.dirname(this.#file));
    await directory.sync().finally(() => directory.close());
  }
}

function readBootId(): string {
  return fs.readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

function readState(file: string, bootId: string): PoolState {
  let text: string;
  try {
    text = fs.readFileSync(file, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return emptyState();
    throw error;
  }
  const content = parse(file, text);
  // After a reboot no pod of before is left, but the walk goes on where it was.
  return content.bootId === bootId ? content : { ...emptyState(), next: content.next };
}

function parse(file: string, text: string): LeasesFile {
  try {
    const content = JSON.parse(text) as LeasesFile;
    if (typeof content.bootId !== 'string') throw new TypeError('no bootId');
    Object.values(content.leases).flat().forEach(encodeIp);
    // Going through a pool checks the numbers.
    return { bootId: content.bootId, ...new Pool({ ranges: [], reserved: [], restMs: 0 }, content).state() };
  } catch (error) {
    throw new IpamError('corrupt', `${file} is no leases file; remove it once no pod runs here`, {
      cause: error,
    });
  }
}
