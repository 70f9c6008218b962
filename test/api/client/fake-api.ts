import { createServer } from 'node:https';
import type { Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Authority } from '../../../api/server/authority.ts';
import type { ClientOptions } from '../../../api/client/http.ts';
import type { ConfigMap } from '../../../api/kinds/config-map.ts';

interface Change {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly revision: number;
  readonly object: ConfigMap;
}

/** An API of one collection, /api/v1/configmaps, that breaks on command. */
export class FakeApi {
  /** Each request's method and URL. */
  readonly requests: string[] = [];
  /** Whether it has watches that begin with all there is, as Kubernetes 1.32 and later. */
  streams = false;
  /** So many of these break off before their end. */
  cutsInitialEvents = 0;
  /** Answers the next requests with these codes, one each, before anything else. */
  readonly failures: number[] = [];
  readonly #objects = new Map<string, ConfigMap>();
  readonly #changes: Change[] = [];
  readonly #watches = new Set<ServerResponse>();
  readonly #server: Server;
  readonly #options: Omit<ClientOptions, 'server'>;
  #revision = 100;
  #compacted = 0;

  private constructor(server: Server, options: Omit<ClientOptions, 'server'>) {
    this.#server = server;
    this.#options = options;
    server.on('request', (request, response) => void this.#answer(request, response));
  }

  /** `directory` is for the authority's files. */
  static async start(directory: string): Promise<FakeApi> {
    const authority = await Authority.open(directory);
    const serving = await authority.issue({ user: 'api', groups: [], names: ['127.0.0.1'] });
    const client = await authority.issue({ user: 'tester', groups: ['system:masters'], names: [] });
    const server = createServer({
      cert: serving.certificate,
      key: serving.key,
      ca: authority.certificate,
      requestCert: true,
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new FakeApi(server, { ca: authority.certificate, cert: client.certificate, key: client.key });
  }

  get clientOptions(): ClientOptions {
    const { port } = this.#server.address() as AddressInfo;
    return { server: `https://127.0.0.1:${port}`, ...this.#options };
  }

  get watchCount(): number {
    return this.#watches.size;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  set(name: string, data: Record<string, string>): void {
    const before = this.#objects.get(name);
    this.#revision += 1;
    const uid = before?.metadata.uid ?? `uid-${this.#revision}`;
    const metadata = { name, namespace: 'default', uid, resourceVersion: String(this.#revision) };
    const object: ConfigMap = { apiVersion: 'v1', kind: 'ConfigMap', metadata, data };
    this.#objects.set(name, object);
    this.#change({ type: before ? 'MODIFIED' : 'ADDED', revision: this.#revision, object });
  }

  remove(name: string): void {
    const object = this.#objects.get(name);
    if (!object) throw new Error(`no ${name}`);
    this.#objects.delete(name);
    this.#revision += 1;
    const metadata = { ...object.metadata, resourceVersion: String(this.#revision) };
    this.#change({ type: 'DELETED', revision: this.#revision, object: { ...object, metadata } });
  }

  /** Forgets all changes so far: watches from before get 410. */
  compact(): void {
    this.#compacted = this.#revision;
  }

  /** Raises the revision and tells the watches only by a bookmark. */
  bookmark(): void {
    this.#revision += 10;
    const metadata = { resourceVersion: String(this.#revision) };
    for (const watch of this.#watches) writeEvent(watch, 'BOOKMARK', { metadata });
  }

  /** Cuts every watch in the middle of a line. */
  cutWatches(): void {
    for (const watch of this.#watches) {
      watch.write('{"type":"ADD');
      watch.destroy();
    }
    this.#watches.clear();
  }

  /** Ends every watch properly, as at its time limit. */
  endWatches(): void {
    for (const watch of this.#watches) watch.end();
  }

  #change(change: Change): void {
    this.#changes.push(change);
    for (const watch of this.#watches) writeEvent(watch, change.type, change.object);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.requests.push(`${request.method ?? ''} ${request.url ?? ''}`);
    const failure = this.failures.shift();
    if (failure !== undefined) {
      sendStatus(response, failure, 'Broken');
      return;
    }
    const url = new URL(request.url ?? '/', 'https://api');
    if (url.searchParams.get('watch') === 'true') {
      this.#watch(url, response);
      return;
    }
    if (request.method === 'GET' && url.pathname === '/api/v1/configmaps') {
      this.#list(url, response);
      return;
    }
    if (request.method === 'GET') {
      sendStatus(response, 404, 'NotFound');
      return;
    }
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const type = request.headers['content-type'] ?? '';
    sendJson(response, 200, {
      type,
      body: JSON.parse(Buffer.concat(chunks).toString() || 'null') as unknown,
    });
  }

  #list(url: URL, response: ServerResponse): void {
    const names = [...this.#objects.keys()].sort();
    const limit = Number(url.searchParams.get('limit') ?? names.length);
    const start = Number(url.searchParams.get('continue') ?? 0);
    const items = names.slice(start, start + limit).map((name) => this.#objects.get(name));
    const more = start + limit < names.length ? { continue: String(start + limit) } : {};
    sendJson(response, 200, { metadata: { resourceVersion: String(this.#revision), ...more }, items });
  }

  #sendAll(response: ServerResponse): void {
    for (const name of [...this.#objects.keys()].sort())
      writeEvent(response, 'ADDED', this.#objects.get(name));
    if (this.cutsInitialEvents > 0) {
      this.cutsInitialEvents -= 1;
      response.write('{"type":"ADD', () => response.destroy());
      return;
    }
    const annotations = { 'k8s.io/initial-events-end': 'true' };
    const metadata = { resourceVersion: String(this.#revision), annotations };
    writeEvent(response, 'BOOKMARK', { metadata });
  }

  #watch(url: URL, response: ServerResponse): void {
    const wantsAll = url.searchParams.get('sendInitialEvents') === 'true';
    if (wantsAll && !this.streams) {
      sendStatus(response, 422, 'Invalid');
      return;
    }
    const from = wantsAll ? this.#revision : Number(url.searchParams.get('resourceVersion') ?? 0);
    response.writeHead(200, { 'Content-Type': 'application/json' }).flushHeaders();
    if (from < this.#compacted) {
      const status = { kind: 'Status', status: 'Failure', reason: 'Expired', code: 410, message: 'too old' };
      writeEvent(response, 'ERROR', status);
      response.end();
      return;
    }
    if (wantsAll) this.#sendAll(response);
    for (const { type, revision, object } of this.#changes)
      if (revision > from) writeEvent(response, type, object);
    this.#watches.add(response);
    response.on('close', () => this.#watches.delete(response));
  }
}

function writeEvent(response: ServerResponse, type: string, object: unknown): void {
  response.write(`${JSON.stringify({ type, object })}\n`);
}

function sendStatus(response: ServerResponse, code: number, reason: string): void {
  sendJson(response, code, { kind: 'Status', status: 'Failure', reason, code, message: `it is ${reason}` });
}

function sendJson(response: ServerResponse, code: number, body: unknown): void {
  response.writeHead(code, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
}
