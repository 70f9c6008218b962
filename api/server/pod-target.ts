import { nodeKind } from '../kinds/node.ts';
import type { Node } from '../kinds/node.ts';
import { podKind } from '../kinds/pod.ts';
import type { Pod } from '../kinds/pod.ts';
import { validateLogOptions } from './log-options.ts';
import type { NodeTarget } from './node-proxy.ts';
import { decodeEntry } from './registry/codec.ts';
import { readEntry } from './registry/resource.ts';
import type { ObjectName } from './registry/resource.ts';
import type { Resources } from './registry/resources.ts';
import { badRequest, invalid, notFound, serviceUnavailable } from './status-error.ts';

/** Subresources of pods that their node's agent serves, with its names for them. */
const agentPaths: Readonly<Record<string, string>> = {
  exec: 'exec',
  attach: 'attach',
  portforward: 'portForward',
  log: 'containerLogs',
};

export function isStreamed(subresource: string | undefined): subresource is string {
  return subresource !== undefined && Object.hasOwn(agentPaths, subresource);
}

const defaultContainer = 'kubectl.kubernetes.io/default-container';

/**
 * Where a pod's exec, attach, portforward or log request is served; undefined for the log of a pod that no node has
 * yet, which is empty. Throws StatusError in kube-apiserver's words.
 */
export async function findPodTarget(
  resources: Resources,
  at: ObjectName,
  subresource: string,
  query: URLSearchParams,
): Promise<NodeTarget | undefined> {
  const mistakes = subresource === 'log' ? validateLogOptions(query) : [];
  if (mistakes.length > 0) throw invalid({ group: '', kind: 'PodLogOptions' }, at.name, mistakes);
  const pod = decodeEntry(podKind, await readEntry(resources.of(podKind), at));
  const nodeName = pod.spec.nodeName;
  if (!nodeName && subresource === 'log') return undefined;
  if (!nodeName) throw badRequest(`pod ${at.name} does not have a host assigned`);
  const node = decodeEntry(
    nodeKind,
    await readEntry(resources.of(nodeKind), { namespace: undefined, name: nodeName }),
  );
  // Ports belong to the whole pod.
  const container = subresource === 'portforward' ? [] : [chooseContainer(pod, query.get('container') ?? '')];
  const path = [agentPaths[subresource] ?? '', at.namespace ?? '', at.name, ...container].map(
    encodeURIComponent,
  );
  const search = query.toString();
  return {
    node: nodeName,
    ...agentAddress(node),
    path: `/${path.join('/')}${search === '' ? '' : `?${search}`}`,
  };
}

function chooseContainer(pod: Pod, wanted: string): string {
  const { name } = pod.metadata;
  const containers = pod.spec.containers.map((container) => container.name);
  const initContainers = (pod.spec.initContainers ?? []).map((container) => container.name);
  if (wanted !== '') {
    if (containers.includes(wanted) || initContainers.includes(wanted)) return wanted;
    throw badRequest(`container ${wanted} is not valid for pod ${name}`);
  }
  const [only] = containers;
  if (only !== undefined && containers.length === 1) return only;
  const annotated = pod.metadata.annotations?.[defaultContainer];
  if (annotated !== undefined && containers.includes(annotated)) return annotated;
  const init =
    initContainers.length > 0 ? ` or one of the init containers: [${initContainers.join(' ')}]` : '';
  throw badRequest(
    `a container name must be specified for pod ${name}, choose one of: [${containers.join(' ')}]${init}`,
  );
}

function agentAddress(node: Node): { address: string; port: number } {
  const { name } = node.metadata;
  const address = node.status?.addresses?.find(({ type }) => type === 'InternalIP')?.address;
  const port = node.status?.daemonEndpoints?.kubeletEndpoint?.Port;
  if (address === undefined || !port) {
    throw serviceUnavailable(
      `node ${name} has not said yet where its agent listens`,
      notFound(nodeKind, name),
    );
  }
  return { address, port };
}
