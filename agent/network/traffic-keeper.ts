import { decodeIngressFilter, listIngressFilters, RTM_DELTFILTER } from '../../netns/ingress-filter.ts';
import { isErrno } from '../../netns/kernel-error.ts';
import type { KernelError } from '../../netns/kernel-error.ts';
import type { Request } from '../../netns/message.ts';
import type { NetlinkSocket } from '../../netns/netlink.ts';
import { decodeQdisc, listQdiscs, RTM_DELQDISC, RTM_NEWQDISC } from '../../netns/traffic-control.ts';
import { diffTraffic, planTraffic } from './link-traffic.ts';
import type { LinkEnds, LinkTraffic, SeenTraffic, TrafficRequest } from './link-traffic.ts';
import { NetworkError } from './network-error.ts';
import type { AttachedPod } from './view.ts';

/** A pod's link, and what it is for. */
export interface PodEnds {
  readonly ends: LinkEnds;
  readonly pod: AttachedPod;
}

interface Kept {
  /** What the traffic was planned for: as long as it is the same nothing has to be planned. */
  readonly purpose: string;
  readonly ends: LinkEnds;
  readonly traffic: LinkTraffic;
}

/** Everything is looked at so often, for notices that were never sent. */
const verifyMs = 30_000;
const nothing: SeenTraffic = { qdiscs: [], filters: [] };

/**
 * Keeps guard and limits at pods' links. To ask the kernel costs a dump for each link: only those are asked for that it
 * told something of, and all of them now and then.
 */
export class TrafficKeeper {
  /** By the ifindexes of both ends. */
  readonly #kept = new Map<number, Kept>();
  #verifiedMs = -Infinity;
  #unguarded: string | undefined;

  /** Why pods have no guard, in a sentence; undefined: they have. */
  get unguarded(): string | undefined {
    return this.#unguarded;
  }

  /**
   * Makes one link's traffic as it shall be, and then what is asked for besides.
   * @throws NetworkError `kernel` when it cannot limit; KernelError
   */
  make(
    socket: NetlinkSocket,
    { ends, pod, isNew }: PodEnds & { readonly isNew: boolean },
    mtu: number,
    then: readonly Request[],
  ): void {
    const traffic = planTraffic(pod, mtu);
    const seen = isNew ? nothing : see(socket, [ends]);
    this.#attempt(socket, diffTraffic(traffic, ends, seen), then);
    this.#keep({ purpose: purposeOf(pod, mtu), ends, traffic });
  }

  /** Makes the traffic of all of these links as it shall be, and forgets others. @throws like {@link make} */
  ensure(socket: NetlinkSocket, pods: readonly PodEnds[], mtu: number): void {
    const known = new Map(this.#kept);
    this.#kept.clear();
    const isDue = performance.now() - this.#verifiedMs >= verifyMs;
    const doubtful: Kept[] = [];
    for (const { ends, pod } of pods) {
      const purpose = purposeOf(pod, mtu);
      const kept = known.get(ends.link);
      const isSame = kept?.purpose === purpose && kept.ends.limiter === ends.limiter;
      if (isSame && !isDue) this.#keep(kept);
      else doubtful.push({ purpose, ends, traffic: isSame ? kept.traffic : planTraffic(pod, mtu) });
    }
    if (doubtful.length > 0) {
      const seen = see(
        socket,
        doubtful.map(({ ends }) => ends),
      );
      const requests = doubtful.flatMap(({ traffic, ends }) => diffTraffic(traffic, ends, seen));
      this.#attempt(socket, requests);
    }
    for (const each of doubtful) this.#keep(each);
    if (isDue) this.#verifiedMs = performance.now();
  }

  /**
   * Whether a notification of a qdisc or a filter tells that a link's traffic may not be as it shall be; the next
   * {@link ensure} looks.
   */
  isDisturbed(type: number, payload: Buffer): boolean {
    const kept = this.#kept.get(payload.readInt32LE(4));
    if (!kept || isAsPlanned(kept, type, payload)) return false;
    for (const ifindex of [kept.ends.link, kept.ends.limiter]) this.#kept.delete(ifindex);
    return true;
  }

  /** What of a link's traffic is not as it shall be, a sentence each. */
  check(socket: NetlinkSocket, { ends, pod }: PodEnds, mtu: number): string[] {
    const missing = diffTraffic(planTraffic(pod, mtu), ends, see(socket, [ends]));
    const purposes = new Set(missing.map(({ purpose }) => purpose));
    // What this kernel cannot do no repair brings: health says it once for all.
    const isOpen = purposes.has('guard') && this.#unguarded === undefined;
    return [
      ...(isOpen ? ['lets other source addresses than the pod’s pass'] : []),
      ...(purposes.has('limit') ? ['limits bandwidth otherwise than it shall'] : []),
    ];
  }

  /** Looks at everything the next time: notices were lost. */
  doubt(): void {
    this.#verifiedMs = -Infinity;
  }

  #keep(kept: Kept): void {
    const { link, limiter } = kept.ends;
    this.#kept.set(link, kept);
    if (limiter !== 0) this.#kept.set(limiter, kept);
  }

