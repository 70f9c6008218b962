import { Counter, Histogram } from 'prom-client';
import type { Node } from '../../api/kinds/node.ts';
import { listAddresses, RTM_NEWADDR } from '../../netns/address.ts';
import { ensureState, removeState } from '../../netns/apply.ts';
import type { Outcome } from '../../netns/apply.ts';
import { parseCidr, renderCidr } from '../../netns/ip.ts';
import { listLinks } from '../../netns/link.ts';
import { RTM_NEWNEIGH } from '../../netns/neighbor.ts';
import * as netlink from '../../netns/netlink.ts';
import { NetlinkMonitor, NetlinkSocket } from '../../netns/netlink.ts';
import { RTM_NEWROUTE } from '../../netns/route.ts';
import { readSysctl } from '../../netns/sysctl.ts';
import { Runner } from '../runner.ts';
import type { AgentContext, Health, Subsystem } from '../subsystem.ts';
import type { ClusterNode, NetworkView, NodePlan } from './view.ts';
import { planNetwork } from './desired.ts';
import { bridgeName, goneGroup, ownership, podAlias, vxlanName } from './marks.ts';
import { NetworkError } from './network-error.ts';
import { podRanges } from './ranges.ts';
import { removeRetiredLinks } from './pod-link.ts';
import type { PodNetwork } from './pod-network.ts';

/** A burst of notifications costs one pass; a repair still comes before anybody's TCP retransmits twice. */
const minIntervalMs = 200;
const maxIntervalMs = 30_000;

const groups =
  netlink.RTMGRP_LINK |
  netlink.RTMGRP_NEIGH |
  netlink.RTMGRP_IPV4_IFADDR |
  netlink.RTMGRP_IPV4_ROUTE |
  netlink.RTMGRP_IPV6_IFADDR |
  netlink.RTMGRP_IPV6_ROUTE;
/** What others add does not take anything of ours away, and a busy host's neighbours come all the time. */
const uninteresting: ReadonlySet<number> = new Set([RTM_NEWADDR, RTM_NEWNEIGH, RTM_NEWROUTE]);

type NodeNetworkContext = Pick<AgentContext, 'nodeName' | 'metrics' | 'log'> & {
  readonly config: Pick<AgentContext['config'], 'nodeIPs' | 'vxlan'>;
  readonly cluster: Pick<AgentContext['cluster'], 'dnsIPs'>;
  readonly caches: Pick<AgentContext['caches'], 'nodes'>;
};

/**
 * Keeps this node's bridge, vxlan device and ways to its peers as the cluster's nodes ask for: on start, on every
 * change of a node, when the kernel tells of something gone, and every 30 s.
 */
export class NodeNetwork implements Subsystem {
  readonly name = 'network';
  readonly #context: NodeNetworkContext;
  readonly #pods: PodNetwork;
  readonly #log: AgentContext['log'];
  readonly #runner: Runner;
  readonly #passSeconds: Histogram;
  readonly #changes: Counter;
  #undo = new DisposableStack();
  #health: Health = { ready: false, reason: 'waiting for the API' };

