import type { Container } from '../../api/kinds/container.ts';
import type { Pod } from '../../api/kinds/pod.ts';
import { nextBackOffMs } from './back-off.ts';
import { createRun, findImage, removeOldLogs } from './container-runs.ts';
import type { PodEvent } from './events.ts';
import type { NodeTools } from './node-tools.ts';
import { containerId } from './paths.ts';
import type { PodPaths } from './paths.ts';
import { PodError } from './pod-error.ts';
import type { ContainerRecord, PodRecord, Termination } from './record.ts';

export interface StartRequest {
  readonly pod: Pod;
  readonly record: PodRecord;
  readonly container: Container;
  readonly attempt: number;
}

/**
 * Starts one run of a container and returns its record. A program that cannot be run counts as a run that failed:
 * the restart policy and its back-off apply. Throws PodError or ApiError for what may be mended without a restart.
 */
export async function startContainer(
  tools: NodeTools,
  paths: PodPaths,
  request: StartRequest,
): Promise<ContainerRecord> {
  const { pod, record, container, attempt } = request;
  const { name } = container;
  const tell = (type: PodEvent['type'], reason: string, message: string): void =>
    tools.events.record(pod, { type, reason, message, fieldPath: `spec.containers{${name}}` });
  const image = findImage(tools, container);
  const run = newRun(record, container, image.name, attempt);
  tell('Normal', 'Pulled', `Container image "${container.image ?? ''}" already present on machine`);
  try {
    const process = await createRun(tools, paths, { pod, record, container, image, run });
    tell('Normal', 'Created', `Created container ${name}`);
    await tools.runtime.start(run.id);
    tell('Normal', 'Started', `Started container ${name}`);
    removeOldLogs(paths, name, attempt);
    return { ...run, process, startedAt: new Date().toISOString() };
  } catch (error) {
    if (!(error instanceof PodError && error.code === 'RuntimeFailed')) throw error;
    tell('Warning', 'Failed', `Error: ${error.message}`);
    return { ...run, ready: false, started: false, termination: startError(run, error.message) };
  }
}

function newRun(
  { uid, containers }: PodRecord,
  container: Container,
  imageName: string,
  attempt: number,
): ContainerRecord {
  const { name, image = '', readinessProbe, startupProbe } = container;
  const previous = containers[name];
  const last = previous?.termination ?? previous?.lastTermination;
  return {
    name,
    id: containerId(uid, name, attempt),
    attempt,
    image,
    imageName,
    backOffMs: previous?.termination ? nextBackOffMs(previous.backOffMs, ranMs(previous.termination)) : 0,
    ready: !readinessProbe && !startupProbe,
    started: !startupProbe,
    ...(last ? { lastTermination: last } : {}),
  };
}

function ranMs({ startedAt, finishedAt }: Termination): number {
  return Date.parse(finishedAt) - Date.parse(startedAt ?? finishedAt);
}

function startError({ id }: ContainerRecord, message: string): Termination {
  return { id, exitCode: 128, reason: 'StartError', message, finishedAt: new Date().toISOString() };
}
