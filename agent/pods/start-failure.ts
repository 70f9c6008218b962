import type { Container } from '../../api/kinds/container.ts';
import { PodError } from './pod-error.ts';
import type { Waiting } from './status.ts';

/** A container that could not be started: what its status and its Event say, and when to try again. */
export interface StartFailure {
  readonly waiting: Waiting;
  readonly event: { readonly reason: string; readonly message: string };
  readonly retryMs: number;
}

const slowRetryMs = 10_000;
const fastRetryMs = 2_000;

/** In the kubelet's words, so that `kubectl get pods` and `kubectl describe` show what users know. */
export function describeStartFailure(
  container: Container,
  error: unknown,
  previous: StartFailure | undefined,
): StartFailure {
  const message = error instanceof Error ? error.message : String(error);
  if (!(error instanceof PodError)) {
    return {
      waiting: { reason: 'ContainerCreating', message },
      event: { reason: 'FailedMount', message },
      retryMs: fastRetryMs,
    };
  }
  switch (error.code) {
    case 'ImageNotFound':
      return describeMissingImage(container, message, previous);
    case 'InvalidVolume':
      return {
        waiting: { reason: 'ContainerCreating', message },
        event: { reason: 'FailedMount', message },
        retryMs: fastRetryMs,
      };
    case 'InvalidEnvironment':
    case 'UserNotFound':
      return describeFailure('CreateContainerConfigError', message);
    default:
      return describeFailure('CreateContainerError', message);
  }
}

function describeMissingImage(
  container: Container,
  message: string,
  previous: StartFailure | undefined,
): StartFailure {
  const failed = { reason: 'Failed', message: `Failed to pull image "${container.image ?? ''}": ${message}` };
  if (container.imagePullPolicy === 'Never') {
    return { waiting: { reason: 'ErrImageNeverPull', message }, event: failed, retryMs: slowRetryMs };
  }
  if (previous === undefined) {
    return { waiting: { reason: 'ErrImagePull', message }, event: failed, retryMs: fastRetryMs };
  }
  return {
    waiting: {
      reason: 'ImagePullBackOff',
      message: `Back-off pulling image "${container.image ?? ''}": ErrImagePull: ${message}`,
    },
    event: { reason: 'BackOff', message: `Back-off pulling image "${container.image ?? ''}"` },
    retryMs: slowRetryMs,
  };
}

function describeFailure(reason: string, message: string): StartFailure {
  return {
    waiting: { reason, message },
    event: { reason: 'Failed', message: `Error: ${message}` },
    retryMs: slowRetryMs,
  };
}
