import { Histogram } from 'prom-client';
import { IpamError } from '../../cni/ipam-error.ts';
import { Ipam } from '../../cni/ipam.ts';
import type { Link } from '../../netns/link.ts';
import { listLinks } from '../../netns/link.ts';
import { removeNamespace } from '../../netns/namespace.ts';
import { NetlinkSocket } from '../../netns/netlink.ts';
import { describeClash } from '../host-ports/clash.ts';
import type { AgentContext } from '../subsystem.ts';
import type { Attachment, AttachmentRecord, AttachmentRequest, MadeAttachment } from './attachment.ts';
import { Gates } from './gates.ts';
import type { Gate } from './gates.ts';
import { describeLease, leasesFile, restMs } from './lease.ts';
import { limiterName, podAlias, podNamespaceName, podOfLink } from './marks.ts';
import { NetworkError } from './network-error.ts';
import { checkPodLink } from './pod-check.ts';
import { announcePodLink, ensurePodLink, retirePodLink } from './pod-link.ts';
import type { PodLink } from './pod-link.ts';
import { setPodMtu } from './pod-mtu.ts';
import { ensurePodNamespace, enterNamespace } from './pod-namespace.ts';
import { Sweep } from './sweep.ts';
import { TrafficKeeper } from './traffic-keeper.ts';
import type { PodPlan } from './view.ts';

/** How long a pod waits for the node's own network before it is told to try again. */
const planTimeoutMs = 10_000;
/** How long who comes waits for what it needs beside its link, and who goes for the end of that. */
const gateMs = { admit: 10_000, dismiss: 2_000 } as const;
const notUp = "the node's network is not up yet";

type PodNetworkContext = Pick<AgentContext, 'nodeName' | 'metrics' | 'log'> & {
  readonly config: Pick<AgentContext['config'], 'stateDir'>;
};

/** Gives pods their network namespaces, links, addresses and routes, and takes them away again. */
export class PodNetwork {
  /** Guards and limits at pods' links. */
  readonly traffic = new TrafficKeeper();
  readonly #log: AgentContext['log'];
  readonly #ipam: Ipam<AttachmentRecord>;
  readonly #sweep: Sweep;
  readonly #attachSeconds: Histogram;
  readonly #planned = Promise.withResolvers<undefined>();
  readonly #listeners = new Set<(id: string) => void>();
  readonly #gates = new Gates(gateMs);
  #plan: PodPlan | undefined;
  #refusal: string | undefined;

