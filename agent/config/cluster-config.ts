import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { ApiClient } from '../../api/client/client.ts';
import { configMaps } from '../../api/client/resources.ts';
import { isErrno } from '../../netns/kernel-error.ts';
import type { ClusterConfig } from '../../api/cluster.ts';
import { writeFileDurably } from '../durable-file.ts';

/** How long an agent that has a copy waits for the API. */
const patienceMs = 1_500;

export interface ClusterConfigOptions {
  readonly client: ApiClient;
  readonly stateDir: string;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/**
 * What the cluster agrees on, from ConfigMap kube-system/weft-cluster. A copy on disk lets an agent start while
 * the API is away; without a copy the API is waited for.
 */
export async function loadClusterConfig(options: ClusterConfigOptions): Promise<ClusterConfig> {
  const file = join(options.stateDir, 'cluster.json');
  const stored = readStored(file);
  for (let attempt = 0; ; attempt += 1) {
    try {
      const fetched = fetchText(options.client);
      const text = await (stored === undefined ? fetched : soon(fetched));
      if (text !== stored) {
        mkdirSync(options.stateDir, { recursive: true, mode: 0o700 });
        writeFileDurably(file, text, 0o600);
      }
      return JSON.parse(text) as ClusterConfig;
    } catch (error) {
      if (stored !== undefined) {
        options.log.warn({ err: error, file }, 'the API is away: using the last cluster configuration');
        return JSON.parse(stored) as ClusterConfig;
      }
      if (attempt % 20 === 0) options.log.warn({ err: error }, 'waiting for the cluster configuration');
      await sleep(Math.min(100 + attempt * 50, 3_000), undefined, { signal: options.signal });
    }
  }
}

/** A server that is switched off refuses nothing: one that has a copy does not wait for it. */
async function soon<T>(answer: Promise<T>): Promise<T> {
  const late = new AbortController();
  const patience = sleep(patienceMs, undefined, { signal: late.signal }).then(() => {
    throw new Error(`no answer within ${patienceMs} ms`);
  });
  try {
    return await Promise.race([answer, patience]);
  } finally {
    answer.catch(() => undefined);
    patience.catch(() => undefined);
    late.abort();
  }
}

async function fetchText(client: ApiClient): Promise<string> {
  const { data } = await client.get(configMaps, { namespace: 'kube-system', name: 'weft-cluster' });
  const text = data?.['cluster.json'];
  if (text === undefined) throw new Error('ConfigMap kube-system/weft-cluster has no cluster.json');
  return text;
}

function readStored(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}
