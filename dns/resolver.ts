import { NOTE, takeNote } from './answer-note.ts';
import { setTimeout as delay } from 'node:timers/promises';
import { encodeAnswer, renderAnswer, writeAnswer, writeError, type Answer } from './answer.ts';
import { AnswerCache } from './cache.ts';
import { markedAnswer, type LoopProbe } from './loop-probe.ts';
import { decodeMessage, type Message } from './message.ts';
import { copyQuery, createQuery, parseQuery, type Query } from './question.ts';
import { nameLength, textData } from './records.ts';
import { encodeQuestion, type Question } from './upstream.ts';
import type { Upstreams } from './upstreams.ts';
import { FLAG, MAX_MESSAGE_BYTES, RCODE, TYPE } from './wire.ts';

export interface ResolverOptions {
  readonly upstreams: Pick<Upstreams, 'ask' | 'isHealthy'>;
  /** How a question of ours is known that comes back to us. */
  readonly loop?: LoopProbe;
  /** Memory for cached answers. Default 16 MiB. */
  readonly maxCacheBytes?: number;
  /** Answers are kept at least and at most so long, whatever their TTL. Defaults 5 and 3600. */
  readonly minTtlSeconds?: number;
  readonly maxTtlSeconds?: number;
  /** Negative answers are kept at most so long (RFC 2308 section 5). Default 1800. */
  readonly maxNegativeTtlSeconds?: number;
  /** How long after its end an answer may still be given when upstream servers fail (RFC 8767). Default 86 400. */
  readonly maxStaleSeconds?: number;
  /** Questions asked upstream at the same time, and queries that wait for them. Defaults 1000 and 10 000. */
  readonly maxPending?: number;
  readonly maxWaiting?: number;
  /**
   * Asked before a query waits for upstream servers, called again when the wait is over; undefined refuses it:
   * its client has enough of them. Queries beyond any limit get an old answer, else SERVFAIL.
   */
  readonly admit?: (query: Query) => (() => void) | undefined;
  readonly observer?: ResolverObserver;
  /** Seconds of any steady clock. */
  readonly now?: () => number;
}

/** Told of the cache's use; for metrics. */
export interface ResolverObserver {
  hit(kind: 'success' | 'denial'): void;
  miss(): void;
  /** An answer past its time was given because upstream servers failed. */
  stale(): void;
}

/** RFC 8767 section 5: after so long a client gets the old answer while the new one is still waited for. */
const STALE_AFTER_MS = 1800;
/** RFC 8767 section 5: for so long after a failure old answers are given without asking anew. */
const STALE_RECHECK_SECONDS = 30;
/** RFC 9520 section 3.2: a failure is remembered at least so long, or retries become a storm. */
const FAILURE_SECONDS = 1;
/** An answer in use is fetched anew when a tenth of its time is left. */
const PREFETCH_SHARE = 0.1;
const PREFETCH_HITS = 2;

/** Answers for names that are not ours: from the cache, else from upstream servers. */
export class Resolver {
  readonly #options: ResolverOptions;
  readonly #cache: AnswerCache;
  /** Questions under way: whoever asks the same meanwhile waits for the same answer. */
  readonly #pending = new Map<string, Promise<Message>>();
  readonly #now: () => number;
  readonly #maxStaleSeconds: number;
  readonly #scratch = Buffer.allocUnsafeSlow(MAX_MESSAGE_BYTES);
  #waiting = 0;

  constructor(options: ResolverOptions) {
    this.#options = options;
    this.#cache = new AnswerCache(options.maxCacheBytes ?? 16 << 20);
    this.#maxStaleSeconds = options.maxStaleSeconds ?? 86_400;
    this.#now = options.now ?? (() => performance.now() / 1000);
  }

