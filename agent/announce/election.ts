import type { AddressLease, AnnouncerLease, AnnouncerSpec } from './leases.ts';
import { Liveness } from './liveness.ts';
import { Orphans } from './orphans.ts';
import { planSteps } from './plan.ts';
import type { Step } from './plan.ts';
import { Tenure } from './tenure.ts';
import { leaseSeconds, restartSeconds, staggerMs } from './timing.ts';
import type { WantedAddress } from './wanted.ts';

/** So many requests are under way at a time: the heartbeat must not wait behind those for thousands of addresses. */
const lanes = 16;
/** And so many addresses are taken before the next look: of those that are to be given away one has to know soon. */
const acquisitionsPerPass = 256;

/** The Leases in the API, as the election needs them. Every method may throw; then nothing is known of the outcome. */
export interface LeaseDoor {
  /** Writes this node's heartbeat. */
  beat(spec: AnnouncerSpec): Promise<void>;
  /** Asks the API itself, not a copy. */
  readAnnouncer(node: string): Promise<AnnouncerLease | undefined>;
  /** Puts an address into other hands if its Lease is still `before`; undefined when somebody else was first. */
  hand(
    address: string,
    holder: string | undefined,
    before: AddressLease | undefined,
  ): Promise<AddressLease | undefined>;
  /** Deletes the Lease if it is still this one. */
  remove(lease: AddressLease): Promise<void>;
}

/** A copy of the addresses' Leases. */
interface LeaseCopy {
  /** All changes up to this resourceVersion are in it. */
  readonly revision: bigint;
  addressLeases(): Iterable<AddressLease>;
}

export interface ElectionOptions {
  readonly self: string;
  readonly door: LeaseDoor;
  readonly leases: LeaseCopy;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
  /** An address was taken; `before` had it until now, if anybody. */
  readonly onTaken: (address: string, before: string | undefined) => void;
  /** These addresses were held when the Lease ran out. */
  readonly onLapse: (addresses: readonly string[]) => void;
  /** Whether a failed request means that the API is away, and not that it refuses. */
  readonly isAway: (error: unknown) => boolean;
}

interface PassInput {
  readonly wanted: readonly WantedAddress[];
  readonly isReachable: (address: string) => boolean;
}

/** Decides with the other nodes, by Leases alone, which addresses this node announces. Why it is safe: docs/load-balancer.md. */
export class Election {
  readonly #options: ElectionOptions;
  readonly #tenure = new Tenure();
  readonly #liveness = new Liveness();
  readonly #orphans = new Orphans();
  /** What this node took, and in which session of its tenure. */
  readonly #held = new Map<string, number>();
  /** What this node wrote last, for as long as the copy does not show it. */
  readonly #written = new Map<string, AddressLease>();
  /** Since when an address is free to take. */
  readonly #freeSince = new Map<string, number>();
  #isAway = false;
  #greeted = false;

  constructor(options: ElectionOptions) {
    this.#options = options;
  }

  /** Whether this node may answer for the address at this very moment. */
  mayAnswer(address: string): boolean {
    const session = this.#held.get(address);
    if (session === undefined) return this.#orphans.isAnswered(address);
    return session === this.#tenure.session && this.#isValid();
  }

