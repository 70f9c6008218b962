import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { Logger } from 'pino';
import type { Finish } from '../../dns/transport.ts';
import { PollRelay } from '../../netns/poll-relay.ts';
import type { Counts } from './gathered-metrics.ts';
import type { FromWorker, ToWorker, WorkerSettings, WorkerSockets } from './messages.ts';

export interface WorkerSeatOptions {
  readonly index: number;
  /** The worker's program. */
  readonly entry: URL;
  /** Memory for its objects: one that needs more is ended. */
  readonly heapMiB: number;
  readonly settings: () => WorkerSettings;
  /** All that a new worker has to be told before it serves, in order. */
  readonly briefing: () => Iterable<ToWorker>;
  /** What a worker had counted that ended by itself, as far as it is known. */
  readonly onLost: (counts: readonly Counts[]) => void;
  readonly log: Logger;
}

/** A crash now and then is repaired at once, one after the other more and more slowly. */
const firstRestartMs = 20;
const maxRestartMs = 5_000;
/** Who lived so long has nothing to do with an earlier crash. */
const provenMs = 60_000;
/** A worker is asked every second whether it still listens, and ended when it did not so many times in a row. */
const checkMs = 1_000;
const maxMissedChecks = 5;
/**
 * V8's own limit, for what grows faster than our checks are: it ends the thread at once, which ends the process where a
 * query arrives in that moment (netns/poll-relay.ts).
 */
const hardLimit = 4;
/** It is stopped the hard way, or reported without its newest counts, when it takes longer. */
const patienceMs = 2_000;

/** Keeps one worker running: its place stays when it ends. */
export class WorkerSeat {
  readonly #options: WorkerSeatOptions;
  #worker: Worker | undefined;
  #startedAt = 0;
  #failure: unknown;
  #restartMs = firstRestartMs;
  #restart: NodeJS.Timeout | undefined;
  #check: NodeJS.Timeout | undefined;
  #missedChecks = 0;
  #stopping = false;
  /** What it counted, as of its last report, and who waits for the next. */
  #counts: readonly Counts[] = [];
  #waiting: (() => void)[] = [];
  readonly #sockets: WorkerSockets[] = [];
  /** How the worker learns that a socket can be read. */
  #relays: PollRelay[] = [];

  constructor(options: WorkerSeatOptions) {
    this.#options = options;
  }

  get occupied(): boolean {
    return this.#worker !== undefined;
  }

  start(): void {
    const { entry, index, heapMiB, settings, briefing } = this.#options;
    this.#startedAt = performance.now();
    this.#failure = undefined;
    this.#missedChecks = 0;
    const worker = new Worker(entry, {
      name: `dns-${index}`,
      workerData: settings(),
      resourceLimits: { maxOldGenerationSizeMb: heapMiB * hardLimit },
    });
    this.#worker = worker;
    // The process may end without stopping us, and ends its threads.
    process.on('exit', this.#cutRelays);
    worker.on('message', (message: FromWorker) => this.#hear(message));
    worker.on('error', (error) => {
      this.#failure = error;
    });
    worker.on('exit', (code) => this.#noteEnd(code));
    // It serves when it knows what the others know: nobody is told wrong, queries wait in the sockets.
    for (const message of briefing()) this.post(message);
    for (const sockets of this.#sockets) this.#handOver(sockets);
    this.#check = setInterval(() => this.#checkLife(worker), checkMs).unref();
  }

  /** One more address to serve on. The sockets stay the caller's. */
  listen(sockets: WorkerSockets): void {
    this.#sockets.push(sockets);
    if (this.#worker) this.#handOver(sockets);
  }

  /** Has what waits in sockets that nothing new reaches answered; the worker closes them. */
  retire(sockets: WorkerSockets): void {
    this.post({ type: 'retire', sockets, pollFd: this.#relay(sockets).fd });
  }

  /** Nobody there: whoever comes is told everything anyway. */
  post(message: ToWorker): void {
    this.#worker?.postMessage(message);
  }

  /** What the worker has counted; where it does not answer, what it said last. */
  async gather(): Promise<readonly Counts[]> {
    if (!this.#worker) return this.#counts;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const timer = setTimeout(resolve, patienceMs, undefined);
    this.#waiting.push(() => resolve(undefined));
    this.post({ type: 'gather' });
    await promise;
    clearTimeout(timer);
    return this.#counts;
  }

  /** Ends the worker; it answers first what it has taken from its sockets, or all that waits in them. */
  async stop(how: Finish): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#restart);
    const worker = this.#worker;
    if (!worker) return;
    const ended = once(worker, 'exit');
    this.post({ type: 'stop', how });
    const timer = setTimeout(() => this.#terminate(worker), patienceMs);
    await ended;
    clearTimeout(timer);
  }

  #hear(message: FromWorker): void {
    this.#missedChecks = 0;
    if (message.type === 'log') {
      const { level, fields, message: text } = message;
      this.#options.log[level]({ worker: this.#options.index, ...fields }, text);
    } else if (message.type === 'counts') {
      this.#counts = message.counts;
      this.#release();
    }
  }

  #release(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  #handOver(sockets: WorkerSockets): void {
    this.post({ type: 'listen', sockets, pollFd: this.#relay(sockets).fd });
  }

  #relay({ udp }: WorkerSockets): PollRelay {
    const relay = new PollRelay(udp);
    this.#relays.push(relay);
    return relay;
  }

  #checkLife(worker: Worker): void {
    // Counted and not timed: a machine that slept must not take its workers for dead.
    this.#missedChecks += 1;
    if (this.#missedChecks <= maxMissedChecks) this.post({ type: 'check' });
    else this.#giveUp(worker, `it did nothing for ${maxMissedChecks} s`);
    // Answered also from within an endless loop; not by one that has just ended.
    worker.getHeapStatistics().then(
      ({ used_heap_size: bytes }) => {
        const { heapMiB } = this.#options;
        if (bytes > heapMiB * 2 ** 20) this.#giveUp(worker, `its objects need more than ${heapMiB} MiB`);
      },
      () => undefined,
    );
  }

  #giveUp(worker: Worker, reason: string): void {
    if (this.#worker !== worker) return;
    this.#failure ??= new Error(reason);
    this.#terminate(worker);
  }

  #terminate(worker: Worker): void {
    this.#cutRelays();
    void worker.terminate();
  }

  /** Before anything ends the worker's thread from outside. */
  readonly #cutRelays = (): void => {
    for (const relay of this.#relays) relay.cut();
  };

  #noteEnd(code: number): void {
    clearInterval(this.#check);
    process.off('exit', this.#cutRelays);
    this.#worker = undefined;
    for (const relay of this.#relays.splice(0)) relay[Symbol.dispose]();
    this.#release();
    if (this.#stopping) return;
    this.#options.onLost(this.#counts);
    this.#counts = [];
    if (performance.now() - this.#startedAt > provenMs) this.#restartMs = firstRestartMs;
    const restartMs = this.#restartMs;
    this.#restartMs = Math.min(restartMs * 2, maxRestartMs);
    this.#options.log.error(
      { worker: this.#options.index, code, err: this.#failure, restartMs },
      'a DNS worker ended: another takes its place, and what was asked meanwhile waits for it',
    );
    this.#restart = setTimeout(() => this.start(), restartMs);
  }
}
