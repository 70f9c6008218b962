import { existsSync, readFileSync } from 'node:fs';
import { parse, parseDocument } from 'yaml';
import { ApiClient } from '../../api/client/client.ts';
import { nodes } from '../../api/client/resources.ts';
import type { Node } from '../../api/kinds/node.ts';
import { writeFileDurably } from '../durable-file.ts';
import { adminKubeconfig } from './lab-config.ts';
import type { LabPlan } from './lab-plan.ts';

/** What of a kubeconfig we need: https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/ */
interface Kubeconfig {
  readonly clusters: readonly [
    { readonly cluster: { readonly server: string; readonly 'certificate-authority-data': string } },
  ];
  readonly users: readonly [
    { readonly user: { readonly 'client-certificate-data': string; readonly 'client-key-data': string } },
  ];
}

/** Writes the lab's kubeconfig for the machine: the administrator's, through 127.0.0.1. */
export function writeLabKubeconfig(plan: LabPlan): void {
  const document = parseDocument(readFileSync(adminKubeconfig(plan), 'utf8'));
  document.setIn(['clusters', 0, 'cluster', 'server'], `https://127.0.0.1:${plan.settings.apiPort}`);
  writeFileDurably(plan.kubeconfig, document.toString(), 0o600);
}

/** The lab's API as its administrator sees it from the machine; undefined before the server has made its keys. */
export function openLabClient(plan: LabPlan): ApiClient | undefined {
  if (!existsSync(adminKubeconfig(plan))) return undefined;
  writeLabKubeconfig(plan);
  const { clusters, users } = parse(readFileSync(plan.kubeconfig, 'utf8')) as Kubeconfig;
  const decode = (data: string): string => Buffer.from(data, 'base64').toString('utf8');
  return new ApiClient({
    server: clusters[0].cluster.server,
    ca: decode(clusters[0].cluster['certificate-authority-data']),
    cert: decode(users[0].user['client-certificate-data']),
    key: decode(users[0].user['client-key-data']),
    userAgent: 'weft-lab',
    timeoutMs: 2_000,
  });
}

/** How a lab's node does according to the API. */
export interface NodeReadiness {
  readonly ready: boolean;
  /** Why it is not Ready; empty when it is. */
  readonly reason: string;
  /** When its agent last said so, in ms since the epoch, whole seconds. */
  readonly heartbeat: number;
}

export async function readNodeReadiness(client: ApiClient): Promise<Map<string, NodeReadiness>> {
  const list = await client.listAll(nodes);
  return new Map(list.map((node) => [node.metadata.name, readinessOf(node)]));
}

function readinessOf({ status }: Node): NodeReadiness {
  const condition = status?.conditions?.find(({ type }) => type === 'Ready');
  const heartbeat = Date.parse(condition?.lastHeartbeatTime ?? '') || 0;
  if (condition?.status === 'True') return { ready: true, reason: '', heartbeat };
  return { ready: false, reason: condition?.message ?? 'not registered yet', heartbeat };
}