  /** What this node announces, or is about to announce or to watch over while the API is away. */
  addresses(): string[] {
    return [...new Set([...this.#held.keys(), ...this.#orphans.addresses()])];
  }

  /** What this node announces now. */
  announced(): string[] {
    return this.addresses().filter((address) => this.mayAnswer(address));
  }

  /** Takes note of a node's heartbeat; undefined: its Lease was deleted. */
  noteAnnouncer(node: string, lease: AnnouncerLease | undefined): void {
    this.#liveness.note(node, lease, this.#options.now());
  }

  /** Another says on the link that it has the address. */
  noteClaim(address: string): void {
    this.#orphans.forget(address);
  }

  /** The addresses to ask for on the link, because no Lease says whose they are. */
  dueProbes(): string[] {
    this.#settle();
    return this.#orphans.due(this.#options.now());
  }

  /** Sends a heartbeat if there is anything to live for. */
  async beat(): Promise<void> {
    if (this.#held.size > 0) await this.#renew();
  }

  /** One look at everything, and what follows from it: all that can be done is. @throws what the door threw first */
  async pass({ wanted, isReachable }: PassInput): Promise<void> {
    const problems: unknown[] = [];
    if (!this.#greeted && wanted.length > 0) await this.#renew().catch(note(problems));
    this.#settle();
    // In this order: a Lease as it was before its holder was found silent is not replaced once the holder renews it.
    const leases = this.#currentLeases();
    const gone = await this.#findGone(leases.values(), problems);
    this.#settle();
    const { self } = this.#options;
    const held = new Set(this.#held.keys());
    const steps = planSteps({ self, wanted, leases, gone, held, isReachable });
    this.#forgetOthers(steps);
    const due = steps.filter((step) => this.#isDue(step));
    if (due.some(isAcquisition) && !this.#isValid()) await this.#renew().catch(note(problems));
    const acquisitions = this.#isValid() ? due.filter(isAcquisition).slice(0, acquisitionsPerPass) : [];
    const possible = [...due.filter((step) => !isAcquisition(step)), ...acquisitions].values();
    const lane = async (): Promise<void> => {
      for (const step of possible) await this.#take(step, leases.get(step.address)).catch(note(problems));
    };
    await Promise.all(Array.from({ length: lanes }, lane));
    if (problems.length > 0) throw problems[0];
  }

  /**
   * Stops announcing. A node that stops gives everything away at once; one that restarts asks the others to wait, for
   * a move would break connections through it.
   */
  async end(ending: 'stop' | 'restart'): Promise<void> {
    const hadAny = this.addresses().length > 0;
    this.#tenure.end();
    for (const address of this.addresses()) this.#drop(address);
    if (!hadAny) return;
    const { self, door } = this.#options;
    await door.beat(
      ending === 'stop' ? { holder: '', seconds: leaseSeconds } : { holder: self, seconds: restartSeconds },
    );
  }

  async #renew(): Promise<void> {
    const { door, self, now, isAway } = this.#options;
    const sentAt = now();
    try {
      await door.beat({ holder: self, seconds: leaseSeconds });
    } catch (error) {
      this.#isAway = isAway(error);
      throw error;
    }
    this.#isAway = false;
    this.#greeted = true;
    this.#tenure.extend(sentAt, now());
  }

  /** What was held in an earlier session, or without a Lease by now, is held no more. */
  #settle(): void {
    const lapsed = [...this.#held].flatMap(([address, session]) =>
      session === this.#tenure.session && this.#isValid() ? [] : [address],
    );
    if (lapsed.length === 0) return;
    for (const address of lapsed) this.#held.delete(address);
    if (this.#isAway) this.#orphans.adopt(lapsed, this.#options.now());
    this.#options.onLapse(lapsed);
  }

  #currentLeases(): Map<string, AddressLease> {
    const { leases } = this.#options;
    const current = new Map([...leases.addressLeases()].map((lease) => [lease.address, lease]));
    for (const [address, lease] of this.#written) {
      if (BigInt(lease.version) > leases.revision) current.set(address, lease);
      else this.#written.delete(address);
    }
    return current;
  }

  /** The holders that certainly announce nothing: they said so, or the API itself has had no heartbeat for too long. */
  async #findGone(leases: Iterable<AddressLease>, problems: unknown[]): Promise<ReadonlySet<string>> {
    const holders = new Set([...leases].flatMap(({ holder }) => holder ?? []));
    holders.delete(this.#options.self);
    const gone = await Promise.all(
      [...holders].map(async (node) => ((await this.#isGone(node).catch(note(problems))) ? [node] : [])),
    );
    return new Set(gone.flat());
  }

  async #isGone(node: string): Promise<boolean> {
    const { door, now } = this.#options;
    this.#liveness.expect(node, now());
    if (this.#liveness.isReleased(node)) return true;
    if (!this.#liveness.isSilent(node, now())) return false;
    try {
      this.#liveness.note(node, await door.readAnnouncer(node), now());
    } catch (error) {
      this.#liveness.lostContact(node, now());
      throw error;
    }
    return this.#liveness.isSilent(node, now());
  }

  #isDue(step: Step): boolean {
    if (step.kind === 'lose' || step.kind === 'release') return true;
    const now = this.#options.now();
    const since = this.#freeSince.get(step.address) ?? now;
    this.#freeSince.set(step.address, since);
    return now >= since + step.rank * staggerMs;
  }

  /** Addresses that this node has nothing to do with any more. */
  #forgetOthers(steps: readonly Step[]): void {
    const ours = new Set(steps.map(({ address }) => address));
    for (const address of this.#freeSince.keys()) if (!ours.has(address)) this.#freeSince.delete(address);
    const acquired = new Set(steps.flatMap((step) => (step.kind === 'acquire' ? [step.address] : [])));
    for (const address of this.#orphans.addresses())
      if (!acquired.has(address)) this.#orphans.forget(address);
  }

  async #take(step: Step, lease: AddressLease | undefined): Promise<void> {
    if (step.kind === 'acquire') return this.#acquire(step.address, lease);
    this.#drop(step.address);
    if (step.kind === 'lose' || !lease) return;
    if (step.kind === 'remove') return this.#options.door.remove(lease);
    const released = await this.#options.door.hand(step.address, undefined, lease);
    if (released) this.#written.set(step.address, released);
  }

  async #acquire(address: string, before: AddressLease | undefined): Promise<void> {
    const { self, door, onTaken } = this.#options;
    const { session } = this.#tenure;
    const lease = await door.hand(address, self, before);
    this.#orphans.forget(address);
    this.#freeSince.delete(address);
    if (!lease) return;
    this.#written.set(address, lease);
    // Who lapsed meanwhile holds a Lease that others may take already: the next pass asks again.
    if (session !== this.#tenure.session || !this.#isValid()) return;
    this.#held.set(address, session);
    onTaken(address, before?.holder);
  }

  #isValid(): boolean {
    return this.#tenure.isValid(this.#options.now());
  }

  #drop(address: string): void {
    this.#held.delete(address);
    this.#orphans.forget(address);
  }
}

function isAcquisition({ kind }: Step): boolean {
  return kind === 'acquire';
}

/** Keeps a failure for later, so that the rest goes on. */
function note(problems: unknown[]): (error: unknown) => undefined {
  return (error) => {
    problems.push(error);
    return undefined;
  };
}
