import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { Logger } from 'pino';
import type { Finish } from '../../dns/transport.ts';
import type { UpstreamPlan } from '../../dns/upstreams.ts';
import type { Counts } from './gathered-metrics.ts';
import type { FromWorker, NameChange, ToWorker, WorkerSettings, WorkerSockets } from './messages.ts';
import { closeNameSockets } from './sockets.ts';

type SyncedMessage = 'synced' | 'podsSynced';

export interface WorkerPoolOptions {
  readonly count: number;
  readonly settings: () => WorkerSettings;
  /** All names there are now, for a worker that knows none. */
  readonly replay: () => Iterable<readonly NameChange[]>;
  /** A worker's last words about its work, before it crashed. */
  readonly onLost: (metrics: readonly Counts[]) => void;
  readonly log: Logger;
}

/** The bundle has the worker's code in a file of its own (scripts/build.ts). */
const entry = new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './names-worker.js', import.meta.url);

/** A crash now and then is repaired at once, one after the other more and more slowly. */
const firstRestartMs = 50;
const maxRestartMs = 5_000;
/** Who lived so long has nothing to do with an earlier crash. */
const provenMs = 60_000;
/** A worker is stopped the hard way, or reported without its newest counts, when it takes longer. */
const patienceMs = 2_000;

/**
 * DNS workers that share nothing but the port: each is told everything and serves on sockets of its own, among which
 * the kernel spreads clients. The sockets are not theirs: what arrives while one is started again waits in them.
 */
export class WorkerPool {
  readonly #options: WorkerPoolOptions;
  readonly #seats: Seat[];
  /** What a new worker has to be told after the names. */
  #upstreams: ToWorker | undefined;
  readonly #synced = new Set<SyncedMessage>();
  #stopping = false;

  constructor(options: WorkerPoolOptions) {
    this.#options = options;
    this.#seats = Array.from({ length: options.count }, (_, index) => ({
      index,
      worker: undefined,
      sockets: [],
      restartMs: firstRestartMs,
      timer: undefined,
      metrics: [],
      waiting: new Map(),
    }));
  }

  /** How many workers are not at work just now. */
  get missing(): number {
    return this.#seats.filter(({ worker }) => !worker).length;
  }

  start(): void {
    for (const seat of this.#seats) this.#spawn(seat);
  }

  /** Tells all workers. */
  change(changes: readonly NameChange[]): void {
    this.#broadcast({ type: 'changes', changes });
  }

  /** From now on workers know all names, or all pods. */
  setSynced(type: SyncedMessage): void {
    if (this.#synced.has(type)) return;
    this.#synced.add(type);
    this.#broadcast({ type });
  }

  useUpstreams(plan: UpstreamPlan): void {
    this.#upstreams = { type: 'upstreams', plan };
    this.#broadcast(this.#upstreams);
  }

  /** One more address to serve on, with sockets for each worker. */
  listen(sockets: readonly WorkerSockets[]): void {
    for (const [index, own] of sockets.entries()) {
      const seat = this.#seats[index];
      seat?.sockets.push(own);
      seat?.worker?.postMessage({ type: 'listen', sockets: own } satisfies ToWorker);
    }
  }

  /** What each worker has counted; of one that does not answer, what it said last. */
  gather(): Promise<(readonly Counts[])[]> {
    return Promise.all(this.#seats.map((seat) => this.#gatherFrom(seat)));
  }

  /** Has what waits in sockets that nothing new reaches answered, and closes them. */
  retire(sockets: WorkerSockets): void {
    const worker = this.#seats.find((seat) => seat.worker)?.worker;
    if (worker) worker.postMessage({ type: 'retire', sockets } satisfies ToWorker);
    else closeNameSockets([sockets]);
  }

  /** Ends all workers; each answers first what it has taken from its sockets, or all that waits in them. */
  async stop(how: Finish): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#seats.map((seat) => stopSeat(seat, how)));
  }

  #broadcast(message: ToWorker): void {
    for (const { worker } of this.#seats) worker?.postMessage(message);
  }

  #spawn(seat: Seat): void {
    const { settings, replay, log } = this.#options;
    const startedAt = performance.now();
    const worker = new Worker(entry, { workerData: settings(), name: `dns-${seat.index}` });
    seat.worker = worker;
    let failure: unknown;
    worker.on('message', (message: FromWorker) => this.#hear(seat, message));
    worker.on('error', (error) => {
      failure = error;
    });
    worker.on('exit', (code) => {
      seat.worker = undefined;
      for (const resolve of seat.waiting.values()) resolve();
      seat.waiting.clear();
      if (this.#stopping) return;
      this.#options.onLost(seat.metrics);
      seat.metrics = [];
      if (performance.now() - startedAt > provenMs) seat.restartMs = firstRestartMs;
      const restartMs = seat.restartMs;
      seat.restartMs = Math.min(restartMs * 2, maxRestartMs);
      log.error(
        { worker: seat.index, code, err: failure, restartMs },
        'a DNS worker crashed: it starts again',
      );
      seat.timer = setTimeout(() => this.#spawn(seat), restartMs);
    });
    const post = (message: ToWorker): void => worker.postMessage(message);
    // In this order: it serves when it knows what the one before it knew; queries wait in the sockets meanwhile.
    for (const changes of replay()) post({ type: 'changes', changes });
    if (this.#upstreams) post(this.#upstreams);
    for (const type of this.#synced) post({ type });
    for (const sockets of seat.sockets) post({ type: 'listen', sockets });
  }

  #hear(seat: Seat, message: FromWorker): void {
    if (message.type === 'log') {
      this.#options.log[message.level]({ worker: seat.index, ...message.fields }, message.message);
      return;
    }
    seat.metrics = message.metrics;
    seat.waiting.get(message.id)?.();
    seat.waiting.delete(message.id);
  }

  async #gatherFrom(seat: Seat): Promise<readonly Counts[]> {
    const { worker, waiting } = seat;
    if (worker) {
      const id = nextId();
      const { promise, resolve } = Promise.withResolvers<undefined>();
      const timer = setTimeout(resolve, patienceMs, undefined);
      waiting.set(id, () => resolve(undefined));
      worker.postMessage({ type: 'gather', id } satisfies ToWorker);
      await promise;
      clearTimeout(timer);
      waiting.delete(id);
    }
    return seat.metrics;
  }
}

/** A worker's place: what stays when it crashes. */
interface Seat {
  readonly index: number;
  worker: Worker | undefined;
  readonly sockets: WorkerSockets[];
  restartMs: number;
  timer: NodeJS.Timeout | undefined;
  /** What it counted, as of its last report. */
  metrics: readonly Counts[];
  /** Who waits for which report. */
  readonly waiting: Map<number, () => void>;
}

let lastId = 0;

function nextId(): number {
  lastId += 1;
  return lastId;
}

async function stopSeat({ worker, timer }: Seat, how: Finish): Promise<void> {
  clearTimeout(timer);
  if (!worker) return;
  const ended = once(worker, 'exit');
  worker.postMessage({ type: 'stop', how } satisfies ToWorker);
  const hard = setTimeout(() => void worker.terminate(), patienceMs);
  await ended;
  clearTimeout(hard);
}
