import { existsSync, readFileSync } from 'node:fs';
import { parseDocument } from 'yaml';
import { ApiClient } from '../../api/client/client.ts';
import { parseKubeconfig } from '../../api/client/kubeconfig.ts';
import { nodes } from '../../api/client/resources.ts';
import type { Node } from '../../api/kinds/node.ts';
import { writeFileDurably } from '../durable-file.ts';
import { adminKubeconfig } from './lab-config.ts';
import type { LabPlan } from './lab-plan.ts';

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
  return new ApiClient({
    ...parseKubeconfig(readFileSync(plan.kubeconfig, 'utf8')),
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
