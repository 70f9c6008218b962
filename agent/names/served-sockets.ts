import type { Logger } from 'pino';
import { turnAwayDatagrams } from '../../netns/bound-socket.ts';
import { parseCidr, positionIn } from '../../netns/ip.ts';
import { close } from '../../netns/libc.ts';
import type { AgentContext, Ending } from '../subsystem.ts';
import {
  dropSockets,
  isSameAddress,
  leaveSockets,
  resumeSockets,
  retireSockets,
  storeSockets,
} from './handover.ts';
import type { WorkerSockets } from './messages.ts';
import {
  closeNameSockets,
  openNameSockets,
  pairSurplus,
  type InheritedSocket,
  type NameSocketsOptions,
} from './sockets.ts';
import type { WorkerPool } from './worker-pool.ts';

export interface ServedSocketsOptions {
  readonly context: Pick<AgentContext, 'cluster' | 'config'>;
  readonly port: number;
  /** Bound sockets of an earlier agent, which are used before new ones are made. */
  readonly inherited: readonly InheritedSocket[];
  /** The addresses at which other nodes ask, as far as there are any yet. */
  readonly forNodes: () => readonly string[];
  readonly pool: Pick<WorkerPool, 'listen' | 'retire' | 'stop'>;
  readonly log: Logger;
}

type Place = Pick<NameSocketsOptions, 'host' | 'sources'>;

/** The sockets that DNS is served on: taken over from the agent before or opened, and left to the next one or closed. */
export class ServedSockets {
  readonly #options: ServedSocketsOptions;
  /** By the address they are bound to: one family's trouble leaves the other's alone. */
  readonly #open = new Map<string, readonly WorkerSockets[]>();
  /** Not yet used. */
  #inherited: readonly InheritedSocket[];
  /** Of an agent with more workers. */
  readonly #surplus: WorkerSockets[] = [];
  #serving = false;
  /** Whether what waited over a restart is answered. */
  #caughtUp = false;

  constructor(options: ServedSocketsOptions) {
    this.#options = options;
    this.#inherited = options.inherited;
  }

  /** What is listened on, for those who asked for port 0. */
  get addresses(): readonly { readonly host: string; readonly port: number }[] {
    return [...this.#open.values()].flatMap(([first]) => (first ? [first] : []));
  }

  has(host: string): boolean {
    return this.#open.has(host);
  }

  /** Closes what an agent with other settings left. */
  closeStrangers(): void {
    const isOurs = ({ host, port }: InheritedSocket): boolean =>
      port === this.#options.port && this.#places().some((own) => isSameAddress(own.host, host));
    const strangers = this.#inherited.filter((one) => !isOurs(one));
    dropSockets(strangers);
    for (const { protocol, host, port } of strangers) {
      this.#options.log.info(
        { protocol, host, port },
        'cluster DNS was here before, and is not any more: closed',
      );
    }
    this.#inherited = this.#inherited.filter(isOurs);
  }

  /**
   * Opens what is missing; before {@link serve} only what was taken over, in which queries wait.
   * @throws {DnsError} CannotListen for the first address that cannot be listened on; the others are.
   */
  ensure(): void {
    if (this.#serving) this.#caughtUp ||= [...this.#open.values()].every(resumeSockets);
    const failures: unknown[] = [];
    for (const place of this.#places()) {
      const inherited = this.#inherited.filter((one) => isSameAddress(one.host, place.host));
      if (this.#open.has(place.host) || (!this.#serving && inherited.length === 0)) continue;
      try {
        this.#listen(place, inherited);
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }

  /** Begins to answer on what was taken over; the rest is for {@link ensure}. */
  serve(): void {
    this.#serving = true;
    const { pool, log } = this.#options;
    for (const sockets of this.#open.values()) this.#answerOn(sockets);
    for (const sockets of this.#surplus.splice(0)) {
      turnAwayDatagrams(sockets.udp);
      pool.retire(sockets);
      log.info({ host: sockets.host }, 'there were more DNS workers before: what waits for them is answered');
    }
  }

  /** Ends the workers and lets go of the sockets; see handover.ts. */
  async stop(ending: Ending): Promise<void> {
    const all = [...this.#open];
    const kept = ending === 'restart' && all.every(([host, sockets]) => leaveSockets(host, sockets));
    if (!kept) for (const [host, sockets] of all) retireSockets(host, sockets);
    await this.#options.pool.stop(kept ? 'leave' : 'drain');
    for (const [, sockets] of all) {
      if (kept) closeNameSockets(sockets);
      // Workers that drained have closed their listeners.
      else for (const { udp } of sockets) close(udp);
    }
    closeNameSockets(this.#surplus);
    this.#open.clear();
  }

  #listen(place: Place, inherited: readonly InheritedSocket[]): void {
    const { port, context } = this.#options;
    const workers = context.config.dnsWorkers;
    const sockets = openNameSockets({ ...place, port, workers, inherited });
    this.#inherited = this.#inherited.filter((one) => !inherited.includes(one));
    this.#open.set(place.host, sockets);
    storeSockets(place.host, sockets);
    this.#surplus.push(...pairSurplus(inherited, sockets));
    if (this.#serving) this.#answerOn(sockets);
  }

  #answerOn(sockets: readonly WorkerSockets[]): void {
    const { host = '', port = 0 } = sockets[0] ?? {};
    this.#options.pool.listen(sockets);
    this.#options.log.info({ host, port, workers: sockets.length }, 'cluster DNS answers');
  }

  /** Where to answer. Any host can send to an address of the bridge: what comes there must come from the cluster. */
  #places(): readonly Place[] {
    const { dnsIPs, clusterCIDRs } = this.#options.context.cluster;
    const ranges = clusterCIDRs.map(parseCidr);
    // Those of the agent before are known sooner than the network.
    const earlier = this.#inherited
      .map(({ host }) => host)
      .filter((host) => ranges.some((range) => positionIn(range, host) !== undefined));
    const forNodes = new Set([...this.#options.forNodes(), ...earlier]);
    return [
      ...dnsIPs.map((host) => ({ host })),
      ...forNodes.values().map((host) => ({ host, sources: clusterCIDRs })),
    ];
  }
}
