import { ApiError } from '../../api/client/api-error.ts';
import { openLabClient, readNodeReadiness } from './lab-client.ts';
import type { NodeReadiness } from './lab-client.ts';
import { findDaemon, listDaemons } from './lab-daemons.ts';
import type { LabPlan } from './lab-plan.ts';
import { openLab } from './lab-settings.ts';

/** One host of the lab: what runs there, and whether it does its work. */
interface LabHostStatus {
  readonly name: string;
  readonly addresses: readonly string[];
  /** Process number of its daemon; absent when none runs. */
  readonly pid?: number;
  readonly ready: boolean;
  /** Why it is not ready; empty when it is. */
  readonly reason: string;
}

export interface LabStatus {
  readonly name: string;
  readonly api: string;
  readonly kubeconfig: string;
  readonly server: LabHostStatus;
  readonly outside: LabHostStatus;
  readonly nodes: readonly LabHostStatus[];
}

export async function readLabStatus(name: string): Promise<LabStatus> {
  const plan = openLab(name);
  const readiness = await askApi(plan);
  const hosts = new Map<string, LabHostStatus>();
  for (const daemon of listDaemons(plan)) {
    const pid = findDaemon(plan, daemon.name)?.pid;
    const running: Health = pid === undefined ? { ready: false, reason: 'not running' } : healthy;
    const isNode = plan.nodes.includes(daemon.host) && daemon.name !== 'server';
    const said = isNode && pid !== undefined ? nodeHealth(readiness, daemon.name) : running;
    hosts.set(daemon.name, {
      name: daemon.name,
      addresses: daemon.host.addresses,
      ...(pid !== undefined && { pid }),
      ...said,
    });
  }
  const host = (which: string): LabHostStatus =>
    hosts.get(which) ?? { name: which, addresses: [], ready: false, reason: 'not running' };
  return {
    name,
    api: `https://127.0.0.1:${plan.settings.apiPort}`,
    kubeconfig: plan.kubeconfig,
    server:
      typeof readiness === 'string' ? { ...host('server'), ready: false, reason: readiness } : host('server'),
    outside: host('outside'),
    nodes: plan.nodes.map((node) => host(node.name)),
  };
}

type Health = Pick<LabHostStatus, 'ready' | 'reason'>;
const healthy: Health = { ready: true, reason: '' };

/** What the API says of the nodes, or why it says nothing. */
async function askApi(plan: LabPlan): Promise<Map<string, NodeReadiness> | string> {
  const client = openLabClient(plan);
  if (!client) return 'the API server has not started yet';
  try {
    return await readNodeReadiness(client);
  } catch (error) {
    if (error instanceof ApiError) return error.message;
    throw error;
  } finally {
    client.close();
  }
}

function nodeHealth(readiness: Map<string, NodeReadiness> | string, name: string): Health {
  if (typeof readiness === 'string') return { ready: false, reason: 'unknown: the API does not answer' };
  const said = readiness.get(name) ?? { ready: false, reason: 'not registered yet' };
  return { ready: said.ready, reason: said.reason };
}

/** A table for people. */
export function renderLabStatus(status: LabStatus): string {
  const hosts = [status.server, ...status.nodes, status.outside];
  const rows = hosts.map(({ name, addresses, pid, ready, reason }) => [
    name,
    ready ? 'Ready' : 'NotReady',
    pid === undefined ? '-' : String(pid),
    addresses.join(' '),
    reason,
  ]);
  const table = [['NAME', 'STATE', 'PID', 'ADDRESSES', ''], ...rows];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
  const lines = table.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  return `${lines.join('\n')}\n\nexport KUBECONFIG=${status.kubeconfig}   # ${status.api}\n`;
}
