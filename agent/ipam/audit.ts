import type { Attachment } from '../network/attachment.ts';
import { podAlias } from '../network/marks.ts';
import type { ListedLease } from './lease-list.ts';

/** What is at the path of a lease's namespace. */
export type FoundNamespace =
  | 'nothing'
  | 'no namespace'
  /** Its interfaces, with the addresses of each. */
  | ReadonlyMap<string, readonly string[]>;

/** The node's end of an attachment's link. */
interface FoundLink {
  readonly name: string;
  readonly alias: string;
  readonly up: boolean;
}

/** A pod that the API says has addresses of its node's pod network. */
interface ApiPod {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly ips: readonly string[];
  /** On this node, not another. */
  readonly isHere: boolean;
}

export interface AuditFacts {
  readonly leases: readonly ListedLease[];
  /** By the lease's id. */
  readonly namespaces: ReadonlyMap<string, FoundNamespace>;
  readonly links: readonly FoundLink[];
  /** Undefined: the API did not say. */
  readonly api:
    | {
        /** The uids of all pods that it has on this node, with addresses or without. */
        readonly uids: ReadonlySet<string>;
        /** Of the whole cluster: nobody else may have an address of this node's. */
        readonly pods: readonly ApiPod[];
      }
    | undefined;
}

/** Something that is not as it should be, and what to do about it. */
export interface Difference {
  /** The lease, the link or the pod that it is about. */
  readonly about: string;
  readonly found: string;
  readonly remedy: string;
}

const restartAgent = 'systemctl restart weft@agent';

/** Compares a node's leases with its kernel and with the API. Empty: they are of one mind. */
export function audit(facts: AuditFacts): Difference[] {
  const current = facts.leases.filter(({ isStale }) => !isStale);
  return [
    ...facts.leases.filter(({ isStale }) => isStale).map(describeStale),
    ...current.flatMap((lease) => compareNamespace(lease, facts.namespaces.get(lease.id) ?? 'nothing')),
    ...current
      // With a namespace its link is gone, too.
      .filter(({ id }) => facts.namespaces.get(id) instanceof Map)
      .flatMap((lease) => compareLink(lease, facts.links)),
    ...findStrayLinks(current, facts.links),
    ...findShared(current.map((lease) => ({ who: nameOf(lease), ips: lease.ips }))),
    ...(facts.api ? compareApi(current, facts.api) : []),
  ];
}

function describeStale(lease: ListedLease): Difference {
  const found = `${nameOf(lease)} has ${lease.ips.join(', ')} from before the machine started last`;
  return { about: lease.id, found, remedy: 'start the agent, which drops it: systemctl start weft@agent' };
}

function compareNamespace(lease: ListedLease, found: FoundNamespace): Difference[] {
  const { id, ips, netns, ifname } = lease;
  const release = `weft ipam release ${id}`;
  const has = `${nameOf(lease)} has ${ips.join(', ')}, but`;
  if (found === 'nothing') return [{ about: id, found: `${has} there is no ${netns}`, remedy: release }];
  if (found === 'no namespace')
    return [{ about: id, found: `${has} ${netns} is no network namespace`, remedy: release }];
  const present = found.get(ifname);
  const remedy = remake(lease);
  if (!present) return [{ about: id, found: `${has} there is no ${ifname} in ${netns}`, remedy }];
  return ips
    .filter((address) => !present.includes(address))
    .map((address) => ({
      about: id,
      found: `${nameOf(lease)} has ${address}, but ${ifname} in ${netns} does not`,
      remedy,
    }));
}

function compareLink(lease: ListedLease, links: readonly FoundLink[]): Difference[] {
  const { id, hostLink } = lease;
  const link = links.find(({ alias }) => alias === podAlias(id));
  if (link?.up) return [];
  const state = link
    ? `${link.name}, the node's end of its link, is down`
    : `the node has no link ${hostLink}`;
  const remedy = link ? `ip link set ${link.name} up` : remake(lease);
  return [{ about: id, found: `${nameOf(lease)} has ${lease.ips.join(', ')}, but ${state}`, remedy }];
}

function findStrayLinks(leases: readonly ListedLease[], links: readonly FoundLink[]): Difference[] {
  const known = new Set(leases.map(({ id }) => podAlias(id)));
  return links
    .filter(({ alias }) => !known.has(alias))
    .map(({ name, alias }) => ({
      about: name,
      found: `link ${name} (${alias}) is there, but no lease for it`,
      remedy: `ip link delete ${name}`,
    }));
}

/** Addresses that several have. */
function findShared(
  owners: readonly { readonly who: string; readonly ips: readonly string[] }[],
): Difference[] {
  const byAddress = Map.groupBy(
    owners.flatMap(({ who, ips }) => ips.map((address) => ({ who, address }))),
    ({ address }) => address,
  );
  return [...byAddress]
    .filter(([, holders]) => holders.length > 1)
    .map(([address, holders]) => ({
      about: address,
      found: `${address} belongs to ${holders.map(({ who }) => who).join(' and to ')}`,
      remedy: 'delete all of them but one, and make those anew',
    }));
}

function compareApi(
  leases: readonly ListedLease[],
  { uids, pods }: NonNullable<AuditFacts['api']>,
): Difference[] {
  const gone = leases
    .filter(({ id, cni }) => cni === undefined && !uids.has(id))
    .map((lease) => ({
      about: lease.id,
      found: `${nameOf(lease)} has ${lease.ips.join(', ')}, but the API has no such pod on this node`,
      remedy: `${restartAgent}; if it stays: weft ipam release ${lease.id} --force`,
    }));
  const unleased = pods
    .filter(({ isHere }) => isHere)
    .flatMap(({ uid, namespace, name, ips }) =>
      ips.flatMap((address): Difference[] => {
        const owners = leases.filter((lease) => lease.ips.includes(address));
        const [owner] = owners;
        if (owners.some(({ id, pod }) => id === uid || pod?.uid === uid)) return [];
        const whose = owner ? `it is leased to ${nameOf(owner)}` : 'there is no lease of it';
        return [
          {
            about: `${namespace}/${name}`,
            found: `pod ${namespace}/${name} has ${address} in the API, but ${whose}`,
            remedy: `kubectl delete pod ${name} --namespace ${namespace}, and make it anew`,
          },
        ];
      }),
    );
  const shared = findShared(
    pods.map(({ namespace, name, ips }) => ({ who: `pod ${namespace}/${name}`, ips })),
  );
  return [...gone, ...unleased, ...shared];
}

/** How an attachment is made once more. */
function remake({ cni, pod }: Attachment): string {
  if (cni) return `remove container ${cni.containerId} by its runtime, which makes it anew`;
  return pod ? `kubectl delete pod ${pod.name} --namespace ${pod.namespace}, and make it anew` : restartAgent;
}

function nameOf({ id, pod }: Attachment): string {
  return pod ? `pod ${pod.namespace}/${pod.name} (${id})` : id;
}
