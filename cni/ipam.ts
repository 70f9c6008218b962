import * as fs from 'node:fs';
import path from 'node:path';
import { encodeIp } from '../netns/ip.ts';
import { isErrno } from '../netns/kernel-error.ts';
import { IpamError } from './ipam-error.ts';
import type { AddressRequest, Lease, PoolOptions, PoolState } from './pool.ts';
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
interface LeasesFile<R> extends PoolState<R> {
  readonly bootId: string;
}

/**
 * Gives out a node's pod addresses, durably: a promise of {@link allocate} resolves once the lease is on disk, so
 * that no crash can hand an address out twice. Changes made while a write is under way share the next one.
 * With each lease goes a record of the holder's, as plain data, that a restart needs nothing else.
 */
export class Ipam<R = unknown> {
  readonly #file: string;
  readonly #bootId: string;
  readonly #now: () => number;
  readonly #pool: Pool<R>;
  #writing: Promise<void> = Promise.resolve();
  #queued: Promise<void> | undefined;

  private constructor(options: IpamOptions, bootId: string, pool: Pool<R>) {
    this.#file = options.file;
    this.#bootId = bootId;
    this.#now = options.now ?? Date.now;
    this.#pool = pool;
  }

  /**
   * Reads the leases file, if there is one. Only for whoever writes it: what a write that was killed left is removed.
   * @throws IpamError `corrupt` when it cannot be understood
   */
  static open<R = unknown>(options: IpamOptions): Ipam<R> {
    const bootId = options.bootId ?? readBootId();
    fs.mkdirSync(path.dirname(options.file), { recursive: true });
    fs.rmSync(temporaryOf(options.file), { force: true });
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
    const unchanged = present && (lease === present || isSame(lease, present));
    return { addresses: lease.addresses, saved: unchanged ? (this.#queued ?? this.#writing) : this.#save() };
  }

  /** Whether {@link allocate} would find addresses now. @throws IpamError `exhausted`, `resting` */
  probe(): void {
    this.#pool.probe(this.#now());
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

  /** What everybody has, by owner. */
  get leases(): ReadonlyMap<string, Lease<R>> {
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
    const content: LeasesFile<R> = { bootId: this.#bootId, ...this.#pool.state() };
    try {
      await replaceFile(this.#file, JSON.stringify(content));
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new IpamError('unsaved', `cannot save addresses to ${this.#file}: ${why}`, { cause });
    }
  }
}

function temporaryOf(file: string): string {
  return `${file}.new`;
}

/** After a crash there is the old file or the new one, never a half; once this resolves it is the new one. */
async function replaceFile(file: string, text: string): Promise<void> {
  const temporary = temporaryOf(file);
  try {
    await fs.promises.writeFile(temporary, text, { flush: true });
    await fs.promises.rename(temporary, file);
  } catch (error) {
    // On a full disk its half would keep the next try from fitting.
    await fs.promises.unlink(temporary).catch(() => undefined);
    throw error;
  }
  const directory = await fs.promises.open(path.dirname(file));
  await directory.sync().finally(() => directory.close());
}

function isSame<R>(a: Lease<R>, b: Lease<R>): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function readBootId(): string {
  return fs.readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

function readState<R>(file: string, bootId: string): PoolState<R> {
  let text: string;
  try {
    text = fs.readFileSync(file, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return emptyState();
    throw error;
  }
  const content = parse<R>(file, text);
  // After a reboot no pod of before is left, but the walk goes on where it was.
  return content.bootId === bootId ? content : { ...emptyState(), next: content.next };
}

function parse<R>(file: string, text: string): LeasesFile<R> {
  try {
    const content = JSON.parse(text) as LeasesFile<R> & { leases: Record<string, Lease<R> | string[]> };
    if (typeof content.bootId !== 'string') throw new TypeError('no bootId');
    // Before leases had records each was the bare list of its addresses.
    const leases = Object.entries(content.leases).map(([owner, lease]) => [
      owner,
      Array.isArray(lease) ? { addresses: lease } : lease,
    ]);
    const state: PoolState<R> = { ...content, leases: Object.fromEntries(leases) as PoolState<R>['leases'] };
    for (const { addresses } of Object.values(state.leases)) addresses.forEach(encodeIp);
    // Going through a pool checks the numbers.
    return { bootId: content.bootId, ...new Pool<R>({ ranges: [], reserved: [], restMs: 0 }, state).state() };
  } catch (error) {
    throw new IpamError('corrupt', `${file} is no leases file; remove it once no pod runs here`, {
      cause: error,
    });
  }
}
