import * as fs from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { Gauge } from 'prom-client';
import type { CacheEvent } from '../../api/client/cache.ts';
import type { Pod } from '../../api/kinds/pod.ts';
import { Runner } from '../runner.ts';
import type { PodStreams } from '../streams/pod-streams.ts';
import type { AgentContext, Health, Subsystem } from '../subsystem.ts';
import { ContainerStreams } from './container-streams.ts';
import { EventRecorder } from './events.ts';
import { ConfirmedGone } from './gone.ts';
import { ImageTable } from './images.ts';
import { rotateLog } from './log-rotation.ts';
import type { NodeTools } from './node-tools.ts';
import { containerPaths, nodePaths, podPaths } from './paths.ts';
import type { NodePaths } from './paths.ts';
import { isRunning } from './plan.ts';
import { PodActor } from './pod-actor.ts';
import type { PodNetworkDoor } from './pod-network-door.ts';
import { listRecords, readBootId } from './record.ts';
import type { PodRecord } from './record.ts';
import { ReferenceWatches } from './reference-watches.ts';
import { Runtime } from './runtime.ts';
import { ensureSkeleton, removeSkeletons } from './skeleton.ts';

/** How often pods that the API may have dropped unseen are looked for. */
const sweepMs = 30_000;
const rotateMs = 10_000;

/**
 * Runs this node's pods: reconciles what the API wants with what runs, one actor per pod. Running pods are adopted
 * at start and left alone at stop.
 */
export class PodWorker implements Subsystem {
  readonly name = 'pods';
  readonly #context: AgentContext;
  readonly #network: PodNetworkDoor;
  readonly #log: Logger;
  readonly #paths: NodePaths;
  readonly #actors = new Map<string, PodActor>();
  readonly #sweeper: Runner;
  readonly #undo = new DisposableStack();
  #tools: NodeTools | undefined;

