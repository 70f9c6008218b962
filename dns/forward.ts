import { DnsError } from './dns-error.ts';
import type { Message } from './message.ts';
import { ROOT } from './names.ts';
import { askServer, renderServer, type Question, type UpstreamServer } from './upstream.ts';
import { RCODE, TYPE } from './wire.ts';

export interface ForwarderOptions {
  readonly servers: readonly UpstreamServer[];
  /** Which healthy server is asked first: the first of the list, or any. Default `sequential`. */
  readonly policy?: 'sequential' | 'random';
  /** How long one server is waited for. Default 1500. */
  readonly timeoutMs?: number;
  /** How often a server is asked that does not answer, until it does. Default 1000. */
  readonly probeMs?: number;
  readonly observer?: ForwarderObserver;
}

/** Told of what happens upstream; for metrics. */
export interface ForwarderObserver {
  /** One exchange; `rcode` is undefined where none was answered. */
  asked(server: string, rcode: number | undefined, seconds: number): void;
  /** A server was found dead, or alive again. */
  health(server: string, healthy: boolean): void;
}

/** Glibc waits five seconds: after that nobody listens. */
const DEADLINE_MS = 4500;
/** One lost packet is bad luck, two in a row are a dead server. */
const FAILURES_UNTIL_DOWN = 2;
/** With few servers each is asked again: a UDP packet may be lost. */
const LEAST_ATTEMPTS = 3;

interface ServerState {
  readonly server: UpstreamServer;
  readonly label: string;
  failures: number;
  probing: boolean;
}

const tryElsewhere: ReadonlySet<number> = new Set([
  RCODE.FORMERR,
  RCODE.SERVFAIL,
  RCODE.NOTIMP,
  RCODE.REFUSED,
]);

const probe: Question = { name: ROOT, type: TYPE.NS, dnssecOk: false, checkingDisabled: false };

/** Asks upstream servers: one after the other until one answers, the dead ones last. */
export class Forwarder {
  readonly #options: ForwarderOptions;
  readonly #servers: readonly ServerState[];
  readonly #timeoutMs: number;
  readonly #stopping = new AbortController();
  readonly #timers = new Set<NodeJS.Timeout>();

  constructor(options: ForwarderOptions) {
    this.#options = options;
    this.#timeoutMs = options.timeoutMs ?? 1500;
    this.#servers = options.servers.map((server) => ({
      server,
      label: renderServer(server),
      failures: 0,
      probing: false,
    }));
  }

  /** Whether at least one server is thought to answer. */
  get healthy(): boolean {
    return this.#servers.some(isHealthy);
  }

  /**
   * The first useful answer; where no server has one, the last error that a server answered with.
   * @throws {DnsError} NoUpstream where no server answers at all.
   */
  async ask(question: Question): Promise<Message> {
    const deadline = performance.now() + DEADLINE_MS;
    const refused = new Set<ServerState>();
    let lastAnswer: Message | undefined;
    let cause: unknown;
    for (const state of this.#order()) {
      if (refused.has(state)) continue;
      if (performance.now() >= deadline) break;
      try {
        const answer = await this.#askOne(state, question);
        if (!tryElsewhere.has(answer.rcode)) return answer;
        lastAnswer = answer;
        refused.add(state);
      } catch (error) {
        cause = error;
      }
    }
    if (lastAnswer) return lastAnswer;
    const names = this.#servers.map(({ label }) => label).join(', ');
    const reason = names === '' ? 'no upstream DNS server is known' : `no answer from ${names}`;
    throw new DnsError('NoUpstream', reason, { cause });
  }

  /** Ends exchanges and probes under way. */
  close(): void {
    this.#stopping.abort();
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }

  /** Healthy servers first, each as often as makes enough attempts. */
  #order(): ServerState[] {
    const healthy = this.#servers.filter(isHealthy);
    const down = this.#servers.filter((state) => !isHealthy(state));
    if (this.#options.policy === 'random') shuffle(healthy);
    const order = [...healthy, ...down];
    if (order.length === 0) return [];
    const rounds = Math.ceil(LEAST_ATTEMPTS / order.length);
    return Array.from({ length: rounds }, () => order).flat();
  }

  async #askOne(state: ServerState, question: Question): Promise<Message> {
    const options = { timeoutMs: this.#timeoutMs, signal: this.#stopping.signal };
    const startedAt = performance.now();
    let rcode: number | undefined;
    try {
      let answer = await askServer(state.server, question, { ...options, edns: true });
      // A server from before EDNS (RFC 6891 section 7).
      if (answer.rcode === RCODE.FORMERR)
        answer = await askServer(state.server, question, { ...options, edns: false });
      rcode = answer.rcode;
      this.#succeeded(state);
      return answer;
    } catch (error) {
      this.#failed(state);
      throw error;
    } finally {
      this.#options.observer?.asked(state.label, rcode, (performance.now() - startedAt) / 1000);
    }
  }

  #succeeded(state: ServerState): void {
    if (!isHealthy(state)) this.#options.observer?.health(state.label, true);
    state.failures = 0;
  }

  #failed(state: ServerState): void {
    if (this.#stopping.signal.aborted) return;
    state.failures += 1;
    if (state.failures === FAILURES_UNTIL_DOWN) this.#options.observer?.health(state.label, false);
    if (!isHealthy(state)) this.#scheduleProbe(state);
  }

  #scheduleProbe(state: ServerState): void {
    if (state.probing) return;
    state.probing = true;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      state.probing = false;
      // The outcome, either way, is what #askOne notes.
      void this.#askOne(state, probe).catch(() => undefined);
    }, this.#options.probeMs ?? 1000);
    timer.unref();
    this.#timers.add(timer);
  }
}

function isHealthy({ failures }: ServerState): boolean {
  return failures < FAILURES_UNTIL_DOWN;
}

/** Fisher and Yates. */
function shuffle(items: unknown[]): void {
  for (let last = items.length - 1; last > 0; last -= 1) {
    const other = Math.floor(Math.random() * (last + 1));
    [items[last], items[other]] = [items[other], items[last]];
  }
}
