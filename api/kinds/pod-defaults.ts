import type { Container, ContainerPort } from './container.ts';
import type { PodSpec } from './pod-spec.ts';
import { parseQuantity } from './quantity.ts';

/** Defaults of pods and of pod templates that depend on other fields. */
export function applyPodSpecDefaults(spec: PodSpec): void {
  spec.securityContext ??= {};
  const account = spec.serviceAccountName || spec.serviceAccount;
  if (account) {
    spec.serviceAccountName = account;
    spec.serviceAccount = account;
  }
  for (const volume of spec.volumes ?? []) {
    if (Object.keys(volume).length === 1) volume.emptyDir = {};
  }
  for (const container of [...spec.containers, ...(spec.initContainers ?? [])]) {
    applyContainerDefaults(container, spec.hostNetwork === true);
  }
}

function applyContainerDefaults(container: Container, hostNetwork: boolean): void {
  container.resources ??= {};
  if (!container.imagePullPolicy) container.imagePullPolicy = pullPolicyOf(container.image ?? '');
  if (hostNetwork) for (const port of container.ports ?? []) exposeOnHost(port);
}

/** In the host's network a container port is a host port. */
function exposeOnHost(port: ContainerPort): void {
  port.hostPort ??= port.containerPort;
}

/** `Always` for an image that may change under its name: no tag, or `latest`. */
function pullPolicyOf(image: string): 'Always' | 'IfNotPresent' {
  if (image.includes('@')) return 'IfNotPresent';
  const tag = /:([^/:]+)$/.exec(image)?.[1] ?? 'latest';
  return tag === 'latest' ? 'Always' : 'IfNotPresent';
}

/** Only in pods themselves: a limit without a request is also the request. */
export function applyRequestDefaults(spec: PodSpec): void {
  for (const container of [...spec.containers, ...(spec.initContainers ?? [])]) {
    const limits = container.resources?.limits;
    if (limits)
      container.resources = {
        ...container.resources,
        requests: { ...limits, ...container.resources?.requests },
      };
  }
}

/** Guaranteed, Burstable or BestEffort, from cpu and memory alone. */
export function qosClassOf(spec: PodSpec): 'Guaranteed' | 'Burstable' | 'BestEffort' {
  const containers = [...spec.containers, ...(spec.initContainers ?? [])];
  let any = false;
  let guaranteed = true;
  for (const { resources } of containers) {
    for (const name of ['cpu', 'memory']) {
      const limit = amount(resources?.limits?.[name]);
      const request = amount(resources?.requests?.[name]);
      if (limit > 0 || request > 0) any = true;
      if (limit === 0 || (request !== 0 && request !== limit)) guaranteed = false;
    }
  }
  if (!any) return 'BestEffort';
  return guaranteed ? 'Guaranteed' : 'Burstable';
}

function amount(text: string | undefined): number {
  return text === undefined ? 0 : (parseQuantity(text) ?? 0);
}
