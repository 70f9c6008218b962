import path from 'node:path';
import { Histogram } from 'prom-client';
import { Ipam } from '../../cni/ipam.ts';
import { listLinks } from '../../netns/link.ts';
import { removeNamespace } from '../../netns/namespace.ts';
import { NetlinkSocket } from '../../netns/netlink.ts';
import type { AgentContext } from '../subsystem.ts';
import type { AttachedPod, PodPlan } from './view.ts';
import { podNamespaceName, podOfLink } from './marks.ts';
import { NetworkError } from './network-error.ts';
import { ensurePodLink, removeRetiredLinks, retirePodLink } from './pod-link.ts';

/** How long an address rests after its pod is gone. */
const restMs = 30_000;
/** How long a pod waits for the node's own network before it is told to try again. */
const planTimeoutMs = 10_000;
const sweepMs = 100;

/** Which pod a namespace is for. */
export interface PodIdentity {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
}

/** A pod's place in the network. */
export interface PodAttachment {
  /** Path of the pod's network namespace, e.g. `/run/netns/weft-<uid>`. */
  readonly netns: string;
  /** Its addresses, primary family first. */
  readonly ips: readonly string[];
}

type PodNetworkContext = Pick<AgentContext, 'nodeName' | 'metrics' | 'log'> & {
  readonly config: Pick<AgentContext['config'], 'stateDir'>;
};

/** Gives pods their network namespaces, links, addresses and routes, and takes them away again. */
export class PodNetwork {
  readonly #log: AgentContext['log'];
  readonly #ipam: Ipam;
  readonly #attachSeconds: Histogram;
  readonly #planned = Promise.withResolvers<undefined>();
  #plan: PodPlan | undefined;
  #sweep: NodeJS.Timeout | undefined;

  constructor({ config, metrics, log }: PodNetworkContext) {
    this.#log = log.child({ subsystem: 'pod-network' });
    const file = path.join(config.stateDir, 'network', 'leases.json');
    this.#ipam = Ipam.open({ file, ranges: [], reserved: [], restMs });
    this.#attachSeconds = new Histogram({
      name: 'weft_pod_attach_seconds',
      help: 'Time to give a pod its network namespace, link, addresses and routes.',
      buckets: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5],
      registers: [metrics],
    });
  }

  /** The node's own addresses in its pod ranges, one per family; none before the network is up. */
  get gateways(): readonly string[] {
    return this.#plan?.ranges.map(({ gateway }) => gateway) ?? [];
  }

  /** Tells how pods are connected from now on; the first time lets waiting pods in. */
  configure(plan: PodPlan): void {
    this.#plan = plan;
    this.#ipam.useRanges(
      plan.ranges.map(({ cidr }) => cidr),
      plan.ranges.map(({ gateway }) => gateway),
    );
    this.#planned.resolve(undefined);
  }

  /**
   * Gives a pod its namespace, link, addresses and routes. Idempotent: attaching an attached pod completes and
   * returns what it has. On failure nothing is left behind.
   * @throws NetworkError `not-ready`, `kernel`; IpamError `exhausted`, `resting`
   */
  async attach({ uid }: PodIdentity): Promise<PodAttachment> {
    const plan = await this.#whenPlanned();
    const observe = this.#attachSeconds.startTimer();
    const { addresses: ips, saved } = this.#ipam.allocate(uid);
    try {
      const netns = connect(uid, ips, plan);
      await saved;
      observe();
      return { netns, ips };
    } catch (error) {
      // Whatever the disk says of the lease, it ends here; the first error is the one that matters.
      await Promise.allSettled([saved]);
      await Promise.allSettled([this.detach(uid)]);
      throw new NetworkError('kernel', `cannot connect pod ${uid}: ${messageOf(error)}`, { cause: error });
    }
  }

  /** Takes a pod's link, namespace and addresses away. A pod that has none is fine. */
  async detach(uid: string): Promise<void> {
    using socket = new NetlinkSocket();
    retirePodLink(socket, uid, this.#ipam.leases.get(uid)?.addresses ?? []);
    removeNamespace(podNamespaceName(uid));
    this.#sweepSoon();
    await this.#ipam.release(uid);
  }

  /** The uids of all pods that have an address or a link here. */
  list(): string[] {
    using socket = new NetlinkSocket();
    const linked = listLinks(socket).flatMap((link) => podOfLink(link) ?? []);
    return [...new Set([...this.#ipam.leases.keys(), ...linked])];
  }

  /** The pods that have addresses here. */
  listAttached(): AttachedPod[] {
    return Array.from(this.#ipam.leases, ([uid, { addresses: ips }]) => ({ uid, ips }));
  }

  async #whenPlanned(): Promise<PodPlan> {
    if (!this.#plan) {
      const timeout = Promise.withResolvers<undefined>();
      const timer = setTimeout(() => timeout.resolve(undefined), planTimeoutMs);
      await Promise.race([this.#planned.promise, timeout.promise]);
      clearTimeout(timer);
    }
    if (!this.#plan) throw new NetworkError('not-ready', "the node's network is not up yet");
    return this.#plan;
  }

  #sweepSoon(): void {
    this.#sweep ??= setTimeout(() => {
      this.#sweep = undefined;
      try {
        using socket = new NetlinkSocket();
        removeRetiredLinks(socket);
      } catch (error) {
        this.#log.warn({ err: error }, 'cannot remove links of pods that are gone');
      }
    }, sweepMs).unref();
  }
}

function connect(uid: string, ips: readonly string[], plan: PodPlan): string {
  using socket = new NetlinkSocket();
  return ensurePodLink(socket, { uid, ips, plan });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