  constructor(context: NodeNetworkContext, pods: PodNetwork) {
    this.#context = context;
    this.#pods = pods;
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
      help: "Time of one pass over the node's network.",
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
    const request = (): void => this.#runner.request();
    const onMessage = (type: number): void => {
      if (!uninteresting.has(type)) request();
    };
    this.#undo.use(new NetlinkMonitor({ groups, onMessage, onOverrun: request }));
    const unsubscribe = this.#context.caches.nodes.subscribe((event) => {
      // Heartbeats change nodes all the time; the network only follows ranges and addresses.
      const isHeartbeat = event.type === 'updated' && sameNetwork(event.object, event.previous);
      if (!isHeartbeat) request();
    });
    this.#undo.defer(unsubscribe);
    this.#runner.start();
    return Promise.resolve();
  }

  /** Follows the node's addresses of now, also one whose absence made passes fail. */
  noteAddresses(): void {
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
    const bridge = listLinks(socket).find((link) => link.name === bridgeName && ownership.ownsLink(link));
    if (!bridge) return;
    const cidrs = listAddresses(socket)
      .filter(({ ifindex }) => ifindex === bridge.ifindex)
      .map(({ address, prefix }) => renderCidr(parseCidr(`${address}/${prefix}`)));
    if (cidrs.length === 0) return;
    this.#pods.configure({ mtu: bridge.mtu, bridgeMac: bridge.mac, ranges: podRanges(cidrs) });
    this.#health = { ready: true, reason: 'waiting for the API; the last state stands' };
  }

  #pass(): void {
    // Without all nodes nothing can be told to be superfluous.
    if (!this.#context.caches.nodes.synced) return;
    const observe = this.#passSeconds.startTimer();
    using socket = new NetlinkSocket();
    try {
      const plan = planNetwork(this.#view(socket));
      const prune = plan.pods !== undefined;
      const outcome = ensureState(socket, plan.state, ownership, { prune });
      if (outcome.observed.links.some(({ group }) => group === goneGroup)) removeRetiredLinks(socket);
      this.#report(plan, outcome);
    } catch (error) {
      if (error instanceof NetworkError && error.code !== 'kernel') {
        this.#health = { ready: false, reason: error.message };
      }
      throw error;
    } finally {
      observe();
    }
  }

  #report({ pods, problems }: NodePlan, { changes, errors, observed }: Outcome): void {
    if (changes.length > 0) {
      this.#changes.inc(changes.length);
      this.#log.info({ count: changes.length, changes: changes.slice(0, 20) }, 'changed the network');
    }
    const ours = observed.links.filter((link) => ownership.ownsLink(link)).map(({ name }) => name);
    const isUp = pods !== undefined && ours.includes(bridgeName) && ours.includes(vxlanName);
    if (isUp) this.#pods.configure(pods);
    const reasons = [...problems, ...errors.map(({ message }) => message)];
    if (!pods && problems.length === 0) reasons.push('no podCIDR yet');
    this.#health = { ready: isUp, ...(reasons.length > 0 ? { reason: reasons.join('; ') } : {}) };
    const [cause] = errors;
    if (cause) throw new NetworkError('kernel', errors.map(({ message }) => message).join('; '), { cause });
  }

  #view(socket: NetlinkSocket): NetworkView {
    const { nodeName, config, cluster, caches } = this.#context;
    return {
      nodeName,
      nodeIPs: config.nodeIPs,
      nodes: Array.from(caches.nodes.list(), toClusterNode),
      dnsIPs: cluster.dnsIPs,
      vxlan: config.vxlan,
      underlay: findUnderlay(socket, config.nodeIPs[0] ?? ''),
      pods: this.#connectedPods(socket),
      pathMtus: new Map(),
      withoutIPv6: readSysctl('net/ipv6/conf/all/disable_ipv6') !== '0',
    };
  }

  /** Those with a link: one whose link is just being made or was taken by hand has nothing to be kept right. */
  #connectedPods(socket: NetlinkSocket): NetworkView['pods'] {
    const names = new Set(listLinks(socket).map(({ alias }) => alias));
    return this.#pods.listAttached().filter(({ uid }) => names.has(podAlias(uid)));
  }
}

/** Takes away every link and address of ours from the current namespace, and with them all routes. */
export function removeNodeNetwork(): void {
  using socket = new NetlinkSocket();
  removeState(socket, ownership);
  removeRetiredLinks(socket);
}

function findUnderlay(socket: NetlinkSocket, nodeIP: string): NetworkView['underlay'] {
  const address = listAddresses(socket).find((candidate) => candidate.address === nodeIP);
  const link = listLinks(socket).find(({ ifindex }) => ifindex === address?.ifindex);
  if (!link) {
    throw new NetworkError(
      'no-address',
      `node address ${nodeIP} is on no link; set nodeIPs to addresses of this host`,
    );
  }
  const acceptRa = readSysctl(`net/ipv6/conf/${link.name}/accept_ra`) ?? '0';
  return { name: link.name, mtu: link.mtu, acceptsRouters: acceptRa !== '0' };
}

/** What the network needs to know of a Node object. */
export function toClusterNode({ metadata, spec, status }: Node): ClusterNode {
  return {
    name: metadata.name,
    created: metadata.creationTimestamp ?? '',
    podCIDRs: spec?.podCIDRs ?? (spec?.podCIDR === undefined ? [] : [spec.podCIDR]),
    internalIPs: (status?.addresses ?? []).flatMap(({ type, address }) =>
      type === 'InternalIP' ? [address] : [],
    ),
  };
}

function sameNetwork(a: Node, b: Node): boolean {
  return JSON.stringify(toClusterNode(a)) === JSON.stringify(toClusterNode(b));
}