  /** Cached answers and about how much memory they take. */
  get cached(): { readonly entries: number; readonly bytes: number } {
    return { entries: this.#cache.size, bytes: this.#cache.bytes };
  }

  /** A {@link Handler} for a query of class IN. */
  handle(query: Query, out: Buffer): number | Promise<Uint8Array> {
    if (query.type === TYPE.ANY) return writeAnswer(query, minimalAnswer(query), out);
    const kind = kindOf(query);
    const at = this.#cache.find(query.name, kind);
    const now = this.#now();
    if (at < 0 || now >= this.#cache.memory.keptUntil(at)) return this.#miss(query, kind, at, now, out);
    const { memory } = this.#cache;
    memory.countHit(at);
    const expiresAt = memory.expiresAt(at);
    if (now >= expiresAt) return this.#writeStale(query, at, now, out);
    this.#options.observer?.hit(memory.isPositive(at) ? 'success' : 'denial');
    const storedAt = memory.storedAt(at);
    if (expiresAt - now < (expiresAt - storedAt) * PREFETCH_SHARE && memory.hitsAt(at) >= PREFETCH_HITS) {
      this.#refresh(query, kind);
    }
    takeNote(
      query,
      NOTE.OTHER,
      () => `answered from its cache, where it has been for ${secondsText(now - storedAt)}`,
    );
    return memory.answer(at, query, out, Math.floor(now - storedAt));
  }

  /**
   * The records behind a question, for names that an alias of ours leads to; `client` is who waits for them.
   * @throws {DnsError} NoUpstream
   */
  async resolve(question: Question, client: Uint8Array): Promise<Message> {
    const query = createQuery();
    query.client = client;
    // As if it had come over TCP: cut by no client's limit.
    parseQuery(encodeQuestion(0, question, true), 'tcp', query);
    const result = this.handle(query, this.#scratch);
    if (typeof result === 'number') return decodeMessage(this.#scratch.subarray(0, result));
    return decodeMessage(Buffer.from(await result));
  }

  #miss(query: Query, kind: number, at: number, now: number, out: Buffer): number | Promise<Uint8Array> {
    const { observer, loop, upstreams, admit } = this.#options;
    if (loop?.isProbe(query.name, query.type)) return writeAnswer(query, markedAnswer(query.name), out);
    observer?.miss();
    const hasOld = this.#isUsable(at, now);
    if (hasOld && !upstreams.isHealthy(query.name)) {
      this.#refresh(query, kind);
      return this.#writeStale(query, at, now, out);
    }
    const release = this.#isFull(query, kind) ? undefined : (admit ?? freeAdmission)(query);
    if (!release) {
      if (hasOld) return this.#writeStale(query, at, now, out);
      takeNote(query, NOTE.NO_UPSTREAM, () => 'too many questions wait for upstream servers');
      return writeError(query, RCODE.SERVFAIL, FLAG.RA, out);
    }
    this.#waiting += 1;
    return this.#wait(copyQuery(query), kind, hasOld).finally(() => {
      this.#waiting -= 1;
      release();
    });
  }

  /** Whether nobody else may wait; who asks what is being asked costs no further question. */
  #isFull({ name }: Query, kind: number): boolean {
    const { maxPending = 1000, maxWaiting = 10_000 } = this.#options;
    if (this.#waiting >= maxWaiting) return true;
    return this.#pending.size >= maxPending && !this.#pending.has(keyOf(name, kind));
  }

  async #wait(query: Query, kind: number, hasOld: boolean): Promise<Uint8Array> {
    const fetched = this.#fetch(questionOf(query), kind);
    if (!hasOld) return this.#render(query, await fetched);
    const patience = new AbortController();
    const fresh = await Promise.race([
      fetched.catch(() => undefined),
      delay(STALE_AFTER_MS, undefined, { signal: patience.signal, ref: false }).catch(() => undefined),
    ]);
    patience.abort();
    if (fresh && !isFailure(fresh.rcode)) return this.#render(query, fresh);
    // Looked for again: the cache has moved on.
    const at = this.#cache.find(query.name, kind);
    if (at < 0) return this.#render(query, await fetched);
    const { memory } = this.#cache;
    const now = this.#now();
    this.#options.observer?.stale();
    noteStale(query, now - memory.storedAt(at));
    return renderAnswer(query, memory.read(at), Math.floor(now - memory.storedAt(at)));
  }

