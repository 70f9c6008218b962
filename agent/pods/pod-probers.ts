import type { Container } from '../../api/kinds/container.ts';
import type { Pod } from '../../api/kinds/pod.ts';
import type { NodeTools } from './node-tools.ts';
import { isRunning } from './plan.ts';
import { attemptProbe } from './probe-attempt.ts';
import { Prober } from './prober.ts';
import type { ProbeKind } from './prober.ts';
import type { ContainerRecord, PodRecord } from './record.ts';

export interface ProbeListener {
  readonly onReadiness: (container: string, ready: boolean) => void;
  readonly onStartup: (container: string) => void;
  /** The container must be restarted; `why` is what its Event says. */
  readonly onUnhealthy: (container: string, why: string) => void;
}

/** Keeps one prober per running container of a pod. */
export class PodProbers {
  readonly #tools: NodeTools;
  readonly #listener: ProbeListener;
  /** By the run's id, so that a restarted container is probed afresh. */
  readonly #probers = new Map<string, Prober>();

  constructor(tools: NodeTools, listener: ProbeListener) {
    this.#tools = tools;
    this.#listener = listener;
  }

  /** Starts and stops probers so that exactly the running containers are probed. */
  sync(pod: Pod, record: PodRecord): void {
    const wanted = new Map<string, [Container, ContainerRecord]>();
    for (const container of pod.metadata.deletionTimestamp === undefined ? pod.spec.containers : []) {
      const run = record.containers[container.name];
      if (run && isRunning(run)) wanted.set(run.id, [container, run]);
    }
    for (const [id, prober] of this.#probers) {
      if (wanted.has(id)) continue;
      prober.stop();
      this.#probers.delete(id);
    }
    for (const [id, [container, run]] of wanted) {
      if (!this.#probers.has(id)) this.#begin(pod, record, container, run);
    }
  }

  stop(): void {
    for (const prober of this.#probers.values()) prober.stop();
    this.#probers.clear();
  }

  #begin(pod: Pod, record: PodRecord, container: Container, run: ContainerRecord): void {
    const { context, runtime, events } = this.#tools;
    const target = {
      container,
      // The node's addresses may change while the pod runs.
      get ip() {
        return (pod.spec.hostNetwork ? context.config.nodeIPs : record.ips)[0] ?? '';
      },
      execCommand: (command: readonly string[]) => runtime.execCommand(run.id, command),
    };
    const prober = new Prober({
      container,
      startedAt: Date.parse(run.startedAt ?? ''),
      started: run.started,
      attempt: (probe, timeoutMs) => attemptProbe(target, probe, timeoutMs),
      onVerdict: (kind, success) => this.#judge(container.name, kind, success),
      onFailure: (kind, output) => {
        const title = kind.slice(0, 1).toUpperCase() + kind.slice(1);
        events.record(pod, {
          type: 'Warning',
          reason: 'Unhealthy',
          message: `${title} probe failed: ${output}`,
          fieldPath: `spec.containers{${container.name}}`,
        });
      },
    });
    this.#probers.set(run.id, prober);
    prober.start();
  }

  #judge(name: string, kind: ProbeKind, success: boolean): void {
    if (kind === 'readiness') this.#listener.onReadiness(name, success);
    else if (kind === 'startup' && success) this.#listener.onStartup(name);
    else if (!success) this.#listener.onUnhealthy(name, `Restarting after a failed ${kind} probe: container`);
  }
}
