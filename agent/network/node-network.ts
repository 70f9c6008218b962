import type { Counter, Histogram } from 'prom-client';
import { changeState, ensureState, removeState } from '../../netns/apply.ts';
import type { Outcome } from '../../netns/apply.ts';
import type { ObservedState } from '../../netns/state.ts';
import { listLinks } from '../../netns/link.ts';
import { NetlinkSocket } from '../../netns/netlink.ts';
import { abridge } from '../abridge.ts';
import { Runner } from '../runner.ts';
import type { AgentContext, Health, Subsystem } from '../subsystem.ts';
import { sameNetwork, toClusterNode } from './cluster-node.ts';
import { planNetwork } from './desired.ts';
import { KernelWatch } from './kernel-watch.ts';
import { bridgeName, goneGroup, ownership, vxlanName } from './marks.ts';
import type { NetworkContext, NetworkParts } from './network-context.ts';
import { NetworkError } from './network-error.ts';
import { findPodPlan, listStraightWays, observeView } from './observed-view.ts';
import { removeRetiredLinks } from './pod-link.ts';
import type { PodNetwork } from './pod-network.ts';
import { makeNetworkMetrics } from './reports.ts';
import type { NetworkReports } from './reports.ts';
import type { NodePlan } from './view.ts';
import { explainErrors } from './vxlan-trouble.ts';

/** A burst of notifications costs one pass; a repair still comes before anybody's TCP retransmits twice. */
const minIntervalMs = 200;
/** Everything is read and compared at least so often. */
const maxIntervalMs = 30_000;

/** What a pass did, whether over everything or over some peers. */
type PassResult = Pick<Outcome, 'changes' | 'errors'>;

/**
 * Keeps this node's bridge, vxlan device and ways to its peers as the cluster's nodes ask for. On start, when the kernel
 * tells of something gone and every 30 s everything is compared; a change of another node costs that node's ways only.
 */
export class NodeNetwork implements Subsystem {
  readonly name = 'network';
  readonly #context: NetworkContext;
  readonly #pods: PodNetwork;
  readonly #reports: NetworkReports;
  readonly #parts: NetworkParts;
  readonly #log: AgentContext['log'];
  readonly #runner: Runner;
  readonly #kernel: KernelWatch;
  readonly #passSeconds: Histogram<'scope'>;
  readonly #changes: Counter;
  #undo = new DisposableStack();
  /** What the last full pass went by; its peers follow the changes since. */
  #plan: NodePlan | undefined;
  /** Other nodes that changed since the last pass. */
  readonly #changedNodes = new Set<string>();
  #lastFullMs = -Infinity;
  /** Why this node is cut off, as it was told. */
  #fenced: string | undefined;
  #health: Health = { ready: false, reason: 'waiting for the API' };

  constructor(context: NetworkContext, pods: PodNetwork, reports: NetworkReports, parts: NetworkParts) {
    this.#context = context;
    this.#pods = pods;
    this.#reports = reports;
    this.#parts = parts;
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
    this.#kernel = new KernelWatch(pods, (isHope) => (isHope ? this.#runner.wake() : this.#runner.request()));
    const { passSeconds, changes } = makeNetworkMetrics(context.metrics);
    this.#passSeconds = passSeconds;
    this.#changes = changes;
  }

  start(): Promise<void> {
    this.#adopt();
    this.#kernel.start();
    this.#undo.defer(() => this.#kernel.stop());
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
    const { paths, straight } = this.#parts;
    this.#undo.defer(
      paths.subscribe(() => {
        this.#kernel.alarm();
        this.#runner.request();
      }),
    );
    this.#undo.defer(
      straight.subscribe((node) => {
        this.#changedNodes.add(node);
        this.#runner.request();
      }),
    );
    this.#runner.start();
    return Promise.resolve();
  }

  /** Follows the node's addresses of now, also one whose absence made passes fail. */
  noteAddresses(): void {
    this.#kernel.alarm();
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
    this.#parts.straight.adopt(listStraightWays(socket, links));
    const plan = findPodPlan(socket, links, this.#context.config.podLink);
    if (!plan) return;
    this.#pods.configure(plan);
    this.#health = { ready: true, reason: 'waiting for the API; the last state stands' };
  }

  #pass(): void {
    // Without all nodes nothing can be told to be superfluous.
    if (!this.#context.caches.nodes.synced) return;
    const isLong = performance.now() - this.#lastFullMs >= maxIntervalMs;
    const isAlarming = this.#kernel.take();
    const isFullDue = !this.#plan || isAlarming || isLong;
    if (!isFullDue && this.#changedNodes.size === 0) return;
    using socket = new NetlinkSocket();
    if (isFullDue || !this.#changePeers(socket)) this.#changeAll(socket);
  }

  #changeAll(socket: NetlinkSocket): void {
    const observe = this.#passSeconds.startTimer({ scope: 'all' });
    this.#lastFullMs = performance.now();
    this.#changedNodes.clear();
    this.#plan = undefined;
    this.#kernel.forget();
    try {
      const plan = planNetwork(observeView(socket, this.#context, this.#parts, this.#pods));
      const prune = plan.pods !== undefined;
      const { sysctls } = plan.state;
      const outcome = ensureState(socket, { ...plan.state, sysctls: [] }, ownership, { prune });
      // Those of links once there are links.
      this.#parts.settings.want(sysctls);
      if (outcome.observed.links.some(({ group }) => group === goneGroup)) removeRetiredLinks(socket);
      this.#kernel.judgeBy(outcome.observed.links, plan.pods);
      const ours = outcome.observed.links.filter((link) => ownership.ownsLink(link));
      const names = ours.map(({ name }) => name);
      const isUp = names.includes(bridgeName) && names.includes(vxlanName);
      this.#plan = plan;
      if (plan.pods && isUp) this.#pods.configure(plan.pods);
      this.#pods.ensureTraffic(socket, ours);
      this.#follow(plan);
      const cuts = this.#fence(socket, plan.fenced, outcome.observed);
      const changes = [...outcome.changes, ...cuts.changes];
      const { vxlan } = this.#context.config;
      const errors = explainErrors([...outcome.errors, ...cuts.errors], vxlan, outcome.observed.links);
      this.#report(plan, { changes, errors }, plan.pods !== undefined && isUp);
    } catch (error) {
      this.#kernel.alarm();
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
    const change = plan?.peers?.change(changed, this.#parts.straight.proven);
    // What was told until here is others' doing; the removals that we ask for are ours.
    if (!plan || !change || this.#kernel.isAlarming()) return false;
    try {
      const result = this.#kernel.own(() => changeState(socket, change.before, change.after));
      this.#follow(plan);
      this.#report(plan, result, this.#health.ready);
    } catch (error) {
      this.#kernel.alarm();
      throw error;
    } finally {
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

  #follow(plan: NodePlan): void {
    this.#parts.paths.follow(plan);
    this.#parts.straight.follow(plan);
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
