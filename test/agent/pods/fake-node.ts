import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomUUID } from 'node:crypto';
import { PassThrough } from 'node:stream';
import pino from 'pino';
import { Registry } from 'prom-client';
import { ApiError } from '../../../api/client/api-error.ts';
import type { CacheEvent, RestorableCache } from '../../../api/client/cache.ts';
import type { ApiObject } from '../../../api/client/resource.ts';
import type { WatchEvent } from '../../../api/client/watch.ts';
import type { Event } from '../../../api/kinds/event.ts';
import type { ObjectMeta } from '../../../api/kinds/meta.ts';
import type { Pod } from '../../../api/kinds/pod.ts';
import type { Service } from '../../../api/kinds/service.ts';
import { createNamespace, removeNamespace } from '../../../netns/namespace.ts';
import type { AgentContext } from '../../../agent/subsystem.ts';
import type { PodNetworkDoor } from '../../../agent/pods/pod-network-door.ts';
import { exampleConfig } from '../example-config.ts';

/** A cache that tests fill by hand. */
class FakeCache<T extends { metadata: ObjectMeta }> implements RestorableCache<T> {
  synced = true;
  readonly restored = false;
  readonly objects = new Map<string, T>();
  readonly #listeners = new Set<(event: CacheEvent<T>) => void>();

  whenSynced(): Promise<void> {
    return Promise.resolve();
  }

  get(key: string): T | undefined {
    return this.objects.get(key);
  }

  list(): Iterable<T> {
    return this.objects.values();
  }

