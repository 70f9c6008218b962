import { Election } from '../../../agent/announce/election.ts';
import type { LeaseDoor } from '../../../agent/announce/election.ts';
import type { AddressLease, AnnouncerLease } from '../../../agent/announce/leases.ts';
import { beatMs, requestMs } from '../../../agent/announce/timing.ts';
import type { WantedAddress } from '../../../agent/announce/wanted.ts';

/** Numbers in [0, 1) that follow from the seed alone (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

type Stored =
  | { readonly kind: 'announcer'; readonly lease: AnnouncerLease }
  | { readonly kind: 'address'; readonly lease: AddressLease };
interface Change {
  readonly key: string;
  readonly version: bigint;
  readonly stored: Stored | undefined;
  readonly before: Stored;
}

const passMs = 150;
const probeMs = 100;

/** Nodes, an API and the time between them, all made up: the elections are real, their clocks and messages are not. */
export class Simulation {
  readonly random: () => number;
  readonly nodes: readonly SimulatedNode[];
  readonly stored = new Map<string, Stored>();
  readonly log: Change[] = [];
  /** Milliseconds. */
  now = 0;
  wanted: readonly WantedAddress[] = [];
  /** Whether nodes take a request without an answer for an API that is away, and then go on by what they hear. */
  goesOnAlone = false;
  /** Slowest way of one message to or from the API, in ms; what is said on the link everybody hears at once. */
  slowestMs = 30;
  /** Looked at after everything that happens. */
  check: () => void = () => undefined;
  #version = 0n;
  readonly #queue: { readonly at: number; readonly run: () => void }[] = [];

  constructor(seed: number, names: readonly string[]) {
    this.random = randomFrom(seed);
    this.nodes = names.map((name) => new SimulatedNode(this, name));
  }

  after(ms: number, run: () => void): void {
    this.#queue.push({ at: this.now + ms, run });
  }

