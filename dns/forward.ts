import { isReferral } from './bailiwick.ts';
import { DnsError } from './dns-error.ts';
import type { LoopProbe } from './loop-probe.ts';
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
  /** How often a server that leads back to us is asked whether it still does. Default 30,000. */
  readonly loopProbeMs?: number;
  /** The zone (wire form) these servers are asked about. Default the root: everything. */
  readonly zone?: string;
  /** Whether names are sent in random case, see {@link AskOptions.mixCase}. Default false. */
  readonly mixCase?: boolean;
  /** How it is found out that a server leads back to us; without, it is not. */
  readonly loop?: LoopProbe;
  readonly observer?: ForwarderObserver;
}

/** Told of what happens upstream; for metrics. */
export interface ForwarderObserver {
  /** One exchange, probes apart; `rcode` is undefined where none was answered. */
  asked(server: string, rcode: number | undefined, seconds: number): void;
  /** A server was found dead, or alive again. */
  health(server: string, healthy: boolean): void;
  /** A server was found to send our questions back to us, or to have stopped doing so. */
  loop?(server: string, looping: boolean): void;
}

/** Glibc waits five seconds: after that nobody listens. */
const DEADLINE_MS = 4500;
/** One lost packet is bad luck, two in a row are a dead server. */
const FAILURES_UNTIL_DOWN = 2;
/** With few servers each is asked again: a UDP packet may be lost. */
const LEAST_ATTEMPTS = 3;
/** A server that refused EDNS is asked without for so long. */
const PLAIN_MS = 600_000;

interface ServerState {
  readonly server: UpstreamServer;
  readonly label: string;
  failures: number;
  probing: boolean;
  looping: boolean;
  /** Until when EDNS is not spoken. */
  plainUntil: number;
}

const tryElsewhere: ReadonlySet<number> = new Set([
  RCODE.FORMERR,
  RCODE.SERVFAIL,
  RCODE.NOTIMP,
  RCODE.REFUSED,
]);

const aliveProbe: Question = { name: ROOT, type: TYPE.NS, dnssecOk: false, checkingDisabled: false };

/** Asks upstream servers: one after the other until one answers, the dead ones last. */
export class Forwarder {
  readonly #options: ForwarderOptions;
  readonly #servers: readonly ServerState[];
  readonly #timeoutMs: number;
  readonly #stopping = new AbortController();
  readonly #timers = new Set<NodeJS.Timeout>();
  #retired = false;

  constructor(options: ForwarderOptions) {
    this.#options = options;
    this.#timeoutMs = options.timeoutMs ?? 1500;
    this.#servers = options.servers.map((server) => ({
      server,
      label: renderServer(server),
      failures: 0,
      probing: false,
      looping: false,
      plainUntil: 0,
    }));
    if (options.loop) for (const state of this.#servers) this.#scheduleProbe(state, 0);
  }

  /** Whether at least one server is thought to answer. */
  get healthy(): boolean {
    return this.#servers.some((state) => isHealthy(state) && !state.looping);
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
        if (!tryElsewhere.has(answer.rcode) && !isReferral(answer)) return answer;
        lastAnswer = answer;
        refused.add(state);
      } catch (error) {
        cause = error;
      }
    }
    // A referral is no answer to who asked us to resolve a name.
    if (lastAnswer) return isReferral(lastAnswer) ? { ...lastAnswer, rcode: RCODE.SERVFAIL } : lastAnswer;
    throw new DnsError('NoUpstream', this.#explain(), { cause });
  }

  #explain(): string {
    if (this.#servers.length === 0) return 'no upstream DNS server is known';
    const names = this.#servers.map(({ label }) => label).join(', ');
    return this.#servers.every(({ looping }) => looping)
      ? `${names} would ask this node's own DNS`
      : `no answer from ${names}`;
  }

  /** Ends probes; questions under way go on. */
  retire(): void {
    this.#retired = true;
    this.#clearTimers();
  }

  /** Ends exchanges and probes under way. */
  close(): void {
    this.retire();
    this.#stopping.abort();
  }

  #clearTimers(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }

  /** Healthy servers first, each as often as makes enough attempts. */
  #order(): ServerState[] {
    const usable = this.#servers.filter(({ looping }) => !looping);
    const healthy = usable.filter(isHealthy);
    const down = usable.filter((state) => !isHealthy(state));
    if (this.#options.policy === 'random') shuffle(healthy);
    const order = [...healthy, ...down];
    if (order.length === 0) return [];
    const rounds = Math.ceil(LEAST_ATTEMPTS / order.length);
    return Array.from({ length: rounds }, () => order).flat();
  }

  async #askOne(state: ServerState, question: Question): Promise<Message> {
    const startedAt = performance.now();
    let rcode: number | undefined;
    try {
      const answer = await this.#exchange(state, question);
      rcode = answer.rcode;
      return { ...answer, server: state.label };
    } finally {
      this.#options.observer?.asked(state.label, rcode, (performance.now() - startedAt) / 1000);
    }
  }

  /** One exchange, whose outcome is what is thought of the server from now on. */
  async #exchange(state: ServerState, question: Question): Promise<Message> {
    try {
      const answer = await this.#speak(state, question);
      this.#succeeded(state);
      return answer;
    } catch (error) {
      this.#failed(state);
      throw error;
    }
  }

  async #speak(state: ServerState, question: Question): Promise<Message> {
    const { mixCase = false } = this.#options;
    const options = { timeoutMs: this.#timeoutMs, signal: this.#stopping.signal, mixCase };
    if (performance.now() >= state.plainUntil) {
      const answer = await askServer(state.server, question, { ...options, edns: true });
      if (answer.rcode !== RCODE.FORMERR) return answer;
    }
    // A server from before EDNS (RFC 6891 section 7).
    const answer = await askServer(state.server, question, { ...options, edns: false });
    if (answer.rcode !== RCODE.FORMERR && !question.dnssecOk) state.plainUntil = performance.now() + PLAIN_MS;
    return answer;
  }

  #succeeded(state: ServerState): void {
    if (!isHealthy(state)) this.#options.observer?.health(state.label, true);
    state.failures = 0;
  }

  #failed(state: ServerState): void {
    if (this.#retired) return;
    state.failures += 1;
    if (state.failures === FAILURES_UNTIL_DOWN) this.#options.observer?.health(state.label, false);
    // Nobody else asks one that leads back to us: a probe that is lost must not be its last.
    if (!isHealthy(state) || state.looping) this.#scheduleProbe(state, this.#options.probeMs ?? 1000);
  }

  #scheduleProbe(state: ServerState, delayMs: number): void {
    if (state.probing || this.#retired) return;
    state.probing = true;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      state.probing = false;
      // A failure is what #exchange notes.
      void this.#probe(state).catch(() => undefined);
    }, delayMs);
    timer.unref();
    this.#timers.add(timer);
  }

  /** Whether a server answers, and whether it is ourselves that it answers with. */
  async #probe(state: ServerState): Promise<void> {
    const { loop, zone, observer, loopProbeMs = 30_000 } = this.#options;
    if (!loop) {
      await this.#exchange(state, aliveProbe);
      return;
    }
    const looping = loop.isMarked(await this.#exchange(state, loop.createQuestion(zone)));
    if (looping !== state.looping) observer?.loop?.(state.label, looping);
    state.looping = looping;
    if (looping) this.#scheduleProbe(state, loopProbeMs);
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
