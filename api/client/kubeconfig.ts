import { parse } from 'yaml';
import type { ClientOptions } from './http.ts';

/** What of a kubeconfig we need: https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/ */
interface Kubeconfig {
  readonly clusters: readonly [
    { readonly cluster: { readonly server: string; readonly 'certificate-authority-data': string } },
  ];
  readonly users: readonly [
    { readonly user: { readonly 'client-certificate-data': string; readonly 'client-key-data': string } },
  ];
}

/** Server and keys of a kubeconfig as the server writes it: one cluster, one user with a certificate. */
export function parseKubeconfig(text: string): Pick<ClientOptions, 'server' | 'ca' | 'cert' | 'key'> {
  const { clusters, users } = parse(text) as Kubeconfig;
  const decode = (data: string): string => Buffer.from(data, 'base64').toString('utf8');
  return {
    server: clusters[0].cluster.server,
    ca: decode(clusters[0].cluster['certificate-authority-data']),
    cert: decode(users[0].user['client-certificate-data']),
    key: decode(users[0].user['client-key-data']),
  };
}
