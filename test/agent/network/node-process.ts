/** One node's network in a process of its own, as an agent would run it: started inside the node's namespace. */
import { join } from 'node:path';
import pino from 'pino';
import { Registry } from 'prom-client';
import type { AttachmentRequest } from '../../../agent/network/attachment.ts';
import { ContainerRuntimes } from '../../../agent/cni/container-runtimes.ts';
import { hostPortGate } from '../../../agent/host-ports/gate.ts';
import { HostPorts } from '../../../agent/host-ports/host-ports.ts';
import { HostWatch } from '../../../agent/host/host-watch.ts';
import { SettingsKeeper } from '../../../agent/host/settings.ts';
import { NodeNetwork, removeNodeNetwork } from '../../../agent/network/node-network.ts';
import type { Tunnel } from '../../../agent/network/tunnel.ts';
import type { NetworkMode, PodLinkMode } from '../../../agent/network/view.ts';
import { PathWatch } from '../../../agent/paths/path-watch.ts';
import { StraightWatch } from '../../../agent/paths/straight-watch.ts';
import { PodNetwork } from '../../../agent/network/pod-network.ts';
import { Underlay } from '../../../agent/underlay/underlay.ts';
import type { CacheEvent, ReadCache } from '../../../api/client/cache.ts';
import type { ApiClient } from '../../../api/client/client.ts';
import type { Event } from '../../../api/kinds/event.ts';
import type { Node } from '../../../api/kinds/node.ts';
import { makeRules } from '../services/rules-fixture.ts';

export interface NodeSettings {
  readonly nodeName: string;
  readonly nodeIPs: readonly string[];
  /** Where its addresses are found; absent: they are {@link nodeIPs}, come what may. */
  readonly ranges?: readonly string[];
  readonly stateDir: string;
  readonly dnsIPs: readonly string[];
  readonly networkMode?: NetworkMode;
  readonly podLink?: PodLinkMode;
  readonly podMTU?: number;
  readonly vxlan?: Tunnel;
  /** What makes the rules of its ports; absent: it has none. */
  readonly backend?: string;
}

/** A request from the test, answered with `{ id, result }` or `{ id, error }`. */
export interface Command {
  readonly id: number;
  readonly verb: keyof typeof verbs;
  readonly argument?: unknown;
}

const settings = JSON.parse(process.argv[2] ?? '{}') as NodeSettings;

let nodes: readonly Node[] = [];
const listeners = new Set<(event: CacheEvent<Node>) => void>();
const cache: ReadCache<Node> = {
  get synced() {
    return nodes.length > 0;
  },
  whenSynced: () => Promise.resolve(),
  get: (key) => nodes.find(({ metadata }) => metadata.name === key),
  list: () => nodes,
  subscribe(listener) {
    listeners.add(listener);
    return () => listeners.delete(listener);
  },
};

const vxlan = settings.vxlan ?? { port: 8472, vni: 117 };
const metrics = new Registry();
const log = pino({ level: process.env['LOG_LEVEL'] ?? 'silent' });
const underlay = new Underlay(
  {
    nodeIPs: settings.ranges ?? settings.nodeIPs,
    nodeInterface: undefined,
    advertiseAddress: undefined,
    server: '127.0.0.1',
  },
  log,
);
const context = {
  nodeName: settings.nodeName,
  metrics,
  log,
  config: {
    get nodeIPs() {
      return underlay.addresses;
    },
    networkMode: settings.networkMode ?? 'auto',
    podLink: settings.podLink ?? 'bridge',
    podMTU: settings.podMTU,
    vxlan,
    port: 10_250,
    stateDir: settings.stateDir,
    runDir: join(settings.stateDir, 'run'),
    cni: {
      configDir: join(settings.stateDir, 'cni', 'net.d'),
      binDirs: [join(settings.stateDir, 'cni', 'bin')],
    },
  } as const,
  cluster: { dnsIPs: settings.dnsIPs, clusterCIDRs: ['10.244.0.0/16'], zone: 'cluster.local' },
  caches: { nodes: cache },
};
const pods = new PodNetwork(context);
const reports: string[] = [];
const told: { type: string; reason: string; message: string }[] = [];
/** Takes Events only. */
const client = {
  create: (_: unknown, event: Event) => {
    told.push({ type: event.type ?? '', reason: event.reason ?? '', message: event.message ?? '' });
    return Promise.resolve(event);
  },
} as unknown as ApiClient;
const keeper = new SettingsKeeper();
const paths = new PathWatch({ ...context, client }, { wellMs: 1_000, troubledMs: 1_000 });
const straight = new StraightWatch({ ...context, client }, { keepMs: 200, hastyMs: 50, holdMs: 500 });
const network = new NodeNetwork(
  context,
  pods,
  {
    noteFenced: (reason) => reports.push(`fenced: ${reason}`),
    noteReleased: () => reports.push('released'),
  },
  { paths, straight, settings: keeper },
);
// Nobody follows rules here.
const host = new HostWatch({ ...context, client }, keeper, () => false);
const rules =
  settings.backend === undefined
    ? undefined
    : makeRules(settings.backend, settings.nodeIPs, new HostPorts(pods), vxlan);
