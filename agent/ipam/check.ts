import { setTimeout as sleep } from 'node:timers/promises';
import { listApiPods } from './api-pods.ts';
import { audit } from './audit.ts';
import type { AuditFacts, Difference } from './audit.ts';
import { readLeases } from './lease-list.ts';
import { observeKernel } from './observe.ts';

export interface Audit {
  /** How many leases there are. */
  readonly leases: number;
  readonly differences: readonly Difference[];
  /** Why the API was not asked; undefined: it answered. */
  readonly unasked: string | undefined;
}

/** Pods come and go while we look: what lasts for less is no difference. */
const settleMs = 1_500;

/** Compares this node's leases with its kernel and the API, changing nothing; whether an agent runs or not. */
export async function checkLeases(node: Parameters<typeof listApiPods>[0]): Promise<Audit> {
  const first = await look(node);
  if (first.differences.length === 0) return first;
  await sleep(settleMs);
  const second = await look(node);
  const lasting = new Set(first.differences.map(({ found }) => found));
  return { ...second, differences: second.differences.filter(({ found }) => lasting.has(found)) };
}

async function look(node: Parameters<typeof listApiPods>[0]): Promise<Audit> {
  const [api, unasked] = await askApi(node);
  const { leases } = readLeases(node.stateDir, Date.now());
  const differences = audit({ leases, ...observeKernel(leases), api });
  return { leases: leases.length, differences, unasked };
}

async function askApi(
  node: Parameters<typeof listApiPods>[0],
): Promise<[AuditFacts['api'], string | undefined]> {
  try {
    return [await listApiPods(node), undefined];
  } catch (error) {
    return [undefined, error instanceof Error ? error.message : String(error)];
  }
}
