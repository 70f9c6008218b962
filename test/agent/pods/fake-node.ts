import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomUUID } from 'node:crypto';
import pino from 'pino';
import { Registry } from 'prom-client';
import { ApiError } from '../../../api/client/api-error.ts';
import type { CacheEvent, ReadCache } from '../../../api/client/cache.ts';
import type { Event } from '../../../api/kinds/event.ts';
import type { ObjectMeta } from '../../../api/kinds/meta.ts';
import type { Pod } from '../../../api/kinds/pod.ts';
import type { Service } from '../../../api/kinds/service.ts';
import { createNamespace, removeNamespace } from '../../../netns/namespace.ts';
import type { AgentContext } from '../../../agent/subsystem.ts';
import type { PodNetworkDoor } from '../../../agent/pods/pod-network-door.ts';

/** A cache that tests fill by hand. */
export class FakeCache<T extends { metadata: ObjectMeta }> implements ReadCache<T> {
  synced = true;
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

/** An API of pods, Secrets, ConfigMaps and Events in memory; pods are shown in the pod cache at once. */
export class FakeApi {
  readonly pods = new FakeCache<Pod>();
  readonly services = new FakeCache<Service>();
  readonly objects = new Map<string, Stored>();
  readonly events: Event[] = [];
  readonly deleted: string[] = [];
  /** While true every request fails as it does without a server. */
  away = false;
  #revision = 1;

  get client(): AgentContext['client'] {
    const methods = {
      get: (resource: { plural: string }, name: { namespace?: string; name: string }) =>
        this.#get(resource, name),
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

  put(kind: 'secrets' | 'configmaps', name: string, data: Record<string, string>): void {
    this.objects.set(`${kind}/default/${name}`, { metadata: { name, namespace: 'default' }, data });
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

/** Gives each pod a namespace of its own without any link: nothing a test's pod sends can leave it. */
export class FakeNetwork implements PodNetworkDoor {
  readonly attached = new Map<string, { netns: string; ips: string[] }>();

  attach({ uid }: { readonly uid: string }): Promise<{ netns: string; ips: string[] }> {
    const known = this.attached.get(uid);
    if (known) return Promise.resolve(known);
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
  readonly dir = fs.mkdtempSync(join(tmpdir(), 'weft-pods-'));
  readonly api = new FakeApi();
  readonly context: AgentContext;

  constructor() {
    const { api, dir } = this;
    const config: AgentContext['config'] = {
      nodeName: 'node1',
      server: 'https://192.0.2.1:6443',
      stateDir: join(dir, 'state'),
      runDir: join(dir, 'run'),
      nodeIPs: ['192.0.2.11'],
      externalIPs: [],
      backend: 'iptables',
      vxlan: { port: 8472, vni: 117 },
      upstreams: ['192.0.2.53'],
      port: 10250,
      healthPort: 10256,
      nodeLabels: {},
    };
    const cluster: AgentContext['cluster'] = {
      clusterCIDRs: ['10.244.0.0/16'],
      serviceCIDRs: ['10.96.0.0/16'],
      nodeCIDRMaskSizes: { ipv4: 24, ipv6: 64 },
      dnsIPs: ['10.96.0.10'],
      zone: 'cluster.local',
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

  remove(): void {
    fs.rmSync(this.dir, { recursive: true, force: true });
  }
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

/** Polls until `check` gives something; fails with `what` after ten seconds. */
export async function eventually<T>(what: string, check: () => T | undefined | false): Promise<T> {
  const deadline = Date.now() + 10_000;
  for (;;) {
    const result = check();
    if (result !== undefined && result !== false) return result;
    if (Date.now() > deadline) throw new Error(`never happened: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
