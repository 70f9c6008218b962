import type { QueryLogConfig } from '../config/config.ts';
import type { DnsLimits } from '../config/config.ts';
import type { NamedService } from '../../dns/named-service.ts';
import type { ResolverOptions } from '../../dns/resolver.ts';
import type { Finish } from '../../dns/transport.ts';
import type { UpstreamPlan } from '../../dns/upstreams.ts';
import type { ZoneOptions } from '../../dns/zone.ts';
import type { Counts } from './gathered-metrics.ts';

/*
 * What the agent's main thread and its DNS workers say to each other. All of it is plain data, copied from one thread's
 * memory to the other's; messages arrive in the order in which they were posted.
 */

/** What a worker is born with. */
export interface WorkerSettings {
  readonly nodeName: string;
  readonly queryLog: QueryLogConfig | undefined;
  readonly zone: ZoneOptions;
  readonly cache: Pick<
    ResolverOptions,
    'maxCacheBytes' | 'minTtlSeconds' | 'maxTtlSeconds' | 'maxNegativeTtlSeconds' | 'maxStaleSeconds'
  >;
  readonly limits: DnsLimits;
  /** Addresses and ranges that may copy the cluster's zone. */
  readonly transferTo: readonly string[];
  /** The node's search domains, which come last in pods' search path, where that is walked for them. */
  readonly autopath: readonly string[] | undefined;
  /** One for all workers: a question that comes back to us may come back to another (dns/loop-probe.ts). */
  readonly loopToken: string;
}

/** One thing that changed, as it is now: to be told twice, or of what is known already, does no harm. */
export type NameChange =
  /** Undefined: there is none. */
  | { readonly kind: 'service'; readonly key: string; readonly service: NamedService | undefined }
  | { readonly kind: 'namespace'; readonly name: string; readonly exists: boolean }
  /** Addresses of 4 or 16 bytes, one character each; none: the pod is gone. */
  | { readonly kind: 'pod'; readonly key: string; readonly addresses: readonly string[] };

/** An address to serve on. The fds are the main thread's: they outlive a worker. */
export interface WorkerSockets {
  readonly host: string;
  readonly port: number;
  readonly udp: number;
  readonly tcp: number;
}

export type ToWorker =
  | { readonly type: 'changes'; readonly changes: readonly NameChange[] }
  /** All names there are have been told: from now on a missing one does not exist. */
  | { readonly type: 'synced' }
  /** The same of pods' addresses. */
  | { readonly type: 'podsSynced' }
  | { readonly type: 'upstreams'; readonly plan: UpstreamPlan }
  /** `pollFd` says when the UDP socket can be read (netns/poll-relay.ts). */
  | { readonly type: 'listen'; readonly sockets: WorkerSockets; readonly pollFd: number }
  /** To be answered with `counts`. */
  | { readonly type: 'gather' }
  /** To be answered with `alive`. */
  | { readonly type: 'check' }
  /** An address's sockets that nothing new reaches any more: the worker answers what waits in them and closes them. */
  | { readonly type: 'retire'; readonly sockets: WorkerSockets; readonly pollFd: number }
  /** To be followed by the thread's end. Where the sockets are drained, the worker also closes the main thread's of TCP. */
  | { readonly type: 'stop'; readonly how: Finish };

export type FromWorker =
  | { readonly type: 'counts'; readonly counts: readonly Counts[] }
  | { readonly type: 'alive' }
  | {
      readonly type: 'log';
      readonly level: 'debug' | 'info' | 'warn' | 'error';
      readonly fields: Readonly<Record<string, unknown>>;
      readonly message: string;
    };