  subscribe(listener: (event: CacheEvent<T>) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  put(object: T): void {
    const key = `${object.metadata.namespace ?? ''}/${object.metadata.name}`;
    const previous = this.objects.get(key);
    this.objects.set(key, object);
    this.tell(previous ? { type: 'updated', key, object, previous } : { type: 'added', key, object });
  }

  drop(key: string): void {
    const object = this.objects.get(key);
    this.objects.delete(key);
    if (object) this.tell({ type: 'deleted', key, object });
  }

  tell(event: CacheEvent<T>): void {
    for (const listener of this.#listeners) listener(event);
  }
}

type Stored = Pod | Event | { metadata: ObjectMeta; data?: Record<string, string> };

/** Who watches one object, told of each new state. */
type Watcher = (event: WatchEvent<ApiObject>) => void;

/** An API of pods, Secrets, ConfigMaps and Events in memory; pods are shown in the pod cache at once. */
export class FakeApi {
  readonly pods = new FakeCache<Pod>();
  readonly services = new FakeCache<Service>();
  readonly objects = new Map<string, Stored>();
  readonly events: Event[] = [];
  readonly deleted: string[] = [];
  /** Of every pod there ever was. */
  readonly uids = new Set<string>();
  /** While true every request fails as it does without a server. */
  away = false;
  /** By object: each is watched by its name. */
  readonly watchers = new Map<string, Set<Watcher>>();
  #revision = 1;

  get client(): AgentContext['client'] {
    const methods = {
      get: (resource: { plural: string }, name: { namespace?: string; name: string }) =>
        this.#get(resource, name),
      watch: (resource: { plural: string }, options: Selection) => this.#watch(resource, options),
      create: (_resource: unknown, event: Event) => {
        this.#reach();
        this.events.push(event);
        return Promise.resolve(event);
      },
      patch: () => Promise.resolve({}),
      patchStatus: (
        _resource: unknown,
        name: { namespace: string; name: string },
        patch: { metadata: { uid: string }; status: Pod['status'] },
      ) => this.#patchStatus(name, patch),
      delete: (_resource: unknown, name: { namespace: string; name: string }) => {
        this.#reach();
        const key = `${name.namespace}/${name.name}`;
        this.deleted.push(key);
        this.pods.drop(key);
        return Promise.resolve({});
      },
    };
    return methods as unknown as AgentContext['client'];
  }

  /** Binds a pod to the node. */
  add(pod: Pod): Pod {
    this.uids.add(pod.metadata.uid ?? '');
    this.pods.put(pod);
    return pod;
  }

  status(name: string): Pod['status'] {
    return this.pods.get(`default/${name}`)?.status;
  }

  put(kind: 'secrets' | 'configmaps', name: string, data: Record<string, string>): void {
    const key = `${kind}/default/${name}`;
    this.#revision += 1;
    const metadata = { name, namespace: 'default', uid: key, resourceVersion: String(this.#revision) };
    const type = this.objects.has(key) ? 'MODIFIED' : 'ADDED';
    this.objects.set(key, { metadata, data });
    this.#tell(key, { type, object: { metadata, data } as ApiObject });
  }

  /** Deletes a Secret or ConfigMap. */
  drop(kind: 'secrets' | 'configmaps', name: string): void {
    const key = `${kind}/default/${name}`;
    const object = this.objects.get(key);
    this.objects.delete(key);
    if (object) this.#tell(key, { type: 'DELETED', object });
  }

  #tell(key: string, event: WatchEvent<ApiObject>): void {
    for (const watcher of this.watchers.get(key) ?? []) watcher(event);
  }

  /** Marks a pod for deletion as the API server does. */
  markDeleted(key: string, graceSeconds: number): void {
    const pod = this.pods.get(key);
    if (!pod) return;
    const deletionTimestamp = new Date(Date.now() + graceSeconds * 1000).toISOString();
    this.pods.put({
      ...pod,
      metadata: { ...pod.metadata, deletionTimestamp, deletionGracePeriodSeconds: graceSeconds },
    });
  }

  async #get(resource: { plural: string }, { namespace = '', name }: { namespace?: string; name: string }) {
    this.#reach();
    await Promise.resolve();
    const object =
      resource.plural === 'pods'
        ? this.pods.get(`${namespace}/${name}`)
        : this.objects.get(`${resource.plural}/${namespace}/${name}`);
    if (object) return object;
    throw new ApiError(`${resource.plural} "${name}" not found`, { code: 404, reason: 'NotFound' });
  }

  /** As a server with WatchList: what there is, a bookmark that says so, then changes. */
  async *#watch(resource: { plural: string }, options: Selection): AsyncGenerator<WatchEvent<ApiObject>> {
    const key = selectedKey(resource, options);
    const events = new PassThrough({ objectMode: true, signal: options.signal });
    const watcher: Watcher = (event) => void events.write(event);
    const watchers = this.watchers.get(key) ?? new Set();
    this.watchers.set(key, watchers.add(watcher));
    const object = this.objects.get(key);
    const end = {
      annotations: { 'k8s.io/initial-events-end': 'true' },
      resourceVersion: `${this.#revision}`,
    };
    try {
      if (object) yield { type: 'ADDED', object };
      yield { type: 'BOOKMARK', object: { metadata: end } };
      for await (const event of events) yield event as WatchEvent<ApiObject>;
    } catch (cause) {
      throw new ApiError('the watch was ended', { code: 0, reason: 'Aborted', cause });
    } finally {
      watchers.delete(watcher);
    }
  }

  async #patchStatus(
    { namespace, name }: { namespace: string; name: string },
    patch: { metadata: { uid: string }; status: Pod['status'] },
  ) {
    this.#reach();
    await Promise.resolve();
    const pod = this.pods.get(`${namespace}/${name}`);
    if (!pod) throw new ApiError('not found', { code: 404, reason: 'NotFound' });
    if (pod.metadata.uid !== patch.metadata.uid) throw new ApiError('uid', { code: 409, reason: 'Conflict' });
    this.#revision += 1;
    const resourceVersion = String(this.#revision);
    const patched: Pod = {
      ...pod,
      metadata: { ...pod.metadata, resourceVersion },
      status: { ...pod.status, ...patch.status },
    };
    this.pods.put(patched);
    return patched;
  }

  #reach(): void {
    if (this.away) throw new ApiError('connection refused', { code: 0, reason: 'Unreachable' });
  }
}

interface Selection {
  readonly namespace?: string;
  readonly fieldSelector?: string;
  readonly signal?: AbortSignal;
}

function selectedKey({ plural }: { plural: string }, { namespace, fieldSelector }: Selection): string {
  return `${plural}/${namespace ?? ''}/${fieldSelector?.replace('metadata.name=', '') ?? ''}`;
}

/** Gives each pod a namespace of its own without any link: nothing a test's pod sends can leave it. */
class FakeNetwork implements PodNetworkDoor {
  readonly attached = new Map<string, { netns: string; ips: string[] }>();

