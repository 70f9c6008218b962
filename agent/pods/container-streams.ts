import type { Readable } from 'node:stream';
import { StreamError } from '../streams/stream-error.ts';
import type {
  AttachRequest,
  ContainerProcess,
  ContainerRef,
  DialPort,
  ExecRequest,
  LogOptions,
  PodRef,
  PodStreams,
} from '../streams/pod-streams.ts';
import { attachContainer } from './attach.ts';
import { execInContainer } from './exec.ts';
import { chooseRun } from './log-choice.ts';
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
    return Promise.resolve(execInContainer(this.#runtime(), run.id, request));
  }

  attach(request: AttachRequest): Promise<ContainerProcess> {
    const { actor, run } = this.#findRunning(request);
    const { log, pidFile } = containerPaths(actor.paths, run.name, run.attempt);
    const hasStdin = actor.container(run.name)?.stdin ?? false;
    const process = attachContainer({
      request,
      log,
      pidFile,
      socket: hasStdin ? this.#runtime().attachSocket(run.id) : undefined,
      isRunning: () => isCurrent(actor, run),
    });
    return Promise.resolve(process);
  }

  logs(ref: ContainerRef, options: LogOptions): Promise<Readable> {
    const actor = this.#findPod(ref.namespace, ref.pod);
    const run = actor.record?.containers[ref.container];
    const waiting = actor.waiting.get(ref.container);
    const attempt = chooseRun(ref, { run, waiting }, options.previous);
    const { log } = containerPaths(actor.paths, ref.container, attempt);
    const goesOn = (): boolean => run !== undefined && attempt === run.attempt && isCurrent(actor, run);
    return Promise.resolve(readLog(log, options, goesOn));
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

  #findRunning(ref: ContainerRef): { actor: PodActor; run: ContainerRecord } {
    const actor = this.#findPod(ref.namespace, ref.pod);
    const run = actor.record?.containers[ref.container];
    if (run && isRunning(run)) return { actor, run };
    throw new StreamError(400, `container "${ref.container}" in pod "${ref.pod}" is not running`);
  }

  #runtime(): Runtime {
    const runtime = this.#options.runtime();
    if (runtime) return runtime;
    throw new StreamError(503, 'pods are not looked after yet');
  }
}

/** Whether this very run still goes on. */
function isCurrent(actor: PodActor, run: ContainerRecord): boolean {
  const now = actor.record?.containers[run.name];
  return !actor.isReleased && now !== undefined && now.id === run.id && isRunning(now);
}
