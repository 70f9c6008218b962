import { mkdir } from 'node:fs/promises';
import { isIPv6 } from 'node:net';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { SqliteStore } from '../store/sqlite.ts';
import type { Store } from '../store/store.ts';
import { Authorizer } from './authorizer.ts';
import { standingObjects } from './bootstrap.ts';
import { ensureServing, openCertificates, writeAdminKubeconfig } from './certificates.ts';
import type { ClusterConfig } from '../cluster.ts';
import type { HealthCheck } from './http/health.ts';
import { Listener } from './http/listener.ts';
import { RequestMetrics } from './http/metrics.ts';
import { Router } from './http/router.ts';
import { JoinEndpoint } from './join.ts';
import { Maintenance } from './maintenance.ts';
import { NodeProxy } from './node-proxy.ts';
import { podView } from './pod-view.ts';
import { ensureNodeClaims } from './registry/node-claims.ts';
import { Resources } from './registry/resources.ts';
import { ServerError } from './server-error.ts';
import { StandingObjects } from './standing-objects.ts';

export interface ApiServerOptions {
  /** Durable state: the store, the certificates, the join token, the admin kubeconfig. Made if missing (0700). */
  readonly stateDir: string;
  readonly cluster: ClusterConfig;
  readonly listen: readonly { readonly host: string; readonly port: number }[];
  /** Sockets that are bound and listening already and handed in by the parent. */
  readonly listenFds: readonly number[];
  /** Where others reach the server at the start; see {@link ApiServer.advertise}. */
  readonly advertised: Advertisement;
  readonly log: Logger;
}

/** Where others reach the server. */
export interface Advertisement {
  /** The address other machines reach this server at; endpoint of Service default/kubernetes. */
  readonly address: string;
  /** Further names and addresses for the serving certificate. */
  readonly names?: readonly string[];
  /** URL in the admin kubeconfig; default: the first of `listen`. */
  readonly kubeconfigServer?: string;
}

/** How processes on this machine reach the server as administrators; certificates and key are PEM text. */
interface Loopback {
  readonly server: string;
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export interface ApiServer {
  close(): Promise<void>;
  /**
   * From now on others reach it elsewhere: the certificate, the endpoint of Service default/kubernetes and the admin
   * kubeconfig follow, connections stay. One call at a time. Rejects when the state cannot be written.
   */
  advertise(advertised: Advertisement): Promise<void>;
  readonly adminKubeconfigPath: string;
  readonly loopback: Loopback;
  /** The first address listened on, with the port the kernel chose where 0 was asked for. */
  readonly address: { readonly host: string; readonly port: number };
  /** The token that lets a node join. */
  readonly joinToken: string;
}

/** Starts the Kubernetes API over TLS. Rejects with ServerError or StoreError when it cannot listen or its state is unusable. */
export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const { stateDir, cluster, log } = options;
  await using cleanup = new AsyncDisposableStack();
  await mkdir(stateDir, { recursive: true, mode: 0o700 });
  const store = SqliteStore.open(join(stateDir, 'store.db'));
  cleanup.defer(() => store.close());

  const isRangeShared = await ensureNodeClaims(store, log.child({ part: 'node-claims' }));
  const resources = new Resources(store, cluster);
  const certificates = await openCertificates(stateDir, cluster, servingNames(options, options.advertised));
  const { authority, serving, client } = certificates;
  const joining = await JoinEndpoint.open(stateDir, authority);
  const router = new Router({
    resources,
    authorizer: new Authorizer(podView(resources)),
    join: joining,
    proxy: new NodeProxy(authority.certificate, client, log.child({ part: 'node-proxy' })),
    metrics: new RequestMetrics(),
    checks: healthChecks(store),
    log,
  });

  let { advertised } = options;
  let port = options.listen[0]?.port ?? 0;
  const objects = standingObjects(resources, cluster, () => ({ address: advertised.address, port }));
  const standing = new StandingObjects(store, objects, log.child({ part: 'standing-objects' }));
  cleanup.defer(() => standing.stop());
  if (port !== 0) await standing.start();
  const listeners: Listener[] = [];
  cleanup.defer(async () => {
    await Promise.all(listeners.map((listener) => listener.close()));
  });
  for (const place of [...options.listen, ...options.listenFds.map((fd) => ({ fd }))]) {
    listeners.push(await Listener.open(place, { pair: serving, ca: authority.certificate }, router));
  }
  const [first] = listeners;
  if (!first) throw new ServerError('listen', 'there is no address to listen on; give at least one');
  if (port === 0) {
    ({ port } = first.address);
    await standing.start();
  }

  const maintenance = new Maintenance(store, resources, isRangeShared, log);
  maintenance.start();
  cleanup.defer(() => maintenance.stop());
  const handedIn = listeners[options.listen.length];
  const ownUrl = urlOf((handedIn ?? first).address);
  const writeKubeconfig = (): Promise<string> =>
    writeAdminKubeconfig(stateDir, advertised.kubeconfigServer ?? ownUrl, certificates);
  const adminKubeconfigPath = await writeKubeconfig();
  log.info({ addresses: listeners.map((listener) => listener.address) }, 'the API is served');
  const running = cleanup.move();
  return {
    close: () => running.disposeAsync(),
    async advertise(next) {
      advertised = next;
      const names = servingNames(options, next);
      const pair = await ensureServing(stateDir, authority, cluster, names);
      for (const listener of listeners) listener.useTls({ pair, ca: authority.certificate });
      await standing.refresh();
      await writeKubeconfig();
    },
    adminKubeconfigPath,
    loopback: {
      server: urlOf(first.address),
      ca: authority.certificate,
      cert: client.certificate,
      key: client.key,
    },
    address: first.address,
    joinToken: joining.token,
  };
}

/** The store's check is called as kube-apiserver's: monitoring asks for it by name. */
function healthChecks(store: Store): HealthCheck[] {
  return [
    { name: 'ping', run: () => Promise.resolve() },
    { name: 'etcd', run: () => store.currentRevision() },
  ];
}

const wildcards: readonly string[] = ['0.0.0.0', '::'];

function servingNames(
  { listen }: Pick<ApiServerOptions, 'listen'>,
  { address, names = [] }: Advertisement,
): string[] {
  const hosts = listen.map(({ host }) => host).filter((host) => !wildcards.includes(host));
  return [address, ...hosts, ...names];
}

/** How this machine reaches a listener. */
function urlOf({ host, port }: { readonly host: string; readonly port: number }): string {
  const reachable = wildcards.includes(host) ? '127.0.0.1' : host;
  return `https://${isIPv6(reachable) ? `[${reachable}]` : reachable}:${port}`;
}
