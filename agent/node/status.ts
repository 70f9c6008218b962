import { isNotFound } from '../../api/client/api-error.ts';
import { leases, nodes } from '../../api/client/resources.ts';
import type { Node } from '../../api/kinds/node.ts';
import type { HealthSource } from '../health.ts';
import { readNodeFacts } from './facts.ts';
import type { NodeFacts } from './facts.ts';
import { isSameStatus, renderAnnotations, renderLabels, renderNode, renderNodeStatus } from './object.ts';
import type { Readiness } from './object.ts';
import { Runner } from '../runner.ts';
import type { AgentContext, Health, Subsystem } from '../subsystem.ts';

const leaseSeconds = 40;
const leaseNamespace = 'kube-node-lease';
/** A restarted agent needs a moment to look around; meanwhile its node goes on as the one before left it. */
const graceMs = 20_000;

/**
 * Keeps this node's Node object and Lease as Kubernetes expects them of a kubelet: the object at the start and
 * whenever what it says changes, the lease every ten seconds.
 */
export class NodeRegistration implements Subsystem {
  readonly name = 'node';
  readonly #context: AgentContext;
  readonly #parts: () => readonly HealthSource[];
  readonly #facts: NodeFacts;
  readonly #status: Runner;
  readonly #lease: Runner;
  #unsubscribe: (() => void) | undefined;
  #poll: NodeJS.Timeout | undefined;
  #posted: Readiness | undefined;
  #problem: string | undefined = 'not registered yet';
  readonly #startedAt = performance.now();

  /** @param parts whose health decides whether the node is Ready */
  constructor(context: AgentContext, parts: () => readonly HealthSource[]) {
    this.#context = context;
    this.#parts = parts;
    this.#facts = readNodeFacts(context.config.stateDir);
    const onError = (what: string) => (error: unknown, nextMs: number) => {
      this.#problem = `${what}: ${error instanceof Error ? error.message : String(error)}`;
      context.log.warn({ err: error, nextMs }, what);
    };
    this.#status = new Runner({
      run: () => this.#ensureNode(),
      minIntervalMs: 100,
      maxIntervalMs: 60_000,
      onError: onError('cannot post the node status'),
    });
    this.#lease = new Runner({
      run: () => this.#renewLease(),
      minIntervalMs: 10_000,
      maxIntervalMs: 10_000,
      onError: onError('cannot renew the node lease'),
    });
  }

  /** Returns at once: the Node has to be there before other parts can become ready. */
  start(): Promise<void> {
    const { caches, nodeName } = this.#context;
    this.#status.start();
    this.#lease.start();
    this.#unsubscribe = caches.nodes.subscribe((event) => {
      if (event.type === 'synced' || event.key === nodeName) this.#status.request();
    });
    // Parts are asked, not listened to: a part that hangs could not tell.
    this.#poll = setInterval(() => {
      const { ready, message } = this.#readiness();
      const isNews = ready !== this.#posted?.ready || message !== this.#posted.message;
      if (isNews || (!ready && this.#ageMs() < graceMs * 2)) this.#status.request();
    }, 250).unref();
    return Promise.resolve();
  }

  /** Tells of the node's addresses of now. */
  noteAddresses(): void {
    this.#status.wake();
  }

  async stop(): Promise<void> {
    clearInterval(this.#poll);
    this.#unsubscribe?.();
    await Promise.all([this.#status.stop(), this.#lease.stop()]);
  }

  health(): Health {
    return this.#problem === undefined ? { ready: true } : { ready: false, reason: this.#problem };
  }

  #readiness(): Readiness {
    const parts = this.#parts().map((part) => ({ name: part.name, ...part.health() }));
    const waiting = parts.filter(({ ready }) => !ready);
    const message = waiting.map(({ name, reason }) => `${name}: ${reason ?? 'not ready'}`).join('; ');
    const network = waiting.find(({ name }) => name === 'network');
    return {
      ready: waiting.length === 0,
      message,
      ...(network ? { networkTrouble: network.reason ?? 'not ready' } : {}),
    };
  }

  async #ensureNode(): Promise<void> {
    const { client, config, caches, nodeName } = this.#context;
    const node = caches.nodes.get(nodeName) ?? (await this.#readOrCreate());
    const readiness = this.#readiness();
    const status = renderNodeStatus(
      config,
      this.#facts,
      readiness,
      node.status?.conditions ?? [],
      new Date(),
    );
    const metadata = { labels: renderLabels(config, this.#facts), annotations: renderAnnotations(config) };
    if (
      !isWithin(metadata.labels, node.metadata.labels) ||
      !isWithin(metadata.annotations, node.metadata.annotations)
    )
      await client.patch(nodes, { name: nodeName }, { metadata }, 'merge');
    // The first complete start is always told: who waits for a restarted agent looks at the time of its heartbeat.
    const isFirst = readiness.ready && this.#posted?.ready !== true;
    const isUnchanged = !isFirst && isSameStatus(node.status ?? {}, status);
    if (!isUnchanged && !this.#isStillStarting(node, readiness)) {
      await client.patchStatus(nodes, { name: nodeName }, { status }, 'merge');
    }
    this.#posted = readiness;
    this.#problem = undefined;
  }

  /**
   * Whether this agent has just been restarted on a node that was Ready: its pods serve on, and must not be taken
   * out of their Services because the agent needs a second to start.
   */
  #isStillStarting({ status }: Node, { ready }: Readiness): boolean {
    const wasReady = status?.conditions?.some((each) => each.type === 'Ready' && each.status === 'True');
    return !ready && wasReady === true && this.#posted?.ready !== true && this.#ageMs() < graceMs;
  }

  #ageMs(): number {
    return performance.now() - this.#startedAt;
  }

  async #readOrCreate(): Promise<Node> {
    const { client, config, nodeName } = this.#context;
    try {
      return await client.get(nodes, { name: nodeName });
    } catch (error) {
      if (!isNotFound(error)) throw error;
      return client.create(nodes, renderNode(config, this.#facts));
    }
  }

  async #renewLease(): Promise<void> {
    const { client, nodeName } = this.#context;
    const spec = {
      holderIdentity: nodeName,
      leaseDurationSeconds: leaseSeconds,
      renewTime: new Date().toISOString().replace('Z', '000Z'),
    };
    try {
      await client.patch(leases, { namespace: leaseNamespace, name: nodeName }, { spec }, 'merge');
    } catch (error) {
      if (!isNotFound(error)) throw error;
      const metadata = { name: nodeName, namespace: leaseNamespace };
      await client.create(leases, { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata, spec });
    }
  }
}

function isWithin(
  part: Readonly<Record<string, string>>,
  whole: Readonly<Record<string, string>> = {},
): boolean {
  return Object.entries(part).every(([key, value]) => whole[key] === value);
}