  attach({ id: uid }: { readonly id: string }): Promise<{ netns: string; ips: string[] }> {
    const known = this.attached.get(uid);
    if (known) return Promise.resolve(known);
    if (fs.existsSync(`/run/netns/weft-${uid}`)) {
      return Promise.resolve({ netns: `/run/netns/weft-${uid}`, ips: ['10.244.1.2'] });
    }
    using namespace = createNamespace(`weft-${uid}`);
    execFileSync('ip', ['-n', `weft-${uid}`, 'link', 'set', 'lo', 'up']);
    const fresh = { netns: namespace.path, ips: [`10.244.1.${this.attached.size + 2}`] };
    this.attached.set(uid, fresh);
    return Promise.resolve(fresh);
  }

  detach(uid: string): Promise<void> {
    removeNamespace(`weft-${uid}`);
    this.attached.delete(uid);
    return Promise.resolve();
  }
}

/** A node with a state directory of its own, as the agent's subsystems see it. */
export class FakeNode {
  readonly dir: string;
  readonly api = new FakeApi();
  readonly network = new FakeNetwork();
  readonly context: AgentContext;

  /** A new node, or in `dir` one that was there before. */
  constructor(dir = fs.mkdtempSync(join(tmpdir(), 'weft-pods-'))) {
    this.dir = dir;
    const { api } = this;
    const config = exampleConfig(join(dir, 'state'), {
      runDir: join(dir, 'run'),
      nodeIPs: ['192.0.2.11'],
      upstreams: ['192.0.2.53'],
    });
    const cluster: AgentContext['cluster'] = {
      clusterCIDRs: ['10.244.0.0/16'],
      serviceCIDRs: ['10.96.0.0/16'],
      nodeCIDRMaskSizes: { ipv4: 24, ipv6: 64 },
      dnsIPs: ['10.96.0.10'],
      zone: 'cluster.local',
      loadBalancerPools: [],
      nodePortRange: { first: 30000, last: 32767 },
    };
    this.context = {
      nodeName: 'node1',
      config,
      cluster,
      client: api.client,
      log: pino({ level: process.env['WEFT_TEST_LOG'] ?? 'silent' }),
      metrics: new Registry(),
      caches: {
        pods: api.pods,
        services: api.services,
        nodes: new FakeCache(),
        endpointSlices: new FakeCache(),
        namespaces: new FakeCache(),
      },
    };
  }

  /** What pods of this node have left on the machine, by what an operator would look at. */
  listResidue(): string[] {
    const lines = (file: string): string[] => fs.readFileSync(file, 'utf8').split('\n');
    const processes = fs
      .readdirSync('/proc')
      .filter((pid) => /^\d+$/.test(pid) && fs.existsSync(`/proc/${pid}/cmdline`))
      .map((pid) => `process ${pid} ${commandLine(pid)}`);
    return [
      ...lines('/proc/self/mounts').filter((line) => line.includes(this.dir)),
      ...processes.filter((line) => line.includes(this.dir)),
      ...[...this.api.uids].flatMap((uid) =>
        fs.globSync([`/run/netns/weft-${uid}`, `/sys/fs/cgroup/**/weft-${uid}`]),
      ),
      ...['state/pods/*', 'run/pods/*', 'run/runc/*', 'run/exits/*', 'run/conmon/*'].flatMap((pattern) =>
        fs.globSync(join(this.dir, pattern)),
      ),
    ];
  }

  remove(): void {
    fs.rmSync(this.dir, { recursive: true, force: true });
  }
}

function commandLine(pid: string): string {
  try {
    return fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return ''; // It ended while we looked.
  }
}

/** Everything a stream carries, as text. */
export async function readAll(stream: AsyncIterable<unknown> | undefined): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream ?? []) chunks.push(Buffer.from(chunk as Buffer));
  return Buffer.concat(chunks).toString('utf8');
}

/** A pod of node1 with one container, as the API would hold it. */
export function makePod(
  name: string,
  container: Partial<Pod['spec']['containers'][number]>,
  spec: Partial<Pod['spec']> = {},
): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', uid: randomUUID(), resourceVersion: '1' },
    spec: {
      nodeName: 'node1',
      restartPolicy: 'Always',
      terminationGracePeriodSeconds: 1,
      containers: [{ name: 'main', image: 'host', ...container }],
      ...spec,
    },
    status: { phase: 'Pending' },
  };
}

/** Polls until `check` gives something; fails with `what` after a minute. */
export async function eventually<T>(
  what: string,
  check: () => T | undefined | false | Promise<T | undefined | false>,
): Promise<T> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    const result = await check();
    if (result !== undefined && result !== false) return result;
    if (Date.now() > deadline) throw new Error(`never happened: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
