import * as fs from 'node:fs';
import type { Logger } from 'pino';
import type { Container } from '../../api/kinds/container.ts';
import type { Pod } from '../../api/kinds/pod.ts';
import { Runner } from '../runner.ts';
import { observeEnd, removeRun } from './container-runs.ts';
import type { ConfirmedGone } from './gone.ts';
import type { NodeTools } from './node-tools.ts';
import { podPaths } from './paths.ts';
import type { PodPaths } from './paths.ts';
import { endingOf, isRunning, planPod } from './plan.ts';
import type { Ending, Step } from './plan.ts';
import { PodProbers } from './pod-probers.ts';
import { releasePod } from './pod-release.ts';
import { writeRecord } from './record.ts';
import type { ContainerRecord, PodRecord } from './record.ts';
import { ensureSandbox, startRecord } from './sandbox.ts';
import { startContainer } from './start-container.ts';
import { describeStartFailure } from './start-failure.ts';
import type { StartFailure } from './start-failure.ts';
import type { Waiting } from './status.ts';
import { StatusReporter } from './status-reporter.ts';
import { VolumeUpdates } from './volume-updates.ts';

/** A pod is looked at this often though nothing happened: what a missed event can cost. */
const longestSilenceMs = 10_000;
/** How soon after SIGKILL to look again. */
const killRetryMs = 1_000;

export interface PodActorOptions {
  readonly tools: NodeTools;
  readonly uid: string;
  /** What an earlier run of the agent left; undefined for a new pod. */
  readonly record: PodRecord | undefined;
  /** Told when nothing of the pod is left on this node. */
  readonly onRemoved: () => void;
}