if (rules) pods.addGate(hostPortGate(rules.rules));
const runtimes = new ContainerRuntimes(context, pods);

/** What to attach: an id, or all of a request. */
const toRequest = (argument: unknown): AttachmentRequest =>
  typeof argument === 'string' ? { id: argument } : (argument as AttachmentRequest);

const verbs = {
  async start() {
    underlay.subscribe(() => network.noteAddresses());
    await underlay.start();
    await network.start();
    await straight.start();
  },
  async startRules() {
    await rules?.rules.start();
    rules?.sync();
  },
  addresses: () => underlay.addresses,
  underlayHealth: () => underlay.health(),
  startHost: () => host.start(),
  startPaths: () => paths.start(),
  pathHealth: () => paths.health(),
  straightHealth: () => straight.health(),
  events: () => told,
  metrics: () => metrics.metrics(),
  setNodes(argument: unknown) {
    nodes = argument as readonly Node[];
    for (const listener of listeners) listener({ type: 'synced' });
  },
  /** Hands over one node as a watch does: an event, and the object in the cache. */
  changeNode(argument: unknown) {
    const object = argument as Node;
    const key = object.metadata.name;
    const previous = cache.get(key);
    nodes = previous ? nodes.map((node) => (node === previous ? object : node)) : [...nodes, object];
    const event: CacheEvent<Node> = previous
      ? { type: 'updated', key, object, previous }
      : { type: 'added', key, object };
    for (const listener of listeners) listener(event);
  },
  removeNode(argument: unknown) {
    const key = String(argument);
    const object = cache.get(key);
    if (!object) return;
    nodes = nodes.filter((node) => node !== object);
    for (const listener of listeners) listener({ type: 'deleted', key, object });
  },
  attach: (request: unknown) => pods.attach(toRequest(request)),
  detach: (id: unknown) => pods.detach(String(id)),
  check: (id: unknown) => pods.check(String(id)),
  list: () => pods.list(),
  attachments: () => pods.attachments(),
  health: () => network.health(),
  reports: () => reports,
  async counters() {
    const [passes, changes] = await Promise.all([
      metrics.getSingleMetric('weft_network_pass_seconds')?.get(),
      metrics.getSingleMetric('weft_network_changes_total')?.get(),
    ]);
    const counts = (passes?.values ?? []).filter(
      (value) => 'metricName' in value && String(value.metricName).endsWith('_count'),
    );
    const count = (scope: string): number =>
      counts.find(({ labels }) => labels['scope'] === scope)?.value ?? 0;
    const [all, peers] = [count('all'), count('peers')];
    return { passes: all + peers, fullPasses: all, changes: changes?.values[0]?.value ?? 0 };
  },
  /** How often the kernel told of something to look at on the host. */
  async looks() {
    const counts = await metrics.getSingleMetric('weft_host_looks_total')?.get();
    return counts?.values.find(({ labels }) => labels['cause'] === 'told')?.value ?? 0;
  },
  cleanup: () => removeNodeNetwork(),
  serveRuntimes: () => runtimes.start(),
  stop: async () => {
    await runtimes.stop();
    await host.stop();
    await rules?.rules.stop();
    await network.stop();
    await paths.stop();
    await straight.stop();
  },
};

async function answer({ id, verb, argument }: Command): Promise<void> {
  try {
    process.send?.({ id, result: await verbs[verb](argument) });
  } catch (error) {
    process.send?.({ id, error: error instanceof Error ? error.message : String(error) });
  }
}

process.on('message', (command) => void answer(command as Command));
process.on('disconnect', () => process.exit());
process.send?.({ id: 0 });
