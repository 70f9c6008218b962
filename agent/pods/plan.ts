import type { Container } from '../../api/kinds/container.ts';
import type { Pod } from '../../api/kinds/pod.ts';
import { isPodTerminal } from '../../api/kinds/pod-status.ts';
import { restartDelayMs } from './back-off.ts';
import type { ContainerRecord } from './record.ts';
import type { Waiting } from './status.ts';

/** One thing to do to a container. */
export type Step =
  | { readonly type: 'start'; readonly container: Container; readonly attempt: number }
  /** SIGTERM now, SIGKILL when the grace period is over. */
  | { readonly type: 'stop'; readonly container: string; readonly why: string; readonly graceMs: number }
  | { readonly type: 'kill'; readonly container: string };

export interface Plan {
  readonly steps: readonly Step[];
  /** Why containers that do not run do not, by name. */
  readonly waiting: ReadonlyMap<string, Waiting>;
  /** When to look again though nothing happened (epoch ms); Infinity: no need. */
  readonly lookAgainAt: number;
}

/** Why a whole pod must end, as its Events say it, and how long it may take. */
export interface Ending {
  readonly why: string;
  readonly graceMs: number;
}

export interface PlanInput {
  readonly pod: Pod;
  readonly containers: Readonly<Record<string, ContainerRecord>>;
  /** Epoch ms. */
  readonly now: number;
  /** Set when the whole pod must end. */
  readonly ending: Ending | undefined;
  /** Containers whose liveness or startup probe gave up, with what their Events say. */
  readonly unhealthy: ReadonlyMap<string, string>;
  /** Containers being stopped: when SIGKILL is due (epoch ms). */
  readonly deadlines: ReadonlyMap<string, number>;
  /** Containers that could not be started, and when to try again (epoch ms). */
  readonly failures: ReadonlyMap<string, { readonly waiting: Waiting; readonly retryAt: number }>;
}

/** What to do for a pod, given how its containers are. Doing it and planning again leads to nothing to do. */
export function planPod(input: PlanInput): Plan {
  const planner = new Planner(input);
  if (input.ending) planner.endAll(input.ending);
  else if (planner.initialize()) planner.runAll(input.pod.spec.containers);
  return planner;
}

class Planner implements Plan {
  readonly steps: Step[] = [];
  readonly waiting = new Map<string, Waiting>();
  lookAgainAt = Infinity;
  readonly #input: PlanInput;

  constructor(input: PlanInput) {
    this.#input = input;
  }

  endAll({ why, graceMs }: Ending): void {
    for (const record of Object.values(this.#input.containers)) {
      if (isRunning(record)) this.#end(record.name, why, graceMs);
    }
  }

  /** Runs init containers one after the other; whether they are through. */
  initialize(): boolean {
    const { pod, containers } = this.#input;
    const inits = pod.spec.initContainers ?? [];
    // Once an app container has run, the pod is initialized for good.
    if (pod.spec.containers.some(({ name }) => containers[name] !== undefined)) return true;
    const current = inits.find(({ name }) => containers[name]?.termination?.exitCode !== 0);
    if (current === undefined) return true;
    for (const { name } of inits.slice(inits.indexOf(current) + 1))
      this.#wait(name, { reason: 'PodInitializing' });
    for (const { name } of pod.spec.containers) this.#wait(name, { reason: 'PodInitializing' });
    const policy = pod.spec.restartPolicy === 'Never' ? 'Never' : 'OnFailure';
    this.#run(current, policy);
    return false;
  }

  runAll(containers: readonly Container[]): void {
    for (const container of containers) this.#run(container, this.#input.pod.spec.restartPolicy ?? 'Always');
  }

  #run(container: Container, policy: string): void {
    const { name } = container;
    const record = this.#input.containers[name];
    if (record && isRunning(record)) {
      const why = this.#input.unhealthy.get(name);
      if (why !== undefined) this.#end(name, why, this.#graceMs(container));
    } else if (record?.termination) {
      this.#restart(container, record, policy);
    } else {
      this.#start(container, record?.attempt ?? 0);
    }
  }

  #restart(container: Container, record: ContainerRecord, policy: string): void {
    const exitCode = record.termination?.exitCode ?? 0;
    if (policy === 'Never' || (policy === 'OnFailure' && exitCode === 0)) return;
    const finished = Date.parse(record.termination?.finishedAt ?? '');
    const ranMs =
      finished - Date.parse(record.termination?.startedAt ?? record.termination?.finishedAt ?? '');
    const dueAt = finished + restartDelayMs(record.backOffMs, ranMs);
    if (this.#input.now >= dueAt) {
      this.#start(container, record.attempt + 1);
      return;
    }
    const { name, namespace = '', uid = '' } = this.#input.pod.metadata;
    const subject = `container=${container.name} pod=${name}_${namespace}(${uid})`;
    const delay = renderSeconds(record.backOffMs / 1000);
    this.#wait(container.name, {
      reason: 'CrashLoopBackOff',
      message: `back-off ${delay} restarting failed ${subject}`,
    });
    this.#lookAgain(dueAt);
  }

  #start(container: Container, attempt: number): void {
    const failure = this.#input.failures.get(container.name);
    if (failure) this.#wait(container.name, failure.waiting);
    if (failure && this.#input.now < failure.retryAt) this.#lookAgain(failure.retryAt);
    else this.steps.push({ type: 'start', container, attempt });
  }

  #end(name: string, why: string, graceMs: number): void {
    const deadline = this.#input.deadlines.get(name);
    if (deadline === undefined) this.steps.push({ type: 'stop', container: name, why, graceMs });
    // A shorter grace period (a second, forced deletion) brings the end forward.
    else if (this.#input.now >= deadline || graceMs === 0) this.steps.push({ type: 'kill', container: name });
    else this.#lookAgain(deadline);
  }

  #graceMs(container: Container): number {
    const seconds =
      container.livenessProbe?.terminationGracePeriodSeconds ??
      this.#input.pod.spec.terminationGracePeriodSeconds ??
      30;
    return seconds * 1000;
  }

  #wait(name: string, waiting: Waiting): void {
    this.waiting.set(name, waiting);
  }

  #lookAgain(at: number): void {
    this.lookAgainAt = Math.min(this.lookAgainAt, at);
  }
}

/** Why the whole pod must end, if it must: it is deleted, or was over before. */
export function endingOf(pod: Pod): Ending | undefined {
  const { metadata, spec } = pod;
  if (metadata.deletionTimestamp === undefined && !isPodTerminal(pod)) return undefined;
  const granted = metadata.deletionTimestamp === undefined ? undefined : metadata.deletionGracePeriodSeconds;
  const seconds = granted ?? spec.terminationGracePeriodSeconds ?? 30;
  return { why: 'Stopping container', graceMs: seconds * 1000 };
}

/** Whether a run was started and has not ended, as far as we know. */
export function isRunning(record: ContainerRecord): boolean {
  return record.startedAt !== undefined && record.termination === undefined;
}

/** As Go writes durations: `10s`, `2m40s`, `5m0s`. */
function renderSeconds(seconds: number): string {
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}
