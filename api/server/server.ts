import type { Logger } from 'pino';
import type { ClusterSettings } from './cluster.ts';

export interface ApiServerOptions {
  /** Durable state: the store, the certificates, the join token, the admin kubeconfig. Made if missing (0700). */
  readonly stateDir: string;
  readonly cluster: ClusterSettings;
  readonly listen: readonly { readonly host: string; readonly port: number }[];
  /** Sockets that are bound and listening already and handed in by the parent. */
  readonly listenFds: readonly number[];
  /** The address other machines reach this server at; endpoint of Service default/kubernetes. */
  readonly advertiseAddress: string;
  /** Further names and addresses for the serving certificate. */
  readonly names?: readonly string[];
  /** URL in the admin kubeconfig; default: the first of `listen`. */
  readonly kubeconfigServer?: string;
  readonly log: Logger;
}

/** How processes on this machine reach the server as administrators; certificates and key are PEM text. */
export interface Loopback {
  readonly server: string;
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export interface ApiServer {
  close(): Promise<void>;
  readonly adminKubeconfigPath: string;
  readonly loopback: Loopback;
  /** The first address listened on, with the port the kernel chose where 0 was asked for. */
  readonly address: { readonly host: string; readonly port: number };
  /** The token that lets a node join. */
  readonly joinToken: string;
}

/** Starts the Kubernetes API over TLS. Rejects with ServerError when it cannot listen or its state is unusable. */
export function startApiServer(_options: ApiServerOptions): Promise<ApiServer> {
  return Promise.reject(new Error('not built yet'));
}
