import type { NamespaceHandle } from '../netns/namespace.ts';
import { NFNL_SUBSYS_NFTABLES } from '../netns/nf-tables.ts';
import { NETLINK_NETFILTER, NetlinkMonitor, NetlinkSocket } from '../netns/netlink.ts';
import { askGeneration, decodeGeneration } from './generation.ts';
import type { Generation } from './generation.ts';
import { readLegacyCounters } from './legacy-counters.ts';
import { concernsOurs } from './rule-messages.ts';

/** Somebody else changed rules. */
export interface Touch {
  /** Rules of ours changed for certain; otherwise only comparing tells. */
  readonly certain: boolean;
  /** Who did it, as far as the kernel tells: `nft (process 4711)`. */
  readonly by?: string;
}

/**
 * Tells of changes that others make to the rules of this network namespace, from construction on. What happens
 * between {@link beginOwn} and {@link endOwn} by this process or by a program it named is its own.
 */
export interface RuleWatch extends Disposable {
  /** Whether no change goes untold; otherwise only most. */
  readonly tellsAll: boolean;
  /** @param mayBeLong whether much is going to be written for certain: details of what others do meanwhile are not told */
  beginOwn(options: { readonly mayBeLong: boolean }): void;
  /** A program that we started. */
  noteProgram(program: string, pid: number): void;
  /** Behind it every change by others up to now has been told. */
  endOwn(): void;
}

/** Which of the kernel's two interfaces holds the rules. */
export type RuleInterface = 'nft' | 'legacy';

export interface WatchOptions {
  readonly onTouch: (touch: Touch) => void;
  /** Default: the thread's own. */
  readonly namespace?: NamespaceHandle | string;
}

/** @throws KernelError without the right to look, or when the kernel does not have the interface */
export function watchRules(rules: RuleInterface, options: WatchOptions): RuleWatch {
  return rules === 'nft' ? new TransactionWatch(options) : new CounterWatch(options);
}

/** linux/netfilter/nfnetlink.h: bit of NFNLGRP_NFTABLES */
export const nftablesGroup = 1 << 6;
/** linux/netfilter/nf_tables.h */
export const NEWGEN = (NFNL_SUBSYS_NFTABLES << 8) | 15;

/**
 * Listens to nf_tables, which tells each object of a transaction and then the new generation with who made it.
 * Our own transactions can be of 100,000 objects, which would overrun the socket: while we write only generations are
 * listened to.
 */
class TransactionWatch implements RuleWatch {
  readonly tellsAll = true;
  readonly #onTouch: WatchOptions['onTouch'];
  readonly #socket: NetlinkSocket;
  readonly #monitor: NetlinkMonitor;
  readonly #self: number;
  readonly #programs = new Set<number>();
  /** The transaction being told has changed something of ours. */
  #concernsOurs = false;
  #own = false;
  /** Only generations are listened to. */
  #narrow = false;
  /** Transactions up to this one may have been told in part only. */
  #blindUntil: number;

  constructor({ onTouch, namespace }: WatchOptions) {
    const protocol = NETLINK_NETFILTER;
    const options = namespace === undefined ? { protocol } : { protocol, namespace };
    using undo = new DisposableStack();
    this.#onTouch = onTouch;
    this.#socket = undo.use(new NetlinkSocket(options));
    this.#monitor = undo.use(
      new NetlinkMonitor({
        ...options,
        groups: nftablesGroup,
        onMessage: (type, payload, port) => {
          this.#note(type, payload, port);
        },
        onOverrun: () => {
          this.#blindUntil = askGeneration(this.#socket).id;
          onTouch({ certain: false });
        },
      }),
    );
    const { id, process } = askGeneration(this.#socket);
    this.#self = process.pid;
    this.#blindUntil = id;
    undo.move();
  }

  beginOwn({ mayBeLong }: { mayBeLong: boolean }): void {
    this.#own = true;
    if (mayBeLong) this.#narrowDown();
  }

  noteProgram(program: string, pid: number): void {
    this.#programs.add(pid);
    if (this.#own && !program.endsWith('-save')) this.#narrowDown();
  }

  endOwn(): void {
    if (this.#narrow) {
      this.#monitor.listenFor(undefined);
      this.#blindUntil = askGeneration(this.#socket).id;
    }
    // A program has ended only after the kernel told of its transactions: they are all there.
    this.#monitor.drain();
    this.#programs.clear();
    this.#own = false;
    this.#narrow = false;
  }

  [Symbol.dispose](): void {
    this.#monitor.close();
    this.#socket.close();
  }

  #note(type: number, payload: Buffer, port: number): void {
    if (type !== NEWGEN) {
      this.#concernsOurs ||= concernsOurs(type, payload);
      return;
    }
    const generation = decodeGeneration(payload);
    const certain = this.#concernsOurs;
    this.#concernsOurs = false;
    if (this.#own && this.#isOwn(generation, port)) return;
    if (!certain && this.#isWhollyTold(generation)) return;
    const { name, pid } = generation.process;
    this.#onTouch({ certain, by: `${name} (process ${String(pid)})` });
  }

  #narrowDown(): void {
    if (this.#narrow) return;
    this.#narrow = true;
    this.#monitor.listenFor(NEWGEN);
  }

  /** A program's first netlink socket has its process number for a port: that holds in any PID namespace. */
  #isOwn({ process }: Generation, port: number): boolean {
    return process.pid === this.#self || this.#programs.has(process.pid) || this.#programs.has(port);
  }

  #isWhollyTold({ id }: Generation): boolean {
    // The number starts over at 2^32.
    return !this.#narrow && ((id - this.#blindUntil) | 0) > 0;
  }
}

/** How often the legacy interface, which tells nothing by itself, is asked. */
const pollMs = 250;

/** Looks at the counters of the legacy interface. Who changed them is not known there. */
class CounterWatch implements RuleWatch {
  /** One rule in the place of another of the same size does not move the counters. */
  readonly tellsAll = false;
  readonly #onTouch: WatchOptions['onTouch'];
  readonly #timer: NodeJS.Timeout;
  #counters = readLegacyCounters();
  #own = false;

  constructor({ onTouch }: WatchOptions) {
    this.#onTouch = onTouch;
    this.#timer = setInterval(() => {
      this.#compare();
    }, pollMs);
    this.#timer.unref();
  }

  beginOwn(): void {
    this.#compare();
    this.#own = true;
  }

  noteProgram(): void {
    // Nobody asks which program it was.
  }

  /** What moved the counters meanwhile can have been others as well as we: looking once more, without writing, tells. */
  endOwn(): void {
    this.#own = false;
    this.#compare();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #compare(): void {
    if (this.#own) return;
    const counters = readLegacyCounters();
    if (counters === this.#counters) return;
    this.#counters = counters;
    this.#onTouch({ certain: false });
  }
}
