import { podKind } from '../../kinds/pod.ts';
import type { Pod } from '../../kinds/pod.ts';
import type { Status } from '../../kinds/meta.ts';
import { readObject } from '../http/body.ts';
import { sendJson } from '../http/exchange.ts';
import { timestamp } from '../registry/create.ts';
import type { Resource } from '../registry/resource.ts';
import { updateObject } from '../registry/update.ts';
import { badRequest, conflict } from '../status-error.ts';
import { isDryRun, objectName } from './call.ts';
import type { ResourceCall } from './call.ts';
import { Binding } from './pod-requests.ts';

const scheduled = { type: 'PodScheduled', status: 'True' };

/** POST of a Binding: puts a pod on a node, once. */
export async function bindVerb(call: ResourceCall): Promise<void> {
  const { exchange, resource } = call;
  const dryRun = isDryRun(exchange.url.searchParams);
  const node = readTarget(await readObject(exchange.request, Binding));
  // The route leads here for pods only.
  const pods = resource as unknown as Resource<Pod>;
  await updateObject(pods, objectName(call), (pod) => bind(pod, node), 'server', { dryRun });
  const status: Status = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 };
  await sendJson(exchange, 201, status);
}

function bind(pod: Pod, node: string): Pod {
  const { name, deletionTimestamp } = pod.metadata;
  const resource = { ...podKind, plural: 'pods/binding' };
  if (deletionTimestamp !== undefined) {
    throw conflict(resource, name, `pod ${name} is being deleted, cannot be assigned to a host`);
  }
  if (pod.spec.nodeName) {
    throw conflict(resource, name, `pod ${name} is already assigned to node "${pod.spec.nodeName}"`);
  }
  pod.spec.nodeName = node;
  const others = (pod.status?.conditions ?? []).filter((condition) => condition.type !== scheduled.type);
  const condition = { ...scheduled, lastTransitionTime: timestamp(Date.now()) };
  pod.status = { ...pod.status, conditions: [...others, condition] };
  return pod;
}

function readTarget(value: unknown): string {
  const { target } = (value ?? {}) as { target?: { kind?: unknown; name?: unknown } | null };
  const kind = target?.kind;
  if (kind !== undefined && kind !== '' && kind !== 'Node') {
    throw badRequest('target.kind: Unsupported value: supported values: "Node", "<empty>"');
  }
  if (typeof target?.name !== 'string' || target.name === '') throw badRequest('target.name: Required value');
  return target.name;
}
