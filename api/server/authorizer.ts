import { addressOfLease, announcementNamespace, announcerLeaseName } from '../announcement.ts';
import type { Lease } from '../kinds/lease.ts';
import { podKind } from '../kinds/pod.ts';
import type { Pod } from '../kinds/pod.ts';
import { parseFieldSelector } from '../kinds/selector.ts';
import { masters, nodeOf } from './authentication.ts';
import type { User } from './authentication.ts';
import { discoveryPaths, openPaths } from './rights.ts';
import { forbidden, StatusError } from './status-error.ts';

/** What a request wants, as Kubernetes' authorization sees it. */
export interface Attributes {
  readonly verb: string;
  readonly group: string;
  readonly plural: string;
  readonly subresource: string | undefined;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
  readonly fieldSelector: string;
}

/** What the authorizer must know of the pods. */
export interface PodView {
  get(namespace: string, name: string): Promise<Pod | undefined>;
  /** Pods of one namespace that are bound to a node. */
  onNode(namespace: string, node: string): Promise<readonly Pod[]>;
}

/**
 * Administrators (system:masters) may do everything. A node may read what it needs to carry traffic, and touch only
 * itself, its leases, its pods and what those pods mount. All others may only ask what they may do.
 */
export class Authorizer {
  readonly #pods: PodView;

  constructor(pods: PodView) {
    this.#pods = pods;
  }

  async allows(user: User, attributes: Attributes): Promise<boolean> {
    if (user.groups.includes(masters)) return true;
    if (user.groups.includes('system:authenticated') && asksOfSelf(attributes)) return true;
    const node = nodeOf(user);
    return node !== undefined && (await this.#allowsNode(node, attributes));
  }

  /** Paths that are no resources: who we are and whether we live is nobody's secret. */
  allowsPath(user: User, path: string): boolean {
    if (user.groups.includes(masters)) return true;
    if (isBelow(path, openPaths)) return true;
    return user.groups.includes('system:authenticated') && isBelow(path, discoveryPaths);
  }

  async #allowsNode(node: string, attributes: Attributes): Promise<boolean> {
    const { group, plural, verb, name, subresource } = attributes;
    const isRead = verb === 'get' || verb === 'list' || verb === 'watch';
    switch (group === '' ? plural : `${plural}.${group}`) {
      case 'services':
      case 'endpoints':
      case 'namespaces':
      case 'endpointslices.discovery.k8s.io':
        return isRead && subresource === undefined;
      case 'nodes':
        return isRead || verb === 'create' || (name === node && (verb === 'update' || verb === 'patch'));
      case 'leases.coordination.k8s.io':
        return allowsLease(node, attributes);
      case 'events':
      case 'events.events.k8s.io':
        return verb === 'create' || verb === 'patch' || verb === 'update';
      case 'pods':
        return this.#allowsPod(node, attributes);
      case 'configmaps':
      case 'secrets':
        return isRead && (await this.#isMounted(node, attributes));
      default:
        return false;
    }
  }

  async #allowsPod(node: string, attributes: Attributes): Promise<boolean> {
    const { verb, subresource, namespace, name } = attributes;
    // Of other nodes' pods it is shown where they are, and nothing else (seesAddressesOnly).
    if ((verb === 'list' || verb === 'watch') && name === undefined) return true;
    if (namespace === undefined || name === undefined) return false;
    const isStatus = subresource === 'status' && (verb === 'get' || verb === 'update' || verb === 'patch');
    const isWhole = subresource === undefined && (verb === 'get' || verb === 'delete');
    if (!isStatus && !isWhole) return false;
    const pod = await this.#pods.get(namespace, name);
    // A pod that is gone is answered 404, as the agent must learn.
    return pod === undefined || pod.spec.nodeName === node;
  }

  /** Secrets and ConfigMaps that a pod of this node uses, and the cluster's own settings, each by its name. */
  async #isMounted(node: string, attributes: Attributes): Promise<boolean> {
    const { plural, namespace, fieldSelector } = attributes;
    const name = attributes.name ?? parseFieldSelector(fieldSelector).exactly('metadata.name');
    if (namespace === undefined || name === undefined) return false;
    if (plural === 'configmaps' && namespace === 'kube-system' && name === 'weft-cluster') return true;
    const pods = await this.#pods.onNode(namespace, node);
    const references = plural === 'secrets' ? secretsOf : configMapsOf;
    return pods.some((pod) => references(pod).includes(name));
  }
}

