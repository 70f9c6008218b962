import * as fs from 'node:fs';
import path from 'node:path';
import { LeaseFile, readBootId, readState, removeTemporary } from './lease-file.ts';
import { IpamError } from './ipam-error.ts';
import type { AddressRequest, Lease, PoolChange, PoolOptions } from './pool.ts';
import { Pool } from './pool.ts';

export interface IpamOptions extends PoolOptions {
  /** The leases file; its directory is made. */
  readonly file: string;
  /** Identifies this boot of the machine: leases of an earlier one belong to nobody. Default: the kernel's. */
  readonly bootId?: string;
  /** Unix ms. */
  readonly now?: () => number;
  /** How long after a write that failed another one is tried. Default: a second */
  readonly retryMs?: number;
}

/**
 * Gives out a node's pod addresses, durably: a promise of {@link allocate} resolves once the lease is on disk, so
 * that no crash can hand an address out twice. Changes made while a write is under way share the next one. A write that failed
 * is told to those who wait for it, and tried again until the disk says what is so.
 * With each lease goes a record of the holder's, as plain data, that a restart needs nothing else.
 */
export class Ipam<R = unknown> {
  readonly #path: string;
  readonly #file: LeaseFile<R>;
  readonly #now: () => number;
  readonly #pool: Pool<R>;
  readonly #retryMs: number;
  /** The last write failed: the disk does not say what is so. */
  #isStale = false;
  #retry: NodeJS.Timeout | undefined;
  /** Not yet handed to a write. */
  #changes: PoolChange<R>[] = [];
  #writing: Promise<void> = Promise.resolve();
  #isWriting = false;
  #queued: Promise<void> | undefined;

  private constructor(options: IpamOptions, bootId: string, pool: Pool<R>) {
    this.#path = options.file;
    this.#file = new LeaseFile<R>(options.file, bootId);
    this.#now = options.now ?? Date.now;
    this.#retryMs = options.retryMs ?? 1000;
    this.#pool = pool;
  }

  /**
   * Reads the leases file, if there is one. Only for whoever writes it: what a write that was killed left is removed.
   * @throws IpamError `corrupt` when it cannot be understood
   */
  static open<R = unknown>(options: IpamOptions): Ipam<R> {
    const bootId = options.bootId ?? readBootId();
    fs.mkdirSync(path.dirname(options.file), { recursive: true });
    removeTemporary(options.file);
    return new Ipam<R>(options, bootId, new Pool<R>(options, readState<R>(options.file, bootId)));
  }

  /** Gives out of these ranges from now on; what was given out before stays its owner's. */
  useRanges(ranges: readonly string[], reserved: readonly string[]): void {
    this.#pool.useRanges(ranges, reserved);
  }

  /**
   * One address of each range, primary family first; the same ones when the owner has them already.
   * The addresses are the owner's at once; `saved` resolves when they are on disk: do not let anybody use them
   * before. It rejects with IpamError `unsaved`.
   * @throws IpamError `exhausted`, `resting`, `taken`, `outside`
   */
  allocate(
    owner: string,
    request: AddressRequest<R> = {},
  ): { readonly addresses: readonly string[]; readonly saved: Promise<void> } {
    const present = this.#pool.leases.get(owner);
    const lease = this.#pool.allocate(owner, this.#now(), request);
    const unchanged = present && !this.#isStale && (lease === present || isSame(lease, present));
    return {
      addresses: lease.addresses,
      saved: unchanged
        ? (this.#queued ?? this.#writing)
        : this.#save({ owner, lease, next: this.#pool.next }),
    };
  }

  /** Whether {@link allocate} would find addresses now. @throws IpamError `exhausted`, `resting` */
  probe(): void {
    this.#pool.probe(this.#now());
  }

  /** Takes an owner's addresses back, on the disk too. An owner without any is fine. */
  async release(owner: string): Promise<void> {
    const releasedAt = this.#now();
    if (this.#pool.release(owner, releasedAt)) await this.#save({ owner, releasedAt });
    else if (this.#isStale) await this.#save();
  }

  /** Takes everybody's addresses back but these owners'. */
  async retain(owners: ReadonlySet<string>): Promise<void> {
    const gone = [...this.#pool.leases.keys()].filter((owner) => !owners.has(owner));
    await Promise.all(gone.map((owner) => this.release(owner)));
  }

  ownerOf(address: string): string | undefined {
    return this.#pool.ownerOf(address);
  }

  /** What was given back lately, and by whoever had it before this was opened. */
  get resting(): Iterable<string> {
    return this.#pool.resting;
  }

  /** What everybody has, by owner. */
  get leases(): ReadonlyMap<string, Lease<R>> {
    return this.#pool.leases;
  }

  /** Without a change: what a write that failed has left. */
  #save(change?: PoolChange<R>): Promise<void> {
    if (change) this.#changes.push(change);
    if (this.#queued) return this.#queued;
    const start = (): Promise<void> => {
      this.#queued = undefined;
      return this.#write(this.#changes.splice(0));
    };
    // The disk works while the caller does something else. Whether the one under way fails is its callers' affair.
    if (this.#isWriting) this.#queued = this.#writing = this.#writing.then(start, start);
    else this.#writing = start();
    return this.#writing;
  }

  async #write(changes: readonly PoolChange<R>[]): Promise<void> {
    this.#isWriting = true;
    try {
      await this.#file.write(changes, () => this.#pool.state());
      this.#isStale = false;
    } catch (cause) {
      this.#isStale = true;
      this.#retryLater();
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new IpamError('unsaved', `cannot save addresses to ${this.#path}: ${why}`, { cause });
    } finally {
      this.#isWriting = false;
    }
  }

  #retryLater(): void {
    clearTimeout(this.#retry);
    // Should it fail it comes here again.
    this.#retry = setTimeout(() => {
      if (this.#isStale) this.#save().catch(() => undefined);
    }, this.#retryMs).unref();
  }
}

function isSame<R>(a: Lease<R>, b: Lease<R>): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
