import type { Logger } from 'pino';
import type { Finish } from '../../dns/transport.ts';
import type { UpstreamPlan } from '../../dns/upstreams.ts';
import type { Counts } from './gathered-metrics.ts';
import type { NameChange, ToWorker, WorkerSettings, WorkerSockets } from './messages.ts';
import { closeNameSockets } from './sockets.ts';
import { WorkerSeat } from './worker-seat.ts';

type SyncedMessage = 'synced' | 'podsSynced';

export interface WorkerPoolOptions {
  readonly count: number;
  readonly settings: () => WorkerSettings;
  /** All names there are now, in portions, for a worker that knows none. */
  readonly names: () => Iterable<readonly NameChange[]>;
  /** What a worker had counted that ended by itself. */
  readonly onLost: (counts: readonly Counts[]) => void;
  readonly log: Logger;
  /** Another program than the agent's own. */
  readonly entry?: URL;
  /** Memory for one worker's objects. Default 512: ten times what 10,000 Services need. */
  readonly heapMiB?: number;
}

/** The bundle has the worker's code in a file of its own (scripts/build.ts). */
const program = new URL(
  import.meta.url.endsWith('.ts') ? './worker.ts' : './names-worker.js',
  import.meta.url,
);

/**
 * DNS workers that share nothing but the port: each is told everything and serves on sockets of its own, among which
 * the kernel spreads clients. The sockets are not theirs: what arrives while one is replaced waits in them.
 */
export class WorkerPool {
  readonly #options: WorkerPoolOptions;
  readonly #seats: readonly WorkerSeat[];
  #plan: UpstreamPlan | undefined;
  readonly #synced = new Set<SyncedMessage>();

  constructor(options: WorkerPoolOptions) {
    this.#options = options;
    const { count, settings, onLost, log, entry = program, heapMiB = 512 } = options;
    const briefing = (): Iterable<ToWorker> => this.#briefing();
    this.#seats = Array.from({ length: count }, (_, index) => {
      return new WorkerSeat({ index, entry, heapMiB, settings, briefing, onLost, log });
    });
  }

  /** How many workers are not at work just now. */
  get missing(): number {
    return this.#seats.filter(({ occupied }) => !occupied).length;
  }

  start(): void {
    for (const seat of this.#seats) seat.start();
  }

  change(changes: readonly NameChange[]): void {
    this.#tellAll({ type: 'changes', changes });
  }

  /** From now on workers know all names, or all pods. */
  setSynced(type: SyncedMessage): void {
    this.#synced.add(type);
    this.#tellAll({ type });
  }

  setPlan(plan: UpstreamPlan): void {
    this.#plan = plan;
    this.#tellAll({ type: 'upstreams', plan });
  }

  /** One more address to serve on, with sockets for each worker. */
  listen(sockets: readonly WorkerSockets[]): void {
    for (const [index, own] of sockets.entries()) {
      this.#seats[index]?.listen(own);
    }
  }

  /** What each worker has counted. */
  gather(): Promise<(readonly Counts[])[]> {
    return Promise.all(this.#seats.map((seat) => seat.gather()));
  }

  /** Has what waits in sockets that nothing new reaches answered, and closes them. */
  retire(sockets: WorkerSockets): void {
    const seat = this.#seats.find(({ occupied }) => occupied);
    if (seat) seat.retire(sockets);
    else closeNameSockets([sockets]);
  }

  /** Ends all workers; each answers first what it has taken from its sockets, or all that waits in them. */
  async stop(how: Finish): Promise<void> {
    await Promise.all(this.#seats.map((seat) => seat.stop(how)));
  }

  #tellAll(message: ToWorker): void {
    for (const seat of this.#seats) seat.post(message);
  }

  *#briefing(): Iterable<ToWorker> {
    for (const changes of this.#options.names()) yield { type: 'changes', changes };
    if (this.#plan) yield { type: 'upstreams', plan: this.#plan };
    for (const type of this.#synced) yield { type };
  }
}
