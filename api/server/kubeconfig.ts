import { stringify } from 'yaml';
import type { KeyPair } from './authority.ts';

/** A kubeconfig with everything inside: https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/. */
export function renderKubeconfig(server: string, ca: string, client: KeyPair): string {
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'weft', cluster: { server, 'certificate-authority-data': base64(ca) } }],
    users: [
      {
        name: 'admin',
        user: {
          'client-certificate-data': base64(client.certificate),
          'client-key-data': base64(client.key),
        },
      },
    ],
    contexts: [{ name: 'weft', context: { cluster: 'weft', user: 'admin' } }],
    'current-context': 'weft',
  });
}