  constructor(context: AgentContext, network: PodNetworkDoor) {
    this.#context = context;
    this.#network = network;
    this.#log = context.log.child({ subsystem: this.name });
    this.#paths = nodePaths(context.config.stateDir, context.config.runDir);
    this.#sweeper = new Runner({
      run: () => this.#sweep(),
      minIntervalMs: 20,
      maxIntervalMs: sweepMs,
      onError: (error, nextMs) => this.#log.warn({ err: error, nextMs }, 'cannot ask which pods are gone'),
    });
    const actors = this.#actors;
    new Gauge({
      name: 'weft_pods',
      help: 'Pods this agent looks after.',
      registers: [context.metrics],
      collect(): void {
        this.set(actors.size);
      },
    });
  }

  /** exec, attach, logs and port-forward for the node's server. */
  readonly streams: PodStreams = new ContainerStreams({
    findPod: (namespace, name) => this.#findPod(namespace, name),
    runtime: () => this.#tools?.runtime,
  });

  /** Throws PodError when runc or conmon is missing. */
  start(): Promise<void> {
    const context = this.#context;
    for (const dir of [this.#paths.pods, this.#paths.skeletons, this.#paths.runPods]) {
      // Everybody may pass: containers' processes may run as any user below these directories.
      fs.mkdirSync(dir, { recursive: true, mode: 0o711 });
    }
    this.#tools = {
      context,
      paths: this.#paths,
      bootId: readBootId(),
      network: this.#network,
      images: new ImageTable(context.config.stateDir),
      runtime: new Runtime(this.#paths),
      skeleton: ensureSkeleton(this.#paths.skeletons),
      references: new ReferenceWatches(context.client, this.#log),
      events: new EventRecorder(context.client, context.nodeName, this.#log),
      log: this.#log,
    };
    this.#adopt(this.#tools);
    this.#subscribe(this.#tools);
    this.#sweeper.start();
    return Promise.resolve();
  }

  async stop(): Promise<void> {
    this.#undo.dispose();
    await this.#sweeper.stop();
    await Promise.all([...this.#actors.values()].map((actor) => actor.stop()));
    const tools = this.#tools;
    await Promise.allSettled([tools?.skeleton, tools?.events.flush(), tools?.references.stop()]);
  }

  /** Tells in the pods' statuses which addresses the node has now. */
  noteAddresses(): void {
    for (const actor of this.#actors.values()) actor.noteAddresses();
  }

  health(): Health {
    if (this.#tools === undefined) return { ready: false, reason: 'pods are not looked after yet' };
    if (!this.#context.caches.pods.synced)
      return { ready: false, reason: 'the list of pods was not read yet' };
    return { ready: true };
  }

  #adopt(tools: NodeTools): void {
    for (const [uid, record] of listRecords(this.#paths)) {
      this.#begin(tools, uid, record).start();
    }
    // Overlays that are mounted keep their layers; only files nobody will mount again go.
    const hasContainers = [...this.#actors.values()].some(({ record }) => record !== undefined);
    tools.skeleton
      .then((skeleton) => {
        if (!hasContainers) removeSkeletons(this.#paths.skeletons, skeleton);
      })
      .catch((error: unknown) =>
        this.#log.error({ err: error }, 'no container of a host-root image can start'),
      );
  }

  #subscribe(tools: NodeTools): void {
    const { pods, services } = this.#context.caches;
    this.#undo.defer(pods.subscribe((event) => this.#onEvent(tools, event)));
    void services.whenSynced().then(() => {
      for (const actor of this.#actors.values()) actor.wake();
    });
    for (const pod of pods.list()) this.#upsert(tools, pod);
    const stopWatching = tools.runtime.watchExits(
      (id) => this.#wakeOwner(id),
      (error) => this.#log.error({ err: error }, 'exit files are no longer watched'),
    );
    this.#undo.defer(stopWatching);
    const timer = setInterval(() => this.#rotateLogs(), rotateMs).unref();
    this.#undo.defer(() => clearInterval(timer));
  }

  #onEvent(tools: NodeTools, event: CacheEvent<Pod>): void {
    if (event.type === 'added' || event.type === 'updated') this.#upsert(tools, event.object);
    const replaced = event.type === 'updated' && event.previous.metadata.uid !== event.object.metadata.uid;
    if (event.type === 'deleted' || event.type === 'synced' || replaced) this.#sweeper.request();
  }

  #upsert(tools: NodeTools, pod: Pod): void {
    const { uid } = pod.metadata;
    if (uid === undefined || pod.spec.nodeName !== this.#context.nodeName) return;
    const known = this.#actors.get(uid);
    const actor = known ?? this.#begin(tools, uid, undefined);
    actor.update(pod);
    if (!known) actor.start();
  }

  #begin(tools: NodeTools, uid: string, record: PodRecord | undefined): PodActor {
    const actor = new PodActor({
      tools,
      uid,
      record,
      onRemoved: () => {
        this.#actors.delete(uid);
        void actor.stop();
      },
    });
    this.#actors.set(uid, actor);
    return actor;
  }

  /** Ends the pods that the API has no more. Before the cache is synced, and while the API is away, there are none. */
  async #sweep(): Promise<void> {
    const { caches, client, nodeName } = this.#context;
    if (!caches.pods.synced) return;
    for (const [uid, actor] of this.#actors) {
      const { pod, record } = actor;
      const identity = pod
        ? { uid, namespace: pod.metadata.namespace ?? '', name: pod.metadata.name }
        : (record ?? { uid, namespace: '', name: '' });
      if (identity.name === '') continue;
      const gone = await ConfirmedGone.confirm(caches.pods, client, nodeName, identity);
      if (gone) actor.end(gone);
    }
    this.#removeStrayExits();
  }

  /** conmon may write an exit code after its container was removed by force. */
  #removeStrayExits(): void {
    const known = new Set([...this.#actors.values()].flatMap((actor) => containerIds(actor)));
    const { exits } = this.#paths;
    for (const name of fs.readdirSync(exits)) {
      const age =
        Date.now() - (fs.statSync(join(exits, name), { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
      if (!known.has(name) && age > sweepMs) fs.rmSync(join(exits, name), { force: true });
    }
  }

  #wakeOwner(id: string): void {
    for (const actor of this.#actors.values()) if (containerIds(actor).includes(id)) actor.wake();
  }

  #rotateLogs(): void {
    for (const { record } of this.#actors.values()) {
      for (const run of Object.values(record?.containers ?? {}).filter(isRunning)) {
        const paths = containerPaths(podPaths(this.#paths, record?.uid ?? ''), run.name, run.attempt);
        try {
          rotateLog(paths.log, paths.bundle);
        } catch (error) {
          this.#log.warn({ err: error, log: paths.log }, 'log not rotated');
        }
      }
    }
  }

  #findPod(namespace: string, name: string): PodActor | undefined {
    const pod = this.#context.caches.pods.get(`${namespace}/${name}`);
    return this.#actors.get(pod?.metadata.uid ?? '');
  }
}

function containerIds(actor: PodActor): string[] {
  return Object.values(actor.record?.containers ?? {}).map(({ id }) => id);
}