  constructor({ config, metrics, log }: PodNetworkContext) {
    this.#log = log.child({ subsystem: 'pod-network' });
    this.#ipam = Ipam.open({ file: leasesFile(config.stateDir), ranges: [], reserved: [], restMs });
    this.#sweep = new Sweep(this.#log, (address) => this.hasAddress(address));
    // An agent before may have ended when it had given them back, and no more.
    const resting = [...this.#ipam.resting];
    if (resting.length > 0) this.#sweep.request(resting);
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

  /** Resolves once pods can be connected. */
  get whenReady(): Promise<undefined> {
    return this.#planned.promise;
  }

  /**
   * Whether an attachment that asks for nothing special could be made now.
   * @throws NetworkError `not-ready`, `conflict`; IpamError `exhausted`, `resting`
   */
  probe(): void {
    if (this.#refusal !== undefined) throw new NetworkError('conflict', this.#refusal);
    if (!this.#plan) throw new NetworkError('not-ready', notUp);
    this.#ipam.probe();
  }

  /** Tells how pods are connected from now on; the first time lets waiting pods in. */
  configure(plan: PodPlan): void {
    if (plan.mtu !== this.#plan?.mtu) this.#resize(plan.mtu);
    this.#plan = plan;
    this.#refusal = undefined;
    this.#ipam.useRanges(
      plan.ranges.map(({ cidr }) => cidr),
      plan.ranges.map(({ gateway }) => gateway),
    );
    this.#planned.resolve(undefined);
  }

  /** From now on nothing is attached, until {@link configure}. `reason` is a sentence. */
  refuse(reason: string): void {
    this.#refusal = reason;
  }

  /**
   * Gives a namespace (its own, or one that is given) a link, addresses and routes. Idempotent: attaching again what
   * is attached completes and returns what it has. Answers once every gate has let it in. On failure nothing is left
   * behind.
   * @throws NetworkError `not-ready`, `conflict`, `port-taken`, `bad-namespace`, `exists`, `kernel`; IpamError
   */
  async attach({
    id,
    addresses: asked = [],
    spans = [],
    ...record
  }: AttachmentRequest): Promise<MadeAttachment> {
    const plan = await this.#whenPlanned();
    if (this.#refusal !== undefined) throw new NetworkError('conflict', this.#refusal);
    const observe = this.#attachSeconds.startTimer();
    this.#checkPorts(id, record);
    const isNew = !this.#ipam.leases.has(id);
    const { addresses, saved } = this.#ipam.allocate(id, { addresses: asked, spans, record });
    const attachment = describeLease(id, { addresses, record });
    let link: PodLink;
    try {
      link = this.#connect(attachment, plan, record.netns === undefined);
      await saved;
      this.#tell(id);
      await this.#admit(attachment, isNew);
      observe();
    } catch (error) {
      // Whatever the disk says of the lease, it ends here; the first error is the one that matters.
      await Promise.allSettled([saved]);
      await Promise.allSettled([this.#release(id)]);
      if (error instanceof NetworkError || error instanceof IpamError) throw error;
      throw new NetworkError('kernel', `cannot connect pod ${id}: ${messageOf(error)}`, { cause: error });
    }
    this.#sweep.postpone();
    // Whoever waits for the attachment does not wait for this.
    setImmediate(() => this.#announce(attachment, link.inner));
    return { ...attachment, host: link.host };
  }

  /**
   * Takes an attachment's link, own namespace and addresses away. One that is not there is fine. Answers once nothing is
   * in force for it any more or, where that takes long, once it is on disk that it is gone.
   */
  async detach(id: string): Promise<void> {
    const attachment = this.attachment(id);
    await this.#release(id);
    if (!attachment) return;
    try {
      await this.#gates.dismiss(attachment);
    } catch (error) {
      // Those in charge of it go on trying, a restarted agent's too: they go by the leases.
      this.#log.warn({ err: error, id }, 'something is still in force for a pod that is gone');
    }
  }

  async #admit(attachment: Attachment, isNew: boolean): Promise<void> {
    try {
      await this.#gates.admit(attachment);
    } catch (error) {
      if (isNew) throw error;
      // It runs, perhaps for days: it is not taken down because an agent that just started gets its rules in late.
      this.#log.warn({ err: error, id: attachment.id }, 'something is not in force for a pod that runs');
    }
  }

  async #release(id: string): Promise<void> {
    using socket = new NetlinkSocket();
    const attachment = describeLease(id, this.#ipam.leases.get(id));
    retirePodLink(socket, attachment);
    // Where somebody else's namespace was given there is none of this name.
    removeNamespace(podNamespaceName(id));
    this.#sweep.request(attachment.ips);
    const released = this.#ipam.release(id);
    this.#tell(id);
    await released;
  }

  /**
   * What of an attachment is not in the kernel as it shall be, a sentence each; empty: all is well.
   * @throws NetworkError `not-ready`
   */
  async check(id: string): Promise<string[]> {
    const plan = await this.#whenPlanned();
    const lease = this.#ipam.leases.get(id);
    if (!lease) return [`${id} has no addresses here`];
    using socket = new NetlinkSocket();
    return checkPodLink(socket, describeLease(id, lease), { plan, traffic: this.traffic });
  }

  /** The ids of all that have an address or a link here. */
  list(): string[] {
    using socket = new NetlinkSocket();
    const leased = [...this.#ipam.leases.keys()];
    const known = new Set(leased.map(podAlias));
    const others = listLinks(socket).filter(({ alias }) => !known.has(alias));
    return [...leased, ...others.flatMap((link) => podOfLink(link) ?? [])];
  }

  /** The one of this id, if it has addresses here. */
  attachment(id: string): Attachment | undefined {
    const lease = this.#ipam.leases.get(id);
    return lease && describeLease(id, lease);
  }

  /** Whether somebody here has the address. */
  hasAddress(address: string): boolean {
    return this.#ipam.ownerOf(address) !== undefined;
  }

  /** All that have addresses here. */
  attachments(): Attachment[] {
    return Array.from(this.#ipam.leases, ([id, lease]) => describeLease(id, lease));
  }

  /**
   * Guard and limits of all pods that are connected, as they shall be: somebody may have taken them away, or an earlier
   * version of ours made the link.
   * @param links all of ours
   * @throws NetworkError `kernel`; KernelError
   */
  ensureTraffic(socket: NetlinkSocket, links: readonly Link[]): void {
    if (!this.#plan) return;
    const [names, aliases] = [new Map<string, Link>(), new Map<string, Link>()];
    for (const link of links) {
      names.set(link.name, link);
      aliases.set(link.alias, link);
    }
    const pods = this.attachments().flatMap((pod) => {
      const link = aliases.get(podAlias(pod.id));
      const limiter = pod.bandwidth?.egress ? names.get(limiterName(pod.id)) : undefined;
      return link ? [{ ends: { link: link.ifindex, limiter: limiter?.ifindex ?? 0 }, pod }] : [];
    });
    this.traffic.ensure(socket, pods, this.#plan.mtu);
  }

  #connect(attachment: Attachment, plan: PodPlan, hasOwnNamespace: boolean): PodLink {
    using socket = new NetlinkSocket();
    using namespace = hasOwnNamespace ? ensurePodNamespace(attachment.id) : enterNamespace(attachment.netns);
    return ensurePodLink(socket, namespace, attachment, { plan, traffic: this.traffic });
  }

  /** A pod whose packets are larger than what the way takes would have to learn it from each destination. */
  #resize(mtu: number): void {
    for (const attachment of this.attachments()) {
      try {
        setPodMtu(attachment, mtu);
      } catch (error) {
        // A pod that is on its way out; another one must not wait for it.
        this.#log.debug({ err: error, id: attachment.id, mtu }, 'the MTU inside was not set');
      }
    }
  }

  /** Tells the bridge, and whoever may still know somebody else by these addresses, where they are now. */
  #announce(attachment: Attachment, inner: number): void {
    try {
      announcePodLink(attachment, inner);
    } catch (error) {
      // It is taken away already, or its queue is full: packets of its own will tell.
      this.#log.debug({ err: error, id: attachment.id }, 'addresses were not announced');
    }
  }

  /** From now on nobody comes or goes but by this gate, too. */
  addGate(gate: Gate): void {
    this.#gates.add(gate);
  }

  /** Tells of each attachment that comes, is asked for again or goes. */
  subscribe(listener: (id: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #tell(id: string): void {
    for (const listener of this.#listeners) listener(id);
  }

  #checkPorts(id: string, { ports = [] }: AttachmentRecord): void {
    if (ports.length === 0) return;
    const clash = describeClash(
      ports,
      this.attachments().filter((other) => other.id !== id),
    );
    if (clash !== undefined) throw new NetworkError('port-taken', clash);
  }

  async #whenPlanned(): Promise<PodPlan> {
    if (!this.#plan) {
      const timeout = Promise.withResolvers<undefined>();
      const timer = setTimeout(() => timeout.resolve(undefined), planTimeoutMs);
      await Promise.race([this.#planned.promise, timeout.promise]);
      clearTimeout(timer);
    }
    if (!this.#plan) throw new NetworkError('not-ready', notUp);
    return this.#plan;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
