import { pino } from 'pino';
import type { Test } from 'tap';
import t from 'tap';
import { ApiError } from '../../../../api/client/api-error.ts';
import type { CacheEvent, VersionedCache } from '../../../../api/client/cache.ts';
import { nodes } from '../../../../api/client/resources.ts';
import type { ControllerContext } from '../../../../api/controllers/controller.ts';
import { NodeIpam } from '../../../../api/controllers/nodes/node-ipam.ts';
import { clusterRanges } from '../../../../api/controllers/nodes/node-ranges.ts';
import type { Node } from '../../../../api/kinds/node.ts';
import { eventually } from '../../eventually.ts';
import { startServer } from '../../server/fixture.ts';

const silent = pino({ level: 'silent' });

/** An API of Nodes, its cache, and a controller that has nothing else. */
class World implements VersionedCache<Node> {
  readonly synced = true;
  /** Nodes that the controller asked the cache for or was told of, one by one. */
  seen = 0;
  readonly complaints: string[] = [];
  /** Ranges that the API refuses, and how often it did. */
  readonly refused = new Map<string, number>();
  /** Whether the cache hears of the controller's own writes at once. */
  isPrompt = true;
  readonly #api = new Map<string, Node>();
  readonly #cached = new Map<string, Node>();
  readonly #listeners = new Set<(event: CacheEvent<Node>) => void>();
  #newest = 0;
  revision = 0n;

