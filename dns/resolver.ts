import { encodeAnswer, renderAnswer, writeAnswer, type Answer } from './answer.ts';
import { AnswerCache, type CachedAnswer } from './cache.ts';
import { DnsError } from './dns-error.ts';
import { markedAnswer, type LoopProbe } from './loop-probe.ts';
import { decodeMessage, type Message } from './message.ts';
import { copyQuery, createQuery, parseQuery, type Query } from './question.ts';
import { nameLength, textData, type ResourceRecord } from './records.ts';
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
  /** Questions that wait for upstream servers at the same time; more are answered with SERVFAIL. Default 1000. */
  readonly maxPending?: number;
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
  readonly #scratch = Buffer.allocUnsafeSlow(MAX_MESSAGE_BYTES);

  constructor(options: ResolverOptions) {
    this.#options = options;
    this.#cache = new AnswerCache(options.maxCacheBytes ?? 16 << 20);
    this.#now = options.now ?? (() => performance.now() / 1000);
  }

  /** Cached answers and about how much memory they take. */
  get cached(): { readonly entries: number; readonly bytes: number } {
    return { entries: this.#cache.size, bytes: this.#cache.bytes };
  }

  /** A {@link Handler} for a query of class IN. */
  handle(query: Query, out: Buffer): number | Promise<Uint8Array> {
    if (query.type === TYPE.ANY) return writeAnswer(query, minimalAnswer(query), out);
    const question = questionOf(query);
    const key = keyOf(question);
    const entry = this.#cache.get(key);
    const now = this.#now();
    if (!entry || now >= entry.expiresAt) {
      if (this.#options.loop?.isProbe(query.name, query.type)) {
        return writeAnswer(query, markedAnswer(query.name), out);
      }
      this.#options.observer?.miss();
      return this.#fetchFor(copyQuery(query), key, question, entry);
    }
    this.#options.observer?.hit(entry.answer.answerCount > 0 ? 'success' : 'denial');
    const left = (entry.expiresAt - now) / (entry.expiresAt - entry.storedAt);
    if (left < PREFETCH_SHARE && entry.hits >= PREFETCH_HITS) this.#prefetch(key, question);
    return writeAnswer(query, entry.answer, out, Math.floor(now - entry.storedAt));
  }

  /**
   * The records behind a question, for names that an alias of ours leads to.
   * @throws {DnsError} NoUpstream
   */
  async resolve(question: Question): Promise<Message> {
    const query = createQuery();
    // As if it had come over TCP: cut by no client's limit.
    parseQuery(encodeQuestion(0, question, true), 'tcp', query);
    const result = this.handle(query, this.#scratch);
    if (typeof result === 'number') return decodeMessage(this.#scratch.subarray(0, result));
    return decodeMessage(Buffer.from(await result));
  }

  async #fetchFor(
    query: Query,
    key: string,
    question: Question,
    old: CachedAnswer | undefined,
  ): Promise<Uint8Array> {
    const fetched = this.#fetch(key, question).then((message) => this.#answerOf(message, query.name));
    const stale = this.#usable(old);
    if (!stale) return renderAnswer(query, await fetched);
    const answer = await Promise.race([
      fetched.then((fresh) => (isFailure(fresh.rcode) ? undefined : fresh)).catch(() => undefined),
      this.#options.upstreams.isHealthy(query.name) ? delay(STALE_AFTER_MS) : undefined,
    ]);
    if (answer) return renderAnswer(query, answer);
    this.#options.observer?.stale();
    return renderAnswer(query, stale.answer, Math.floor(this.#now() - stale.storedAt));
  }

  #usable(entry: CachedAnswer | undefined): CachedAnswer | undefined {
    if (!entry) return undefined;
    const staleSeconds = this.#now() - entry.expiresAt;
    return staleSeconds <= (this.#options.maxStaleSeconds ?? 86_400) ? entry : undefined;
  }

  #prefetch(key: string, question: Question): void {
    // Nobody waits for it; if it fails, the next query after the end asks again and reports.
    void this.#fetch(key, question).catch(() => undefined);
  }

  #fetch(key: string, question: Question): Promise<Message> {
    const running = this.#pending.get(key);
    if (running) return running;
    if (this.#pending.size >= (this.#options.maxPending ?? 1000)) {
      return Promise.reject(new DnsError('NoUpstream', 'too many questions wait for upstream DNS servers'));
    }
    const asked = this.#options.upstreams
      .ask(question)
      .then((message) => this.#store(key, question, message))
      .finally(() => this.#pending.delete(key));
    this.#pending.set(key, asked);
    return asked;
  }

  /** Keeps the answer, if it may be kept, and returns it with the TTLs it is kept with. */
  #store(key: string, question: Question, message: Message): Message {
    const { minTtlSeconds = 5, maxTtlSeconds = 3600, maxNegativeTtlSeconds = 1800 } = this.#options;
    const negative = isNegative(message, question.type);
    const lifetime = negative ? negativeTtl(message) : leastTtl(message);
    if (lifetime === undefined || isFailure(message.rcode)) return message;
    const ceiling = negative ? maxNegativeTtlSeconds : maxTtlSeconds;
    const clamp = (seconds: number): number => Math.min(Math.max(seconds, minTtlSeconds), ceiling);
    const clampAll = (records: readonly ResourceRecord[]): ResourceRecord[] =>
      records.map((record) => ({ ...record, ttlSeconds: clamp(record.ttlSeconds) }));
    const kept = {
      ...message,
      answer: clampAll(message.answer),
      authority: clampAll(message.authority),
      additional: clampAll(message.additional),
    };
    const now = this.#now();
    this.#cache.set(key, this.#answerOf(kept, question.name), now, now + clamp(lifetime));
    return kept;
  }

  #answerOf({ rcode, flags, answer, authority, additional }: Message, name: string): Answer {
    return encodeAnswer(
      { rcode, flags: FLAG.RA | (flags & FLAG.AD), answer, authority, additional },
      { nameBytes: name.length, suffix: name },
    );
  }
}

function questionOf({ name, type, dnssecOk, flags }: Query): Question {
  return { name, type, dnssecOk, checkingDisabled: (flags & FLAG.CD) !== 0 };
}

function keyOf({ name, type, dnssecOk, checkingDisabled }: Question): string {
  return `${name}${type},${dnssecOk ? 1 : 0}${checkingDisabled ? 1 : 0}`;
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

function delay(ms: number): Promise<undefined> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms, undefined).unref();
  });
}