  #render(query: Query, message: Message): Uint8Array {
    takeNote(
      query,
      NOTE.OTHER,
      () => `asked the upstream server${message.server === undefined ? '' : ` ${message.server}`}`,
    );
    return renderAnswer(query, answerOf(message, query.name));
  }

  #isUsable(at: number, now: number): boolean {
    if (at < 0) return false;
    const { memory } = this.#cache;
    return !isFailure(memory.rcodeAt(at)) && now - memory.expiresAt(at) <= this.#maxStaleSeconds;
  }

  #writeStale(query: Query, at: number, now: number, out: Buffer): number {
    this.#options.observer?.stale();
    noteStale(query, now - this.#cache.memory.storedAt(at));
    return this.#cache.memory.answer(at, query, out, Math.floor(now - this.#cache.memory.storedAt(at)));
  }

  /** Asks anew, and nobody waits: if it fails, the answer that is there stands as long as it may. */
  #refresh(query: Query, kind: number): void {
    if (this.#isFull(query, kind)) return;
    void this.#fetch(questionOf(query), kind).catch(() => undefined);
  }

  #fetch(question: Question, kind: number): Promise<Message> {
    const key = keyOf(question.name, kind);
    const running = this.#pending.get(key);
    if (running) return running;
    const asked = this.#options.upstreams
      .ask(question)
      .then(
        (message) => this.#store(question, kind, message),
        (error: unknown) => {
          this.#noteFailure(question.name, kind, RCODE.SERVFAIL);
          throw error;
        },
      )
      .finally(() => this.#pending.delete(key));
    this.#pending.set(key, asked);
    return asked;
  }

  /** Keeps the answer, if it may be kept, and returns it with the TTLs it is kept with. */
  #store({ name, type }: Question, kind: number, message: Message): Message {
    if (isFailure(message.rcode)) {
      this.#noteFailure(name, kind, message.rcode);
      return message;
    }
    const { minTtlSeconds = 5, maxTtlSeconds = 3600, maxNegativeTtlSeconds = 1800 } = this.#options;
    const negative = isNegative(message, type);
    const lifetime = negative ? negativeTtl(message) : leastTtl(message);
    if (lifetime === undefined) return message;
    const ceiling = negative ? maxNegativeTtlSeconds : maxTtlSeconds;
    const clamp = (seconds: number): number => Math.min(Math.max(seconds, minTtlSeconds), ceiling);
    const kept = {
      ...message,
      answer: message.answer.map((record) => ({ ...record, ttlSeconds: clamp(record.ttlSeconds) })),
      // A SOA is there to say how long this holds (RFC 2308 section 5).
      authority: message.authority.map((record) => ({
        ...record,
        ttlSeconds: clamp(record.type === TYPE.SOA ? lifetime : record.ttlSeconds),
      })),
    };
    const now = this.#now();
    if (clamp(lifetime) > 0) {
      this.#cache.set(name, kind, answerOf(kept, name), { storedAt: now, expiresAt: now + clamp(lifetime) });
    }
    return kept;
  }

  /** An old answer stands in for a while; else the failure itself is the answer for a moment. */
  #noteFailure(name: string, kind: number, rcode: number): void {
    const now = this.#now();
    const at = this.#cache.find(name, kind);
    if (this.#isUsable(at, now)) {
      const { memory } = this.#cache;
      const last = memory.expiresAt(at) + this.#maxStaleSeconds;
      memory.keep(at, Math.max(Math.min(now + STALE_RECHECK_SECONDS, last), memory.keptUntil(at)));
      return;
    }
    const failure = encodeAnswer({ rcode, flags: FLAG.RA }, { nameBytes: name.length, suffix: name });
    this.#cache.set(name, kind, failure, { storedAt: now, expiresAt: now + FAILURE_SECONDS });
  }
}

function freeAdmission(): () => void {
  return () => undefined;
}

function answerOf({ rcode, flags, answer, authority, additional }: Message, name: string): Answer {
  return encodeAnswer(
    { rcode, flags: FLAG.RA | (flags & FLAG.AD), answer, authority, additional },
    { nameBytes: name.length, suffix: name },
  );
}

function questionOf({ name, type, dnssecOk, flags }: Query): Question {
  return { name, type, dnssecOk, checkingDisabled: (flags & FLAG.CD) !== 0 };
}

/** What tells questions about one name apart. */
function kindOf({ type, dnssecOk, flags }: Query): number {
  return (type << 2) | (dnssecOk ? 2 : 0) | ((flags & FLAG.CD) !== 0 ? 1 : 0);
}

function keyOf(name: string, kind: number): string {
  return `${name}${kind}`;
}

function isFailure(rcode: number): boolean {
  return rcode !== RCODE.NOERROR && rcode !== RCODE.NXDOMAIN;
}

/** No such name, or no such records; an alias that leads nowhere is negative too (RFC 2308 section 2). */
function isNegative({ rcode, answer }: Message, type: number): boolean {
  return rcode === RCODE.NXDOMAIN || !answer.some((record) => record.type === type);
}

function leastTtl({ answer, authority }: Message): number {
  return Math.min(...[...answer, ...authority].map(({ ttlSeconds }) => ttlSeconds));
}

/** RFC 2308 section 5: the lesser of the SOA's TTL and minimum; without SOA it must not be kept. */
function negativeTtl({ answer, authority }: Message): number | undefined {
  const authorityRecord = authority.find(({ type }) => type === TYPE.SOA);
  if (!authorityRecord) return undefined;
  const minimum = soaMinimum(authorityRecord.data);
  return Math.min(authorityRecord.ttlSeconds, minimum, ...answer.map(({ ttlSeconds }) => ttlSeconds));
}

function soaMinimum(data: string): number {
  const mailboxAt = nameLength(data, 0);
  const at = mailboxAt + nameLength(data, mailboxAt) + 16;
  return Buffer.from(data.slice(at).padEnd(4, '\0'), 'latin1').readUInt32BE(0);
}

/** RFC 8482 section 4.2: ANY of a name that is not ours is not worth a question. */
function minimalAnswer({ name }: Query): Answer {
  const record = { name, type: TYPE.HINFO, ttlSeconds: 3600, data: textData('RFC8482', '') };
  return encodeAnswer(
    { rcode: RCODE.NOERROR, flags: FLAG.RA, answer: [record] },
    { nameBytes: name.length, suffix: name },
  );
}

function noteStale(query: Query, ageSeconds: number): void {
  const source = (): string =>
    `answered from its cache with what is old, of ${secondsText(ageSeconds)} ago: upstream servers have no new one`;
  takeNote(query, NOTE.STALE, source);
}

function secondsText(seconds: number): string {
  return `${Math.floor(seconds)} s`;
}
