import { isDeepStrictEqual } from 'node:util';
import { Counter, Histogram } from 'prom-client';
import { listAddresses } from '../../netns/address.ts';
import { changeState, ensureState, removeState } from '../../netns/apply.ts';
import type { Outcome } from '../../netns/apply.ts';
import type { DesiredState, ObservedState } from '../../netns/state.ts';
import { parseCidr, positionIn, renderCidr } from '../../netns/ip.ts';
import { isAsDesired } from '../../netns/diff.ts';
import { decodeLink, listLinks, RTM_DELLINK, RTM_NEWLINK } from '../../netns/link.ts';
import type { Link } from '../../netns/link.ts';
import { NetlinkMonitor, NetlinkSocket } from '../../netns/netlink.ts';
import { readSysctl } from '../../netns/sysctl.ts';
import { abridge } from '../abridge.ts';
import { Runner } from '../runner.ts';
import type { AgentContext, Health, Subsystem } from '../subsystem.ts';
import type { NetworkView, NodePlan } from './view.ts';
import { findUnderlay, listStraightWays, sameNetwork, toClusterNode } from './observed-view.ts';
import { planNetwork } from './desired.ts';
import { bridgeName, goneGroup, ownership, podAlias, podOfLink, vxlanName } from './marks.ts';
import { NetworkError } from './network-error.ts';
import type { NetworkReports } from './reports.ts';
import { isOfTraffic, isRemoval, noticeGroups, Notices } from './notices.ts';
import type { KnownNetwork } from './notices.ts';
import { podLink } from './pods.ts';
import { podRanges } from './ranges.ts';
import { removeRetiredLinks } from './pod-link.ts';
import type { PodNetwork } from './pod-network.ts';
import { explainErrors } from './vxlan-trouble.ts';

/** A burst of notifications costs one pass; a repair still comes before anybody's TCP retransmits twice. */
const minIntervalMs = 200;
/** Everything is read and compared at least so often. */
const maxIntervalMs = 30_000;

type NodeNetworkContext = Pick<AgentContext, 'nodeName' | 'metrics' | 'log'> & {
  readonly config: Pick<AgentContext['config'], 'nodeIPs' | 'vxlan' | 'networkMode' | 'podLink' | 'podMTU'>;
  readonly cluster: Pick<AgentContext['cluster'], 'dnsIPs'>;
  readonly caches: Pick<AgentContext['caches'], 'nodes'>;
};

/** What a pass did, whether over everything or over some peers. */
type PassResult = Pick<Outcome, 'changes' | 'errors'>;

/** Who finds out what the ways to peers carry (agent/paths). */
interface Paths {
  readonly mtus: NetworkView['pathMtus'];
  subscribe(listener: () => void): () => void;
  /** The network was just made as planned, or some of the plan's peers have changed. */
  follow(plan: NodePlan): void;
}

/** Who finds out which ways packets take straight to peers (agent/paths). */
interface Straight {
  readonly proven: NetworkView['proven'];
  /** Tells of nodes of whose ways {@link proven} says otherwise now. */
  subscribe(listener: (node: string) => void): () => void;
  /** These are taken already. */
  adopt(ways: Iterable<string>): void;
  follow(plan: NodePlan): void;
}

/** Who keeps the kernel's settings as they shall be, and tells of those that others change (agent/host). */
interface Settings {
  /** Makes them so at once, and keeps them. What cannot be written is told there. */
  want(settings: DesiredState['sysctls']): void;
}

/** Who works with it. */
interface NetworkParts {
  readonly paths: Paths;
  readonly straight: Straight;
  readonly settings: Settings;
}

/**
 * Keeps this node's bridge, vxlan device and ways to its peers as the cluster's nodes ask for. On start, when the kernel
 * tells of something gone and every 30 s everything is compared; a change of another node costs that node's ways only.
 */