/** One pod of this node. Everything done to it is done one after the other, here. */
export class PodActor {
  readonly paths: PodPaths;
  readonly #tools: NodeTools;
  readonly #options: PodActorOptions;
  readonly #log: Logger;
  readonly #runner: Runner;
  readonly #reporter: StatusReporter;
  readonly #probers: PodProbers;
  readonly #volumes: VolumeUpdates;
  readonly #unhealthy = new Map<string, string>();
  readonly #deadlines = new Map<string, number>();
  readonly #failures = new Map<string, StartFailure & { readonly retryAt: number }>();
  #waiting: ReadonlyMap<string, Waiting> = new Map();
  #pod: Pod | undefined;
  #record: PodRecord | undefined;
  #gone: ConfirmedGone | undefined;
  #hasSandbox = false;
  #released = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: PodActorOptions) {
    const { tools, uid, record } = options;
    this.#options = options;
    this.#tools = tools;
    this.#record = record;
    this.#log = tools.log.child({ uid });
    this.paths = podPaths(tools.paths, uid);
    this.#probers = new PodProbers(tools, {
      onReadiness: (name, ready) => this.#noteProbe(name, { ready }),
      onStartup: (name) =>
        this.#noteProbe(name, { started: true, ready: !this.container(name)?.readinessProbe }),
      onUnhealthy: (name, why) => {
        this.#unhealthy.set(name, why);
        this.wake();
      },
    });
    this.#volumes = new VolumeUpdates(tools, this.paths, () => this.wake());
    this.#reporter = new StatusReporter(tools, this.#log, () => this.#observation());
    this.#runner = new Runner({
      run: () => this.#pass(),
      minIntervalMs: 0,
      maxIntervalMs: longestSilenceMs,
      onError: (error, nextMs) => this.#log.error({ err: error, nextMs }, 'pod pass failed'),
    });
  }

  start(): void {
    this.#runner.start();
    this.#reporter.start();
  }

  /** Stops looking after the pod; the pod itself runs on. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    this.#probers.stop();
    this.#volumes.stop();
    await Promise.all([this.#runner.stop(), this.#reporter.stop()]);
  }

  /** The pod as the API has it now. */
  update(pod: Pod): void {
    this.#pod = pod;
    this.wake();
    this.#reporter.request();
  }

  /** Ends the pod: the API has it no more. */
  end(gone: ConfirmedGone): void {
    this.#gone = gone;
    this.wake();
  }

  /** The node has other addresses: the pod's status names them. */
  noteAddresses(): void {
    this.#reporter.request();
  }

  /** Something may have happened: look at once. */
  wake(): void {
    this.#runner.request();
  }

  get record(): PodRecord | undefined {
    return this.#record;
  }

  get pod(): Pod | undefined {
    return this.#pod;
  }

  /** Nothing of it runs any more, whatever the record says. */
  get isReleased(): boolean {
    return this.#released;
  }

  /** Why containers do not run (yet), by their names. */
  get waiting(): ReadonlyMap<string, Waiting> {
    return this.#waiting;
  }

  async #pass(): Promise<void> {
    if (this.#record) await this.#observe(this.#record);
    if (this.#gone) return this.#passGone();
    const pod = this.#pod;
    if (pod === undefined) return;
    const ending = endingOf(pod);
    if (this.#record === undefined && ending) {
      this.#passNeverStarted(pod);
      return;
    }
    // Without the Services the pod's environment cannot be known; the worker wakes us when they are read.
    if (this.#record === undefined && !this.#tools.context.caches.services.synced) return;
    this.#record ??= startRecord(this.#tools, pod);
    if (!ending && !this.#hasSandbox) await this.#ensureSandbox(pod, this.#record);
    await this.#carryOut(pod, ending);
    const running = Object.values(this.#record.containers).some(isRunning);
    if (ending && !running) await this.#release();
    if (ending) this.#volumes.stop();
    else this.#volumes.sync(pod, this.#record);
    this.#probers.sync(pod, this.#record);
    this.#reporter.request();
  }

  /** Deleted before it ever ran here: nothing to end, only the API to be told. */
  #passNeverStarted(pod: Pod): void {
    if (pod.metadata.deletionTimestamp === undefined) return;
    this.#released = true;
    this.#record = startRecord(this.#tools, pod);
    this.#reporter.request();
  }

  async #passGone(): Promise<void> {
    this.#probers.stop();
    this.#volumes.stop();
    clearTimeout(this.#timer);
    await this.#release();
    fs.rmSync(this.paths.dir, { recursive: true, force: true });
    this.#options.onRemoved();
  }

  async #release(): Promise<void> {
    if (this.#released) return;
    await releasePod(this.#tools, this.paths, this.#options.uid);
    this.#released = true;
  }

  async #ensureSandbox(pod: Pod, record: PodRecord): Promise<void> {
    try {
      // Runs of an earlier boot are over; #observe noted that, and from now on the record is of this boot.
      this.#record = await ensureSandbox(this.#tools, pod, this.paths, {
        ...record,
        bootId: this.#tools.bootId,
      });
      this.#hasSandbox = true;
    } catch (error) {
      const message = `Failed to create pod sandbox: ${(error as Error).message}`;
      this.#tools.events.record(pod, { type: 'Warning', reason: 'FailedCreatePodSandBox', message });
      throw error;
    }
  }

  /** Notes which runs have ended, and takes away what they used. */
  async #observe(record: PodRecord): Promise<void> {
    for (const run of Object.values(record.containers).filter(isRunning)) {
      const termination = observeEnd(this.#tools, this.paths, record, run);
      if (termination === undefined) continue;
      this.#log.info({ container: run.name, exitCode: termination.exitCode }, 'container ended');
      this.#noteRun({ ...run, ready: false, termination });
      this.#deadlines.delete(run.name);
      this.#unhealthy.delete(run.name);
      await removeRun(this.#tools, this.paths, record.uid, run);
    }
  }

  async #carryOut(pod: Pod, ending: Ending | undefined): Promise<void> {
    const plan = planPod({
      pod,
      containers: this.#record?.containers ?? {},
      now: Date.now(),
      ending,
      unhealthy: this.#unhealthy,
      deadlines: this.#deadlines,
      failures: this.#failures,
    });
    this.#tellBackOff(pod, plan.waiting);
    this.#waiting = plan.waiting;
    if (plan.steps.length > 0) {
      await Promise.all(plan.steps.map((step) => this.#take(pod, step)));
      this.wake();
    }
    this.#lookAgainAt(plan.lookAgainAt);
  }

  #lookAgainAt(at: number): void {
    clearTimeout(this.#timer);
    if (at === Infinity) return;
    this.#timer = setTimeout(() => this.wake(), Math.max(0, at - Date.now()) + 1);
  }

  async #take(pod: Pod, step: Step): Promise<void> {
    switch (step.type) {
      case 'start':
        await this.#start(pod, step.container, step.attempt);
        break;
      case 'stop':
        this.#deadlines.set(step.container, Date.now() + step.graceMs);
        this.#tell(pod, step.container, 'Normal', 'Killing', `${step.why} ${step.container}`);
        this.#signal(step.container, step.graceMs === 0 ? 'SIGKILL' : 'SIGTERM');
        break;
      case 'kill':
        this.#deadlines.set(step.container, Date.now() + killRetryMs);
        this.#signal(step.container, 'SIGKILL');
    }
  }

  #signal(name: string, signal: NodeJS.Signals): void {
    const process = this.#record?.containers[name]?.process;
    if (process) this.#tools.runtime.kill(process, signal);
  }

  async #start(pod: Pod, container: Container, attempt: number): Promise<void> {
    const { name } = container;
    const record = this.#record;
    if (record === undefined) return;
    try {
      this.#noteRun(await startContainer(this.#tools, this.paths, { pod, record, container, attempt }));
      this.#failures.delete(name);
    } catch (error) {
      this.#log.warn({ err: error, container: name }, 'container not started');
      const failure = describeStartFailure(container, error, this.#failures.get(name));
      this.#failures.set(name, { ...failure, retryAt: Date.now() + failure.retryMs });
      this.#tell(pod, name, 'Warning', failure.event.reason, failure.event.message);
    }
  }

  #noteRun(run: ContainerRecord): void {
    if (this.#record === undefined) return;
    this.#record = { ...this.#record, containers: { ...this.#record.containers, [run.name]: run } };
    writeRecord(this.paths.record, this.#record);
  }

  #noteProbe(name: string, result: { ready?: boolean; started?: boolean }): void {
    const run = this.#record?.containers[name];
    if (run === undefined || !isRunning(run)) return;
    const noted = { ...run, ...result };
    if (noted.ready === run.ready && noted.started === run.started) return;
    this.#noteRun(noted);
    this.#reporter.request();
  }

  container(name: string): Container | undefined {
    return this.#pod?.spec.containers.find((container) => container.name === name);
  }

  #tellBackOff(pod: Pod, waiting: ReadonlyMap<string, Waiting>): void {
    for (const [name, { reason }] of waiting) {
      if (reason !== 'CrashLoopBackOff' || this.#waiting.get(name)?.reason === reason) continue;
      const message = `Back-off restarting failed container ${name} in pod ${pod.metadata.name}`;
      this.#tell(pod, name, 'Warning', 'BackOff', message);
    }
  }

  #tell(pod: Pod, container: string, type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.#tools.events.record(pod, { type, reason, message, fieldPath: `spec.containers{${container}}` });
  }

  #observation(): ReturnType<ConstructorParameters<typeof StatusReporter>[2]> {
    if (this.#pod === undefined || this.#record === undefined || this.#gone) return undefined;
    const waiting = this.#waiting;
    const isOver = this.#released && this.#pod.metadata.deletionTimestamp !== undefined;
    return { pod: this.#pod, record: this.#record, waiting, isOver };
  }
}
