import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ApiClient } from '../../api/client/client.ts';
import { pods } from '../../api/client/resources.ts';
import { addressesOf } from '../names/pod-addresses.ts';
import type { AuditFacts } from './audit.ts';

/** Longest wait for the API. */
const withinMs = 5000;

/** The pods that the API has, asked with the node's own rights. Throws when it does not answer. */
export async function listApiPods(node: {
  readonly server: string;
  readonly stateDir: string;
  readonly nodeName: string;
}): Promise<NonNullable<AuditFacts['api']>> {
  const pki = (file: string): string => readFileSync(join(node.stateDir, 'pki', file), 'utf8');
  const client = new ApiClient({
    server: node.server,
    ca: pki('ca.crt'),
    cert: pki('node.crt'),
    key: pki('node.key'),
    userAgent: 'weft-ipam',
    timeoutMs: withinMs,
  });
  try {
    const all = await client.listAll(pods);
    const here = all.filter(({ spec }) => spec.nodeName === node.nodeName);
    return {
      uids: new Set(here.map(({ metadata }) => metadata.uid ?? '')),
      pods: all
        // Those on the node's own network have its addresses.
        .filter(({ spec }) => spec.hostNetwork !== true)
        .map((pod) => ({
          uid: pod.metadata.uid ?? '',
          namespace: pod.metadata.namespace ?? '',
          name: pod.metadata.name,
          ips: addressesOf(pod),
          isHere: pod.spec.nodeName === node.nodeName,
        }))
        .filter(({ ips }) => ips.length > 0),
    };
  } finally {
    client.close();
  }
}
