import { execFileSync, fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { ApiClient } from '../../api/client/client.ts';
import type { ClientOptions } from '../../api/client/http.ts';
import { services } from '../../api/client/resources.ts';
import { createObjects, readList, Watchers } from './api-load.ts';
import { memoryOf } from './measured-process.ts';

/** What the same work costs a server that does nothing but TLS, HTTP and SQLite. */
export interface Floor {
  readonly createSeconds: number;
  readonly listSeconds: number;
  /** Per watcher and change. */
  readonly fanOutMs: readonly number[];
  readonly rss: number;
  /** A Node.js process that does nothing. */
  readonly startSeconds: number;
}

interface FloorOptions {
  /** The measured server's access, for its certificates. */
  readonly access: ClientOptions;
  /** Holds ca.crt, server.crt and server.key. */
  readonly directory: string;
  readonly listBytes: number;
  readonly pages: number;
  readonly objects: number;
  readonly watchers: number;
  readonly changes: number;
}

export async function measureFloor(options: FloorOptions): Promise<Floor> {
  const { directory, listBytes, pages } = options;
  const pageBytes = Math.round(listBytes / pages);
  const child = fork(path.join(import.meta.dirname, 'api-floor-process.ts'), [
    directory,
    String(pageBytes),
    String(pages),
  ]);
  try {
    return await measure(child, options);
  } finally {
    child.kill('SIGKILL');
  }
}

async function measure(child: ChildProcess, options: FloorOptions): Promise<Floor> {
  const [port] = (await once(child, 'message')) as [number];
  const access = { ...options.access, server: `https://127.0.0.1:${port}` };
  const client = new ApiClient(access);
  const { rss } = memoryOf(child.pid ?? 0);
  const createSeconds = await timeSeconds(() => createObjects(client, 'floor', options.objects, 1));
  const listSeconds = await timeSeconds(() => readList(access, '/list'));
  const watchers = await Watchers.open(access, '/?watch=1', options.watchers);
  const fanOutMs: number[] = [];
  for (let i = 0; i < options.changes; i += 1) {
    const times = await watchers.timeChange(() => client.patch(services, { name: 'any' }, {}, 'merge'));
    fanOutMs.push(...times);
  }
  watchers.close();
  client.close();
  const startSeconds = await timeSeconds(() => {
    execFileSync(process.execPath, ['--eval', '0']);
    return Promise.resolve();
  });
  return { createSeconds, listSeconds, fanOutMs, rss, startSeconds };
}

export async function timeSeconds(action: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await action();
  return (performance.now() - startedAt) / 1000;
}