/** Whether these pods are shown to this user without what they run: a node reads others than its own, for their names. */
export function seesAddressesOnly(user: User, plural: string, fieldSelector: string): boolean {
  const node = nodeOf(user);
  if (plural !== podKind.plural || node === undefined || user.groups.includes(masters)) return false;
  return parseFieldSelector(fieldSelector).exactly('spec.nodeName') !== node;
}

/** Its own heartbeats, and who announces which load balancer address: that it reads all of, and may take over. */
function allowsLease(node: string, { verb, namespace, name }: Attributes): boolean {
  const isAnnouncement = namespace === announcementNamespace;
  if (!isAnnouncement && namespace !== 'kube-node-lease') return false;
  // A create has no name in its path: admitNode looks at the object.
  if (verb === 'create') return true;
  if (isAnnouncement && (verb === 'get' || verb === 'list' || verb === 'watch')) return true;
  return name !== undefined && verb !== 'deletecollection' && isLeaseFor(node, namespace, name);
}

function isLeaseFor(node: string, namespace: string | undefined, name: string): boolean {
  if (namespace !== announcementNamespace) return name === node;
  return name === announcerLeaseName(node) || addressOfLease(name) !== undefined;
}

/** Questions about oneself, which are created. */
function asksOfSelf({ group, plural, verb }: Attributes): boolean {
  const isQuestion = group === 'authorization.k8s.io' || group === 'authentication.k8s.io';
  return isQuestion && verb === 'create' && plural.startsWith('selfsubject');
}

function isBelow(path: string, tops: readonly string[]): boolean {
  return tops.some((top) => path === top || path.startsWith(`${top}/`));
}

/** Refuses objects that a node may not write although it may write to their collection. */
export function admitNode(user: User, attributes: Attributes, object: unknown): void {
  const node = nodeOf(user);
  if (node === undefined || user.groups.includes(masters)) return;
  const { name } = (object as { metadata: { name: string } }).metadata;
  if (attributes.plural === 'leases') {
    // A node speaks for itself: it takes an address over or gives it away, but never names another.
    const holder = (object as Lease).spec?.holderIdentity ?? '';
    const speaksForItself = holder === node || holder === '';
    if (speaksForItself && isLeaseFor(node, attributes.namespace, name)) return;
  } else if (attributes.plural !== 'nodes' || name === node) {
    return;
  }
  throw forbidden(attributes, name, `node "${node}" is not allowed to write this object`);
}

/** The refusal in kube-apiserver's words. */
export function refusal(user: User, attributes: Attributes): StatusError {
  const { verb, group, plural, subresource, namespace, name } = attributes;
  const resource = subresource === undefined ? plural : `${plural}/${subresource}`;
  const scope = namespace === undefined ? 'at the cluster scope' : `in the namespace "${namespace}"`;
  const why = `User "${user.name}" cannot ${verb} resource "${resource}" in API group "${group}" ${scope}`;
  return forbidden({ group, plural }, name ?? '', why);
}

export function pathRefusal(user: User, verb: string, path: string): StatusError {
  const message = `forbidden: User "${user.name}" cannot ${verb} path "${path}"`;
  return new StatusError({ code: 403, reason: 'Forbidden', message, details: {} });
}

function secretsOf({ spec }: Pod): string[] {
  const containers = [...(spec.initContainers ?? []), ...spec.containers];
  return [
    ...(spec.volumes ?? []).flatMap((volume) => [
      volume.secret?.secretName,
      ...(volume.projected?.sources ?? []).map((source) => source.secret?.name),
    ]),
    ...containers.flatMap((container) => [
      ...(container.env ?? []).map((variable) => variable.valueFrom?.secretKeyRef?.name),
      ...(container.envFrom ?? []).map((source) => source.secretRef?.name),
    ]),
    ...(spec.imagePullSecrets ?? []).map((reference) => reference.name),
  ].filter((name) => name !== undefined);
}

function configMapsOf({ spec }: Pod): string[] {
  const containers = [...(spec.initContainers ?? []), ...spec.containers];
  return [
    ...(spec.volumes ?? []).flatMap((volume) => [
      volume.configMap?.name,
      ...(volume.projected?.sources ?? []).map((source) => source.configMap?.name),
    ]),
    ...containers.flatMap((container) => [
      ...(container.env ?? []).map((variable) => variable.valueFrom?.configMapKeyRef?.name),
      ...(container.envFrom ?? []).map((source) => source.configMapRef?.name),
    ]),
  ].filter((name) => name !== undefined);
}