export class NodeNetwork implements Subsystem {
  readonly name = 'network';
  readonly #context: NodeNetworkContext;
  readonly #pods: PodNetwork;
  readonly #reports: NetworkReports;
  readonly #paths: Paths;
  readonly #straight: Straight;
  readonly #settings: Settings;
  readonly #log: AgentContext['log'];
  readonly #runner: Runner;
  readonly #passSeconds: Histogram;
  readonly #changes: Counter;
  #undo = new DisposableStack();
  #monitor: NetlinkMonitor | undefined;
  /** What the last full pass went by; its peers follow the changes since. */
  #plan: NodePlan | undefined;
  /** Other nodes that changed since the last pass. */
  readonly #changedNodes = new Set<string>();
  readonly #notices = new Notices();
  #lastFullMs = -Infinity;
  /** By ifindex, as the last full pass left them. */
  #links: ReadonlyMap<number, Link> = new Map();
  /** How many things we have just taken away without having been told so. */
  #untoldRemovals = 0;
  /** Why this node is cut off, as it was told. */
  #fenced: string | undefined;
  #health: Health = { ready: false, reason: 'waiting for the API' };

  constructor(
    context: NodeNetworkContext,
    pods: PodNetwork,
    reports: NetworkReports,
    { paths, straight, settings }: NetworkParts,
  ) {
    this.#context = context;
    this.#pods = pods;
    this.#reports = reports;
    this.#paths = paths;
    this.#straight = straight;
    this.#settings = settings;
    this.#log = context.log.child({ subsystem: this.name });
    this.#runner = new Runner({
      run: () => {
        this.#pass();
        return Promise.resolve();
      },
      minIntervalMs,
      maxIntervalMs,
      onError: (err, retryMs) => this.#log.warn({ err, retryMs }, 'the network is not as it shall be'),
    });
    const registers = [context.metrics];
    this.#passSeconds = new Histogram({
      name: 'weft_network_pass_seconds',
      help: "Time of one pass over the node's network: over all of it, or the ways to peers that changed.",
      labelNames: ['scope'],
      buckets: [0.001, 0.005, 0.02, 0.1, 0.5],
      registers,
    });
    this.#changes = new Counter({
      name: 'weft_network_changes_total',
      help: "What was asked of the kernel to make the node's network as it shall be.",
      registers,
    });
  }

  start(): Promise<void> {
    this.#adopt();
    const requestFull = (): void => {
      this.#notices.alarm();
      this.#runner.request();
    };
    const onMessage = (type: number, payload: Buffer): void => {
      if (isOfTraffic(type)) {
        if (this.#pods.traffic.isDisturbed(type, payload)) requestFull();
        return;
      }
      if (isRemoval(type, payload, this.#links) && this.#untoldRemovals > 0) {
        this.#untoldRemovals -= 1;
        return;
      }
      if (!this.#notices.note(type, payload)) return;
      this.#runner.request();
      // What was refused for a link that was down, not there or in the way need not wait for its next turn. A pass that
      // fails tells of its own doing, too: it must not wake the next one.
      if (type === RTM_DELLINK || (type === RTM_NEWLINK && this.#isNews(payload))) this.#runner.wake();
    };
    const onOverrun = (): void => {
      this.#pods.traffic.doubt();
      requestFull();
    };
    this.#monitor = this.#undo.use(new NetlinkMonitor({ groups: noticeGroups, onMessage, onOverrun }));
    const unsubscribe = this.#context.caches.nodes.subscribe((event) => {
      if (event.type === 'synced' || event.key === this.#context.nodeName) {
        if (event.type !== 'updated' || !sameNetwork(event.object, event.previous)) this.noteAddresses();
        return;
      }
      // Heartbeats change nodes all the time; the network only follows ranges and addresses.
      if (event.type === 'updated' && sameNetwork(event.object, event.previous)) return;
      this.#changedNodes.add(event.key);
      // Passes may have failed for what was known of this node: its address may be ours by now.
      this.#runner.wake();
    });
    this.#undo.defer(unsubscribe);
    this.#undo.defer(this.#paths.subscribe(requestFull));
    this.#undo.defer(
      this.#straight.subscribe((node) => {
        this.#changedNodes.add(node);
        this.#runner.request();
      }),
    );
    this.#runner.start();
    return Promise.resolve();
  }

  /** Follows the node's addresses of now, also one whose absence made passes fail. */
  noteAddresses(): void {
    this.#notices.alarm();
    this.#runner.wake();
  }

  async stop(): Promise<void> {
    this.#undo.dispose();
    this.#undo = new DisposableStack();
    await this.#runner.stop();
  }

  health(): Health {
    return this.#health;
  }

  /** While the API is away pods are connected by what an earlier run left in the kernel. */
  #adopt(): void {
    using socket = new NetlinkSocket();
    const links = listLinks(socket);
    this.#straight.adopt(listStraightWays(socket, links));
    const bridge = links.find((link) => link.name === bridgeName && ownership.ownsLink(link));
    if (!bridge) return;
    const cidrs = listAddresses(socket)
      .filter(({ ifindex }) => ifindex === bridge.ifindex)
      .map(({ address, prefix }) => renderCidr(parseCidr(`${address}/${prefix}`)));
    if (cidrs.length === 0) return;
    const { podLink } = this.#context.config;
    this.#pods.configure({ podLink, mtu: bridge.mtu, bridgeMac: bridge.mac, ranges: podRanges(cidrs) });
    this.#health = { ready: true, reason: 'waiting for the API; the last state stands' };
  }

  #pass(): void {
    // Without all nodes nothing can be told to be superfluous.
    if (!this.#context.caches.nodes.synced) return;
    // Pods' links are told of step by step: what comes after a step makes it harmless.
    this.#monitor?.drain();
    const isLong = performance.now() - this.#lastFullMs >= maxIntervalMs;
    const isAlarming = this.#notices.take(this.#known());
    const isFullDue = !this.#plan || isAlarming || isLong;
    if (!isFullDue && this.#changedNodes.size === 0) return;
    using socket = new NetlinkSocket();
    if (isFullDue || !this.#changePeers(socket)) this.#changeAll(socket);
  }

  #known(): KnownNetwork {
    const plan = this.#plan?.pods;
    const indexes = new Map(Array.from(this.#links.values(), ({ name, ifindex }) => [name, ifindex]));
    const ranges = plan?.ranges.map(({ cidr }) => parseCidr(cidr)) ?? [];
    return {
      links: this.#links,
      isPodAsPlanned: (link) => {
        const attachment = this.#pods.attachment(podOfLink(link) ?? '');
        return (
          plan !== undefined &&
          attachment !== undefined &&
          isAsDesired(podLink(attachment, plan), link, indexes)
        );
      },
      isPodAddress: (address) => this.#pods.hasAddress(address),
      isInPodRange: (address) => ranges.some((range) => positionIn(range, address) !== undefined),
    };
  }

  #isNews(payload: Buffer): boolean {
    const link = decodeLink(payload);
    return !isDeepStrictEqual(link, this.#links.get(link.ifindex));
  }

  #changeAll(socket: NetlinkSocket): void {
    const observe = this.#passSeconds.startTimer({ scope: 'all' });
    this.#lastFullMs = performance.now();
    this.#changedNodes.clear();
    this.#plan = undefined;
    this.#links = new Map();
    try {
      const plan = planNetwork(this.#view(socket));
      const prune = plan.pods !== undefined;
      const { sysctls } = plan.state;
      const outcome = ensureState(socket, { ...plan.state, sysctls: [] }, ownership, { prune });
      // Those of links once there are links.
      this.#settings.want(sysctls);
      if (outcome.observed.links.some(({ group }) => group === goneGroup)) removeRetiredLinks(socket);
      this.#links = new Map(outcome.observed.links.map((link) => [link.ifindex, link]));
      const ours = outcome.observed.links.filter((link) => ownership.ownsLink(link));
      const names = ours.map(({ name }) => name);
      const isUp = names.includes(bridgeName) && names.includes(vxlanName);
      this.#plan = plan;
      if (plan.pods && isUp) this.#pods.configure(plan.pods);
      this.#pods.ensureTraffic(socket, ours);
      this.#paths.follow(plan);
      this.#straight.follow(plan);
      const cuts = this.#fence(socket, plan.fenced, outcome.observed);
      const changes = [...outcome.changes, ...cuts.changes];
      const { vxlan } = this.#context.config;
      const errors = explainErrors([...outcome.errors, ...cuts.errors], vxlan, outcome.observed.links);
      this.#report(plan, { changes, errors }, plan.pods !== undefined && isUp);
    } catch (error) {
      this.#notices.alarm();
      if (error instanceof NetworkError && error.code !== 'kernel') {
        this.#health = { ready: false, reason: error.message };
      }
      throw error;
    } finally {
      observe();
    }
  }

  /**
   * A node whose ranges are another's stops to send what it would have to send with that one's addresses: no way leads
   * to other nodes, no pod is added. Pods keep their links: who puts the Nodes right gets them back.
   */
  #fence(socket: NetlinkSocket, fenced: string | undefined, observed: ObservedState): PassResult {
    const self = this.#context.caches.nodes.get(this.#context.nodeName);
    if (self && fenced !== this.#fenced) {
      if (fenced !== undefined) this.#reports.noteFenced(fenced);
      else this.#reports.noteReleased();
      this.#fenced = fenced;
    }
    if (fenced === undefined) return { changes: [], errors: [] };
    this.#pods.refuse(fenced);
    const { routes, fdb } = observed;
    const neighbors = observed.neighbors.filter(({ link }) => link === vxlanName);
    return changeState(socket, { routes, neighbors, fdb }, { routes: [], neighbors: [], fdb: [] });
  }

  /** Changes the ways to the nodes that changed. Returns false when that is not all there is to do. */
  #changePeers(socket: NetlinkSocket): boolean {
    const { nodes } = this.#context.caches;
    const plan = this.#plan;
    const observe = this.#passSeconds.startTimer({ scope: 'peers' });
    const changed = new Map(
      [...this.#changedNodes].map((name) => {
        const node = nodes.get(name);
        return [name, node && toClusterNode(node)];
      }),
    );
    this.#changedNodes.clear();
    const change = plan?.peers?.change(changed, this.#straight.proven);
    if (!plan || !change) return false;
    // What was told until here is others' doing; then as many removals as we ask for are ours.
    this.#monitor?.drain();
    if (this.#notices.isAlarming(this.#known())) return false;
    try {
      const result = changeState(socket, change.before, change.after);
      this.#untoldRemovals = result.removed;
      this.#monitor?.drain();
      this.#paths.follow(plan);
      this.#straight.follow(plan);
      this.#report(plan, result, this.#health.ready);
    } catch (error) {
      this.#notices.alarm();
      throw error;
    } finally {
      this.#untoldRemovals = 0;
      observe();
    }
    return true;
  }

  #report({ pods, peers, problems }: NodePlan, { changes, errors }: PassResult, ready: boolean): void {
    if (changes.length > 0) {
      this.#changes.inc(changes.length);
      this.#log.info({ count: changes.length, changes: changes.slice(0, 20) }, 'changed the network');
    }
    const { unguarded = [] } = this.#pods.traffic;
    const reasons = [problems, peers?.problems ?? [], errors.map(({ message }) => message), unguarded].flat();
    if (!pods && problems.length === 0) reasons.push('no podCIDR yet');
    const reason = summarize(reasons);
    this.#health = { ready, ...(reason === '' ? {} : { reason }) };
    const [cause] = errors;
    if (cause) throw new NetworkError('kernel', summarize(errors.map(({ message }) => message)), { cause });
  }

  #view(socket: NetlinkSocket): NetworkView {
    const { nodeName, config, cluster, caches } = this.#context;
    const nodes = Array.from(caches.nodes.list(), toClusterNode);
    const links = listLinks(socket);
    return {
      nodeName,
      nodeIPs: config.nodeIPs,
      nodes,
      dnsIPs: cluster.dnsIPs,
      vxlan: config.vxlan,
      mode: nodes.find(({ name }) => name === nodeName)?.mode ?? config.networkMode,
      podLink: config.podLink,
      podMTU: config.podMTU,
      underlay: findUnderlay(links, listAddresses(socket), config.nodeIPs),
      pods: this.#connectedPods(links),
      pathMtus: this.#paths.mtus,
      proven: this.#straight.proven,
      withoutIPv6: readSysctl('net/ipv6/conf/all/disable_ipv6') !== '0',
    };
  }

  /** Those with a link: one whose link is just being made or was taken by hand has nothing to be kept right. */
  #connectedPods(links: readonly Link[]): NetworkView['pods'] {
    const names = new Set(links.map(({ alias }) => alias));
    return this.#pods.attachments().filter(({ id }) => names.has(podAlias(id)));
  }
}

/** Takes away every link and address of ours from the current namespace, and with them all routes. */
export function removeNodeNetwork(): void {
  using socket = new NetlinkSocket();
  removeState(socket, ownership);
  removeRetiredLinks(socket);
}

/** So many troubles are told one by one. */
const mostTold = 5;

function summarize(reasons: readonly string[]): string {
  return abridge(reasons, mostTold).join('; ');
}