  #attempt(socket: NetlinkSocket, requests: readonly TrafficRequest[], then: readonly Request[] = []): void {
    const errors = socket.attempt([...requests.map(({ request }) => request), ...then]);
    const guards = requests.some(({ purpose }) => purpose === 'guard');
    if (guards) this.#unguarded = undefined;
    for (const [i, { purpose }] of requests.entries()) {
      const error = errors[i];
      // A link may be gone by now.
      if (!error || isErrno(error, 'ENODEV')) continue;
      const isLacking = this.#unguarded !== undefined || isErrno(error, 'ENOENT', 'EOPNOTSUPP');
      if (!isLacking) throw error;
      if (purpose === 'limit') throw cannotLimit(error);
      this.#unguarded ??= describeLack(error);
    }
    const error = errors.slice(requests.length).find((each) => each !== undefined);
    if (error) throw error;
  }
}

/** Whether what came is just what is wanted, as after requests of ours. */
function isAsPlanned({ traffic, ends }: Kept, type: number, payload: Buffer): boolean {
  // What the kernel gives a link by itself makes room for what is wanted.
  if (type === RTM_DELQDISC) return decodeQdisc(payload).isDefault;
  if (type === RTM_DELTFILTER) return false;
  const seen =
    type === RTM_NEWQDISC
      ? { qdiscs: [decodeQdisc(payload)], filters: [] }
      : { qdiscs: [], filters: [decodeIngressFilter(payload)] };
  const missing = (what: SeenTraffic): number => diffTraffic(traffic, ends, what).length;
  // Something that is wanted leaves less to ask for; something else leaves as much, or more.
  return missing(seen) < missing(nothing);
}

function see(socket: NetlinkSocket, ends: readonly LinkEnds[]): SeenTraffic {
  const qdiscs = listQdiscs(socket);
  const points = new Set(qdiscs.filter(({ kind }) => kind === 'clsact').map(({ ifindex }) => ifindex));
  const guarded = ends.filter(({ link }) => points.has(link));
  return { qdiscs, filters: guarded.flatMap(({ link }) => listIngressFilters(socket, link)) };
}

function purposeOf({ mac, ips, bandwidth }: AttachedPod, mtu: number): string {
  return JSON.stringify([mac, ips, bandwidth, mtu]);
}

/** A kernel that lacks a module has never heard of what it brings. */
function describeLack({ syscall, message }: KernelError): string {
  const modules = syscall === 'RTM_NEWQDISC' ? 'sch_ingress' : 'cls_bpf';
  return `pods can send with the addresses of others, as this kernel lacks ${modules} (${message}): modprobe sch_ingress cls_bpf, or install the package of the kernel’s other modules`;
}

function cannotLimit(cause: KernelError): NetworkError {
  const message = `cannot limit bandwidth: ${cause.message}; the kernel needs sch_tbf, ifb, act_mirred, sch_ingress and cls_bpf`;
  return new NetworkError('kernel', message, { cause });
}