  write(key: string, before: Stored | undefined, make: (version: string) => Stored | undefined): void {
    this.#version += 1n;
    const stored = make(String(this.#version));
    const last = stored ?? before;
    if (stored) this.stored.set(key, stored);
    else this.stored.delete(key);
    if (last) this.log.push({ key, version: this.#version, stored, before: last });
    for (const node of this.nodes) node.deliver();
  }

  async run(ms: number): Promise<void> {
    const end = this.now + ms;
    for (;;) {
      const next = this.#queue.reduce<number>(
        (best, { at }, index) => (best < 0 || at < (this.#queue[best]?.at ?? 0) ? index : best),
        -1,
      );
      const [event] = next < 0 || (this.#queue[next]?.at ?? 0) > end ? [] : this.#queue.splice(next, 1);
      if (!event) break;
      this.now = event.at;
      event.run();
      // What awaits goes on before anything else happens.
      await new Promise((resolve) => setImmediate(resolve));
      this.check();
    }
    this.now = end;
  }

  /** Who answers for the address at this moment. */
  answering(address: string): string[] {
    return this.nodes.flatMap(({ name, election, frozenUntil }) =>
      frozenUntil <= this.now && election?.mayAnswer(address) === true ? [name] : [],
    );
  }
}

/** One node with a clock of its own. Killed, frozen and cut off at will. */
export class SimulatedNode {
  readonly name: string;
  readonly #world: Simulation;
  readonly #rate: number;
  readonly #offset: number;
  election: Election | undefined;
  isReaching = true;
  /** Its requests are answered, but no news reaches it. */
  isDeaf = false;
  frozenUntil = 0;
  /** Its copy of what the API has. */
  #copy = new Map<string, Stored>();
  #revision = 0n;
  #seen = 0;
  #deliveredAt = 0;
  #isEnding = false;

  constructor(world: Simulation, name: string) {
    this.#world = world;
    this.name = name;
    // Worse than any real clock.
    this.#rate = 0.97 + world.random() * 0.06;
    this.#offset = world.random() * 1e6;
  }

  start(): void {
    const { log, stored } = this.#world;
    this.#isEnding = false;
    this.#copy = new Map(stored);
    this.#seen = log.length;
    this.#revision = log.at(-1)?.version ?? 0n;
    const election: Election = new Election({
      self: this.name,
      door: this.#door(),
      leases: this.#leases(),
      now: () => this.#world.now * this.#rate + this.#offset,
      onTaken: (address) => this.#tellOthers(address),
      onLapse: () => undefined,
      isAway: () => this.#world.goesOnAlone,
    });
    this.election = election;
    for (const each of this.#copy.values()) this.#note(each, each);
    this.#repeat(passMs, election, () =>
      election.pass({ wanted: this.#world.wanted, isReachable: () => true }),
    );
    this.#repeat(beatMs, election, () => election.beat());
    this.#repeat(probeMs, election, () => {
      for (const address of election.dueProbes()) {
        const others = this.#world.answering(address).filter((name) => name !== this.name);
        if (others.length > 0) election.noteClaim(address);
      }
      return Promise.resolve();
    });
  }

  kill(): void {
    this.election = undefined;
  }

  /** As an agent stops: nothing is begun any more, then the last word. */
  async end(ending: 'stop' | 'restart'): Promise<void> {
    this.#isEnding = true;
    await this.election?.end(ending);
    this.kill();
  }

  /** What changed reaches the copy later, in order, while the API can be reached. */
  deliver(): void {
    const { log, now } = this.#world;
    const at = Math.max(this.#deliveredAt, now + this.#way());
    this.#deliveredAt = at;
    this.#world.after(at - now, () => {
      this.#whenAwake(() => {
        while (this.isReaching && !this.isDeaf && this.#seen < log.length) {
          const change = log[this.#seen];
          this.#seen += 1;
          if (!change) continue;
          this.#revision = change.version;
          if (change.stored) this.#copy.set(change.key, change.stored);
          else this.#copy.delete(change.key);
          this.#note(change.stored, change.before);
        }
      });
    });
  }

  #tellOthers(address: string): void {
    for (const node of this.#world.nodes) if (node !== this) node.election?.noteClaim(address);
  }

  #note(stored: Stored | undefined, before: Stored): void {
    if (before.kind !== 'announcer') return;
    this.election?.noteAnnouncer(before.lease.node, stored?.kind === 'announcer' ? stored.lease : undefined);
  }

  #leases() {
    const revision = (): bigint => this.#revision;
    const leases = (): AddressLease[] =>
      [...this.#copy.values()].flatMap((each) => (each.kind === 'address' ? [each.lease] : []));
    return {
      get revision() {
        return revision();
      },
      addressLeases: leases,
    };
  }

  #way(): number {
    return 1 + this.#world.random() * this.#world.slowestMs;
  }

  #whenAwake(run: () => void): void {
    const wait = this.frozenUntil - this.#world.now;
    if (wait > 0) this.#world.after(wait, () => this.#whenAwake(run));
    else run();
  }

  /** Again and again, never twice at once, until the node is another. */
  #repeat(ms: number, election: Election, run: () => Promise<void>): void {
    this.#whenAwake(() => {
      if (this.election !== election || this.#isEnding) return;
      const again = (wait: number) => (): void =>
        this.#world.after(wait, () => this.#repeat(ms, election, run));
      run().then(again(ms), again(passMs));
    });
  }

  /** A request on its way there and back; either way may take it nowhere. */
  #request<T>(serve: () => T): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const world = this.#world;
    const { election } = this;
    const answer = (settle: () => void): void => {
      this.#whenAwake(() => {
        if (this.election === election) settle();
      });
    };
    world.after(requestMs, () => answer(() => reject(new Error('no answer'))));
    world.after(this.#way(), () => {
      if (!this.isReaching) return;
      const result = serve();
      world.after(this.#way(), () => {
        if (this.isReaching) answer(() => resolve(result));
      });
    });
    return promise;
  }

  #door(): LeaseDoor {
    const { stored } = this.#world;
    const world = this.#world;
    const read = (key: string): Stored | undefined => stored.get(key);
    return {
      beat: ({ holder, seconds }) =>
        this.#request(() => {
          const lease = { node: this.name, released: holder === '', durationMs: seconds * 1000 };
          world.write(`node ${this.name}`, undefined, (version) => ({
            kind: 'announcer',
            lease: { ...lease, version },
          }));
        }),
      readAnnouncer: (node) =>
        this.#request(() => {
          const found = read(`node ${node}`);
          return found?.kind === 'announcer' ? found.lease : undefined;
        }),
      hand: (address, holder, before) =>
        this.#request(() => {
          const found = read(address);
          if (found?.lease.version !== before?.version) return undefined;
          const transitions = (before?.transitions ?? 0) + 1;
          world.write(address, undefined, (version) => ({
            kind: 'address',
            lease: { address, holder, version, transitions },
          }));
          const written = read(address);
          return written?.kind === 'address' ? written.lease : undefined;
        }),
      remove: (lease) =>
        this.#request(() => {
          const found = read(lease.address);
          if (found?.lease.version === lease.version) world.write(lease.address, found, () => undefined);
        }),
    };
  }
}
