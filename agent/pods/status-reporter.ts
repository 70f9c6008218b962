import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import { isConflict, isNotFound } from '../../api/client/api-error.ts';
import { pods } from '../../api/client/resources.ts';
import type { PodStatus } from '../../api/kinds/pod-status.ts';
import type { Pod } from '../../api/kinds/pod.ts';
import { Runner } from '../runner.ts';
import { renderTime } from './events.ts';
import type { NodeTools } from './node-tools.ts';
import type { PodRecord } from './record.ts';
import { podStatus } from './status.ts';
import type { Waiting } from './status.ts';

/** What there is to report of a pod. */
interface Report {
  readonly pod: Pod;
  readonly record: PodRecord;
  readonly waiting: ReadonlyMap<string, Waiting>;
  /** The pod was deleted and nothing of it is left: the object may go, too. */
  readonly isOver: boolean;
}

/** Tells the API how one pod is; apart from the pod's own work, which goes on while the API is away. */
export class StatusReporter {
  readonly #tools: NodeTools;
  readonly #observe: () => Report | undefined;
  readonly #log: Logger;
  readonly #runner: Runner;
  /** The pod as the API answered our last report; the cache may be older. */
  #answer: Pod | undefined;

  constructor(tools: NodeTools, log: Logger, observe: () => Report | undefined) {
    this.#tools = tools;
    this.#observe = observe;
    this.#log = log;
    this.#runner = new Runner({
      run: () => this.#report(),
      minIntervalMs: 20,
      maxIntervalMs: 30_000,
      onError: (error, nextMs) => log.warn({ err: error, nextMs }, 'pod status not reported'),
    });
  }

  start(): void {
    this.#runner.start();
  }

  stop(): Promise<void> {
    return this.#runner.stop();
  }

  request(): void {
    this.#runner.request();
  }

  async #report(): Promise<void> {
    const report = this.#observe();
    if (report === undefined) return;
    try {
      await this.#patch(report);
      if (report.isOver) await this.#delete(report.pod);
    } catch (error) {
      // The object is gone, or another one has its name: the cache will say so.
      if (!isNotFound(error) && !isConflict(error)) throw error;
      this.#log.debug({ err: error }, 'pod is gone');
    }
  }

  async #patch({ pod: cached, record, waiting }: Report): Promise<void> {
    const pod = newer(cached, this.#answer);
    const hostIPs = this.#tools.context.config.nodeIPs;
    const status = podStatus(pod, { record, waiting, hostIPs }, renderTime(new Date()));
    if (covers(pod.status, status)) return;
    const { namespace, name, uid } = pod.metadata;
    // A merge patch takes lists as a whole; the uid makes it fail on another pod of the same name.
    const patch = { metadata: { uid }, status };
    this.#answer = await this.#tools.context.client.patchStatus(pods, { namespace, name }, patch, 'merge');
  }

  async #delete(pod: Pod): Promise<void> {
    const { namespace, name, uid = '' } = pod.metadata;
    const options = { gracePeriodSeconds: 0, preconditions: { uid } };
    await this.#tools.context.client.delete(pods, { namespace, name }, options);
  }
}

/** The one with the higher resourceVersion. */
function newer(cached: Pod, answer: Pod | undefined): Pod {
  const version = (pod: Pod): number => Number(pod.metadata.resourceVersion ?? 0);
  return answer && version(answer) > version(cached) ? answer : cached;
}

/** Whether the API has all of our status already; it may have more. */
function covers(known: PodStatus | undefined, status: PodStatus): boolean {
  return Object.entries(status).every(([key, value]) =>
    isDeepStrictEqual(known?.[key as keyof PodStatus], value),
  );
}
