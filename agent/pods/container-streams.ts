import type { Readable } from 'node:stream';
import { StreamError } from '../streams/stream-error.ts';
import type {
  AttachRequest,
  ContainerProcess,
  ContainerRef,
  ExecRequest,
  LogOptions,
  PodRef,
  PodStreams,
} from '../streams/pod-streams.ts';
import type { DialPort } from '../streams/port-dialer.ts';
import { attachContainer } from './attach.ts';
import { execInContainer } from './exec.ts';
import { readLog } from './log-stream.ts';
import { containerPaths } from './paths.ts';
import { connectInPod } from './pod-connection.ts';
import type { PodActor } from './pod-actor.ts';
import { isRunning } from './plan.ts';
import type { ContainerRecord } from './record.ts';
import type { Runtime } from './runtime.ts';

export interface ContainerStreamsOptions {
  readonly findPod: (namespace: string, name: string) => PodActor | undefined;
  readonly runtime: () => Runtime | undefined;
}

/** exec, attach, logs and port-forward of this node's containers. */
export class ContainerStreams implements PodStreams {
  readonly #options: ContainerStreamsOptions;

  constructor(options: ContainerStreamsOptions) {
    this.#options = options;
  }

  exec(request: ExecRequest): Promise<ContainerProcess> {
    const { run } = this.#findRunning(request);
    const runtime = this.#options.runtime();
    if (runtime === undefined) throw new StreamError(503, 'pods are not looked after yet');
    return Promise.resolve(execInContainer(runtime, run.id, request));
  }

  attach(request: AttachRequest): Promise<ContainerProcess> {
    const { actor, run } = this.#findRunning(request);
    const { log } = containerPaths(actor.paths, run.name, run.attempt);
    const process = attachContainer({
      request,
      log,
      pid: run.process?.pid ?? 0,
      isRunning: () => isCurrent(actor, run),
      exitCode: () => actor.record?.containers[run.name]?.termination?.exitCode ?? 0,
    });
    return Promise.resolve(process);
  }

  logs(ref: ContainerRef, options: LogOptions): Promise<Readable> {
    const { actor, run } = this.#find(ref);
    const attempt = options.previous ? run.attempt - 1 : run.attempt;
    if (attempt < 0) {
      const message = `previous terminated container "${ref.container}" in pod "${ref.pod}" not found`;
      throw new StreamError(400, message);
    }
    const { log } = containerPaths(actor.paths, run.name, attempt);
    return Promise.resolve(readLog(log, options, () => attempt === run.attempt && isCurrent(actor, run)));
  }

  ports(pod: PodRef): Promise<DialPort> {
    const actor = this.#findPod(pod.namespace, pod.pod);
    const isUp = Object.values(actor.record?.containers ?? {}).some(isRunning);
    if (!isUp) throw new StreamError(400, `pod "${pod.pod}" is not running`);
    // The actor is this very pod: one of the same name that comes later is another.
    return Promise.resolve((port) => connectInPod(actor.record?.netns, port));
  }

  #findPod(namespace: string, pod: string): PodActor {
    const actor = this.#options.findPod(namespace, pod);
    if (actor) return actor;
    throw new StreamError(404, `pod "${pod}" of namespace "${namespace}" is not on this node`);
  }

  #find({ namespace, pod, container }: ContainerRef): { actor: PodActor; run: ContainerRecord } {
    const actor = this.#findPod(namespace, pod);
    const run = actor.record?.containers[container];
    if (run) return { actor, run };
    const message = `container "${container}" in pod "${pod}" is waiting to start: ContainerCreating`;
    throw new StreamError(400, message);
  }

  #findRunning(ref: ContainerRef): { actor: PodActor; run: ContainerRecord } {
    const found = this.#find(ref);
    if (isRunning(found.run)) return found;
    throw new StreamError(400, `container "${ref.container}" in pod "${ref.pod}" is not running`);
  }
}

/** Whether this very run still goes on. */
function isCurrent(actor: PodActor, run: ContainerRecord): boolean {
  const now = actor.record?.containers[run.name];
  return now !== undefined && now.id === run.id && isRunning(now);
}
