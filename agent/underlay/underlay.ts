import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import * as netlink from '../../netns/netlink.ts';
import { NetlinkMonitor, NetlinkSocket } from '../../netns/netlink.ts';
import { isRouteOf } from '../../netns/route.ts';
import type { HealthSource } from '../health.ts';
import { protocol } from '../network/marks.ts';
import { Runner } from '../runner.ts';
import type { Health } from '../subsystem.ts';
import { askAgain } from './ask-again.ts';
import { chooseAddresses } from './choice.ts';
import { observeHost } from './observe.ts';
import { settlingMs } from './settling.ts';
import type { AddressWish, Choice, HostView } from './view.ts';

/** A link that comes up brings a burst of notifications. */
const minIntervalMs = 50;
const maxIntervalMs = 30_000;
/** How long the start waits for the server's name to be looked up. */
const lookupMs = 2_000;

/** @param gone addresses that carried the node until now */
type AddressListener = (gone: readonly string[]) => void;

/** The addresses that carry this node, from the start on and whenever they change. */
export class Underlay implements HealthSource {
  readonly name = 'underlay';
  readonly #wish: AddressWish;
  readonly #log: Logger;
  readonly #runner: Runner;
  readonly #listeners = new Set<AddressListener>();
  readonly #undo = new DisposableStack();
  #serverIPs: readonly string[];
  #lookup: Promise<void> | undefined;
  #lookedUpAt = -Infinity;
  #choice: Choice = { addresses: [], found: 'nowhere' };
  /** Another choice, and since when it has been the better one. */
  #pending: { readonly choice: Choice; readonly since: number } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #health: Health = { ready: false, reason: 'the links were not looked at yet' };

  constructor(wish: AddressWish, log: Logger) {
    this.#wish = wish;
    this.#log = log.child({ subsystem: this.name });
    this.#serverIPs = isIP(wish.server) === 0 ? [] : [wish.server];
    this.#runner = new Runner({
      run: () => {
        this.#look();
        return Promise.resolve();
      },
      minIntervalMs,
      maxIntervalMs,
      onError: (err, nextMs) => this.#log.warn({ err, nextMs }, "cannot read the node's addresses"),
    });
  }

  /** Primary family first. The same list until they change; empty before {@link found}. */
  get addresses(): readonly string[] {
    return this.#choice.addresses;
  }

  /** Takes the first look and follows every change from then on. */
  async start(): Promise<void> {
    const request = (): void => this.#runner.request();
    const onMessage = (type: number, payload: Buffer): void => {
      askAgain(type, payload);
      if (!isRouteOf(protocol, type, payload)) request();
    };
    this.#undo.use(new NetlinkMonitor({ groups: groupsFor(this.#wish), onMessage, onOverrun: request }));
    await this.#findServer();
    this.#look();
    this.#runner.start();
  }

  async stop(): Promise<void> {
    this.#undo.dispose();
    clearTimeout(this.#timer);
    await this.#runner.stop();
  }

  /** Waits until there is an address. */
  async found(signal: AbortSignal): Promise<void> {
    if (this.addresses.length > 0) return;
    this.#log.warn(this.#health.reason);
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    const onAbort = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', onAbort);
    const unsubscribe = this.subscribe(() => resolve(undefined));
    try {
      signal.throwIfAborted();
      await promise;
    } finally {
      unsubscribe();
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** Calls back when the addresses have changed, and when one that was away is back. */
  subscribe(listener: AddressListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  health(): Health {
    return this.#health;
  }

  #look(): void {
    void this.#findServer();
    using socket = new NetlinkSocket();
    const host = observeHost(socket, this.#serverIPs);
    const next = chooseAddresses(this.#wish, host, this.addresses);
    const isChange = !isDeepStrictEqual(next.addresses, this.addresses);
    if (isChange && !this.#isSettled(next, host)) {
      this.#note(next, host);
      return;
    }
    this.#pending = undefined;
    const before = this.#choice;
    this.#choice = isChange ? next : { ...next, addresses: before.addresses };
    const wasReady = this.#health.ready;
    this.#note(next, host);
    if (isChange) this.#tell(before);
    const gone = before.addresses.filter((address) => !this.addresses.includes(address));
    if (isChange || (!wasReady && this.#health.ready)) for (const listener of this.#listeners) listener(gone);
  }

  /** Whether a choice has stood for long enough; looks again when it will have. */
  #isSettled(choice: Choice, host: HostView): boolean {
    const now = performance.now();
    const isNew = !isDeepStrictEqual(this.#pending?.choice.addresses, choice.addresses);
    const since = isNew ? now : (this.#pending?.since ?? now);
    this.#pending = { choice, since };
    const leftMs = since + settlingMs(this.#choice, choice, host) - now;
    if (leftMs <= 0) return true;
    clearTimeout(this.#timer);
    if (leftMs < Infinity) this.#timer = setTimeout(() => this.#runner.request(), leftMs).unref();
    return false;
  }

  #note(next: Choice, host: HostView): void {
    const here = new Set(host.addresses.map(({ address }) => address));
    const gone = this.addresses.filter((address) => !here.has(address));
    const away = gone.length > 0 ? `address ${gone.join(', ')} of this node is on no link` : undefined;
    const reason = next.problem ?? away;
    const ready = this.addresses.length > 0 && away === undefined;
    this.#health = { ready, ...(reason === undefined ? {} : { reason }) };
  }

  #tell(before: Choice): void {
    const { addresses, found, problem } = this.#choice;
    const level = problem === undefined ? 'info' : 'warn';
    const facts = {
      addresses,
      before: before.addresses,
      found,
      ...(problem === undefined ? {} : { problem }),
    };
    this.#log[level](facts, "the node's addresses");
  }

  /**
   * Looks the server's name up until it is found, and now and then again: the server may move. While it cannot be found
   * the node is placed without it.
   */
  #findServer(): Promise<void> {
    const isDue = this.#serverIPs.length === 0 || performance.now() - this.#lookedUpAt >= maxIntervalMs;
    const isNeeded = isIP(this.#wish.server) === 0 && groupsFor(this.#wish) === followsRoutes;
    if (!isNeeded || !isDue) return Promise.resolve();
    this.#lookup ??= lookup(this.#wish.server, { all: true })
      .then((answers) => {
        this.#lookedUpAt = performance.now();
        const found = answers.map(({ address }) => address).toSorted();
        if (isDeepStrictEqual(found, this.#serverIPs)) return;
        this.#serverIPs = found;
        this.#runner.request();
      })
      .catch((error: unknown) => {
        this.#log.debug({ err: error, server: this.#wish.server }, 'the name of the server is not known');
      })
      .finally(() => {
        this.#lookup = undefined;
      });
    const patience = Promise.withResolvers<undefined>();
    setTimeout(() => patience.resolve(undefined), lookupMs).unref();
    return Promise.race([this.#lookup, patience.promise]);
  }
}

const followsAddresses = netlink.RTMGRP_IPV4_IFADDR | netlink.RTMGRP_IPV6_IFADDR;
const followsRoutes = followsAddresses | netlink.RTMGRP_IPV4_ROUTE | netlink.RTMGRP_IPV6_ROUTE;

/** What can change the choice. Links tell only of their names here: pods' links come and go all the time. */
function groupsFor(wish: AddressWish): number {
  if (wish.nodeInterface !== undefined) return followsAddresses | netlink.RTMGRP_LINK;
  return wish.nodeIPs.length > 0 ? followsAddresses : followsRoutes;
}