  start(t: Test, cidrs: readonly string[]): void {
    const ipam = new NodeIpam(this.#context(), clusterRanges(cidrs, { ipv4: 24, ipv6: 64 }));
    ipam.start();
    t.teardown(() => ipam.stop());
  }

  whenSynced(): Promise<void> {
    return Promise.resolve();
  }

  get(key: string): Node | undefined {
    this.seen += 1;
    return this.#cached.get(key);
  }

  *list(): Generator<Node> {
    for (const node of this.#cached.values()) {
      this.seen += 1;
      yield node;
    }
  }

  subscribe(listener: (event: CacheEvent<Node>) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Writes a Node as its own agent does, and lets the cache see it. */
  put(name: string, spec: Node['spec'] = this.#api.get(name)?.spec ?? {}): void {
    this.#write({ metadata: { name }, spec });
    this.show(name);
  }

  delete(name: string): void {
    const object = this.#cached.get(name);
    this.#api.delete(name);
    this.#cached.delete(name);
    this.revision = BigInt((this.#newest += 1));
    if (object) this.#tell({ type: 'deleted', key: name, object });
  }

  /** The cache sees the Node as it is in the API. */
  show(name: string): void {
    const object = this.#api.get(name);
    if (!object) return;
    const previous = this.#cached.get(name);
    this.#cached.set(name, object);
    this.revision = BigInt(object.metadata.resourceVersion ?? '0');
    this.#tell(
      previous ? { type: 'updated', key: name, object, previous } : { type: 'added', key: name, object },
    );
  }

  /** The cache is told once more what it has, as by a heartbeat from before the newest write. */
  repeat(name: string): void {
    const object = this.#cached.get(name);
    if (object) this.#tell({ type: 'updated', key: name, object, previous: object });
  }

  rangesOf(name: string): readonly string[] {
    return this.#api.get(name)?.spec?.podCIDRs ?? [];
  }

  #write(node: Node): Node {
    this.#newest += 1;
    const stored = { ...node, metadata: { ...node.metadata, resourceVersion: String(this.#newest) } };
    this.#api.set(node.metadata.name, stored);
    return stored;
  }

  #tell(event: CacheEvent<Node>): void {
    for (const listener of this.#listeners) listener(event);
  }

  #patch(name: string, { metadata, spec }: Node): Promise<Node> {
    const current = this.#api.get(name);
    if (!current) return Promise.reject(new ApiError('no such node', { code: 404, reason: 'NotFound' }));
    if (metadata.resourceVersion !== current.metadata.resourceVersion)
      return Promise.reject(new ApiError('modified', { code: 409, reason: 'Conflict' }));
    for (const cidr of spec?.podCIDRs ?? []) {
      const times = this.refused.get(cidr);
      if (times === undefined) continue;
      this.refused.set(cidr, times + 1);
      return Promise.reject(new ApiError('taken', { code: 422, reason: 'Invalid' }));
    }
    const stored = this.#write({ ...current, spec: { ...current.spec, ...spec } });
    if (this.isPrompt) this.show(name);
    return Promise.resolve(stored);
  }

  #context(): ControllerContext {
    const context = {
      log: silent,
      client: { patch: (_: unknown, { name }: { name: string }, patch: Node) => this.#patch(name, patch) },
      events: { record: ({ object }: { object: Node }) => this.complaints.push(object.metadata.name) },
      caches: { nodes: this },
    };
    return context as unknown as ControllerContext;
  }
}

/** Waits until so many nodes have ranges; returns all these. */
function served(world: World, names: readonly string[]): Promise<string[]> {
  return eventually('all have ranges', () => {
    const ranges = names.map((name) => world.rangesOf(name).join());
    return Promise.resolve(ranges.every((each) => each !== '') ? ranges : undefined);
  });
}

const numbered = (count: number): string[] => Array.from({ length: count }, (_, i) => `node${i}`);

t.test('5,000 nodes that join at once cost as much each as one', async (t) => {
  for (const isPrompt of [true, false]) {
    const world = new World();
    world.isPrompt = isPrompt;
    world.start(t, ['10.0.0.0/8', 'fd00::/48']);
    const names = numbered(5_000);
    for (const name of names) world.put(name);
    const ranges = await served(world, names);
    t.equal(new Set(ranges).size, 5_000, 'each has its own');
    if (!isPrompt) for (const name of names) world.show(name);
    t.ok(world.seen <= 3 * names.length, `looked at ${world.seen} nodes for 5,000`);
    world.seen = 0;
    for (const name of names) world.put(name);
    t.equal(world.seen, 0, 'heartbeats make it look at none');
  }
});

t.test('a refused range is somebody else’s: the next one is tried', async (t) => {
  const world = new World();
  world.refused.set('10.244.0.0/24', 0).set('10.244.1.0/24', 0);
  world.start(t, ['10.244.0.0/16']);
  world.put('a');
  t.same(await served(world, ['a']), ['10.244.2.0/24']);
  t.same([...world.refused.values()], [1, 1], 'each was tried once');
});

t.test('what was written counts before the cache shows it, whatever old events come', async (t) => {
  const world = new World();
  world.isPrompt = false;
  world.start(t, ['10.244.0.0/22']);
  for (const name of ['a', 'b']) world.put(name);
  t.same(await served(world, ['a', 'b']), ['10.244.0.0/24', '10.244.1.0/24']);
  world.repeat('a');
  for (const name of ['c', 'd']) world.put(name);
  t.same(await served(world, ['c', 'd']), ['10.244.2.0/24', '10.244.3.0/24']);
  world.put('late');
  await eventually('it complains', () => Promise.resolve(world.complaints.length > 0 || undefined));
  for (const name of ['a', 'b', 'c', 'd']) world.show(name);
  world.delete('b');
  t.same(await served(world, ['late']), ['10.244.1.0/24']);
});

t.test('when ranges come back those that wait get them, one each', async (t) => {
  const world = new World();
  world.start(t, ['10.244.0.0/22']);
  const first = numbered(4);
  for (const name of first) world.put(name);
  await served(world, first);
  const later = ['w', 'x', 'y', 'z'];
  for (const name of later) world.put(name);
  await eventually('all complain', () => Promise.resolve(world.complaints.length >= 4 || undefined));
  world.delete('w');
  for (const name of first.slice(0, 3)) world.delete(name);
  const ranges = await served(world, ['x', 'y', 'z']);
  t.equal(new Set(ranges).size, 3);
  t.same(world.complaints, later, 'once each');
});

t.test('a node that somebody gave a range is left alone; one that goes frees it', async (t) => {
  const world = new World();
  world.put('by-hand', { podCIDRs: ['10.244.0.0/23'] });
  world.start(t, ['10.244.0.0/22']);
  for (const name of ['a', 'b']) world.put(name);
  t.same(await served(world, ['a', 'b']), ['10.244.2.0/24', '10.244.3.0/24']);
  world.put('c');
  world.delete('by-hand');
  t.same(await served(world, ['c']), ['10.244.0.0/24']);
});

/** Some Nodes as they were once: no news ever comes. */
function staleCache(all: readonly Node[]): VersionedCache<Node> {
  return {
    synced: true,
    revision: 0n,
    whenSynced: () => Promise.resolve(),
    get: (key) => all.find(({ metadata }) => metadata.name === key),
    list: () => all,
    subscribe: () => () => undefined,
  };
}

t.test('two controllers that know nothing of each other share what there is', async (t) => {
  const { client } = await startServer(t);
  const names = numbered(32);
  const all = await Promise.all(names.map((name) => client.create(nodes, { metadata: { name } })));
  const ranges = clusterRanges(['10.244.0.0/19', 'fd00:10:244::/59'], { ipv4: 24, ipv6: 64 });
  for (const half of [all.slice(0, 16), all.slice(16)]) {
    const caches = { nodes: staleCache(half) };
    const ipam = new NodeIpam({ client, log: silent, caches } as unknown as ControllerContext, ranges);
    ipam.start();
    t.teardown(() => ipam.stop());
  }
  const given = await eventually('each node has ranges', async () => {
    const cidrs = (await client.listAll(nodes)).flatMap(({ spec }) => spec?.podCIDRs ?? []);
    return cidrs.length === 2 * names.length ? cidrs : undefined;
  });
  t.equal(new Set(given).size, 64, 'all that there are, and each once');
});
