import { StreamError } from '../streams/stream-error.ts';
import type { ContainerRef } from '../streams/pod-streams.ts';
import type { ContainerRecord } from './record.ts';
import type { Waiting } from './status.ts';

/** What is known of a container when somebody asks for its log. */
export interface ContainerSituation {
  /** Its newest run; undefined when there was none. */
  readonly run: ContainerRecord | undefined;
  /** Why it does not run (again) yet. */
  readonly waiting: Waiting | undefined;
}

/**
 * Which run's log is shown, by its attempt: the last one that ran, and with `previous` the one before that. While a
 * container waits to be started again, its last run is the previous one, too. Throws StreamError 400 in the kubelet's
 * words when there is none. Source: kubernetes pkg/kubelet/kubelet_pods.go validateContainerLogStatus.
 */
export function chooseRun(
  { pod, container }: ContainerRef,
  { run, waiting }: ContainerSituation,
  previous: boolean,
): number {
  if (previous) {
    const last = waiting ? run : run?.lastTermination;
    if (run && last) return waiting ? run.attempt : run.attempt - 1;
    throw new StreamError(400, `previous terminated container "${container}" in pod "${pod}" not found`);
  }
  if (run) return run.attempt;
  const why = explain(waiting?.reason ?? 'ContainerCreating');
  throw new StreamError(400, `container "${container}" in pod "${pod}" is waiting to start: ${why}`);
}

function explain(reason: string): string {
  switch (reason) {
    case 'ErrImagePull':
      return "image can't be pulled";
    case 'ImagePullBackOff':
      return 'trying and failing to pull image';
    default:
      return reason;
  }
}
