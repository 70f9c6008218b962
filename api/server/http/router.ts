import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import { authenticate } from '../authentication.ts';
import { admitNode, pathRefusal, refusal } from '../authorizer.ts';
import type { Attributes, Authorizer } from '../authorizer.ts';
import { actAs } from '../impersonation.ts';
import type { JoinEndpoint } from '../join.ts';
import type { NodeProxy, RawConnection } from '../node-proxy.ts';
import { findPodTarget, isStreamed } from '../pod-target.ts';
import type { Resources } from '../registry/resources.ts';
import { answerReview } from '../reviews/review.ts';
import { findReview } from '../reviews/reviews.ts';
import { badRequest, noSuchPath } from '../status-error.ts';
import { discoveryPaths, sendDiscovery } from './discovery.ts';
import { sendJson, sendText } from './exchange.ts';
import type { Exchange } from './exchange.ts';
import { toStatusError } from './failure.ts';
import { healthPaths, isHealthPath, sendHealth } from './health.ts';
import type { HealthCheck } from './health.ts';
import type { RequestLabels, RequestMetrics } from './metrics.ts';
import { openApiPaths, sendOpenApi } from './openapi-routes.ts';
import { parseResourcePath } from './request-path.ts';
import type { ResourcePath } from './request-path.ts';
import { isSubresource, requestVerb, verbFor } from './verb-table.ts';
import { version } from './version.ts';

export interface RouterParts {
  readonly resources: Resources;
  readonly authorizer: Authorizer;
  readonly join: JoinEndpoint;
  readonly proxy: NodeProxy;
  readonly metrics: RequestMetrics;
  /** What must work for the server to do its work. */
  readonly checks: readonly HealthCheck[];
  readonly log: Logger;
}

/** Leads each request to what answers it, and turns every failure into a Status. */
export class Router {
  readonly #parts: RouterParts;

  constructor(parts: RouterParts) {
    this.#parts = parts;
  }

  async handle(request: IncomingMessage, response: ServerResponse, raw?: RawConnection): Promise<void> {
    const url = parseTarget(request.url ?? '/');
    // Nothing may escape from here: nobody waits for this promise.
    if (!url) return this.#fail({ request, response }, badRequest('the request target is not a path'));
    const path = parseResourcePath(url.pathname);
    const done = this.#parts.metrics.begin(this.#labelsOf(request, url, path));
    try {
      const user = actAs(authenticate(request.socket), request);
      const exchange: Exchange = { request, response, url, user };
      if (path) await this.#handleResource(exchange, path, raw);
      else await this.#handlePath(exchange);
    } catch (error) {
      await this.#fail({ request, response }, error);
    }
    done(response.statusCode);
  }

  #labelsOf(request: IncomingMessage, url: URL, path: ResourcePath | undefined): RequestLabels {
    const method = request.method ?? 'GET';
    // Names that nobody serves would let clients make new time series.
    const kind =
      path && (findReview(path) ?? this.#parts.resources.find(path.group, path.version, path.plural)?.kind);
    if (!path || !kind) return { verb: method, group: '', resource: '', subresource: '' };
    const { group, plural, subresource = '' } = path;
    const isServed = 'subresources' in kind && isSubresource(kind, subresource);
    const isStream = plural === 'pods' && isStreamed(subresource) && subresource !== 'log';
    const verb = isStream ? 'CONNECT' : requestVerb(method, path, url.searchParams).toUpperCase();
    return { verb, group, resource: plural, subresource: isServed ? subresource : '' };
  }

  async #fail(exchange: Pick<Exchange, 'request' | 'response'>, error: unknown): Promise<void> {
    const failure = toStatusError(error);
    const { request, response } = exchange;
    if (failure.code >= 500) {
      this.#parts.log.error({ err: error, method: request.method, url: request.url }, 'request failed');
    }
    if (response.headersSent) {
      response.destroy();
      return;
    }
    // What is left of the request is not read: the connection cannot go on.
    if (!request.complete) response.setHeader('Connection', 'close');
    await sendJson(exchange, failure.code, failure.toStatus());
  }

  async #handlePath(exchange: Exchange): Promise<void> {
    const { url, user, request } = exchange;
    const path = url.pathname;
    if (path.startsWith('/weft/v1/')) return this.#parts.join.handle(exchange);
    const { authorizer, checks, log } = this.#parts;
    const method = (request.method ?? 'GET').toLowerCase();
    if (!authorizer.allowsPath(user, path)) throw pathRefusal(user, method, path);
    if (/^\/apis?(\/|$)/.test(path)) return sendDiscovery(exchange);
    if (path.startsWith('/openapi/')) return sendOpenApi(exchange);
    if (isHealthPath(path)) return sendHealth(exchange, checks, log);
    switch (path) {
      case '/version':
      case '/version/':
        return sendJson(exchange, 200, version);
      case '/':
        return sendJson(exchange, 200, { paths: servedPaths(checks) });
      case '/metrics': {
        const { registry } = this.#parts.metrics;
        return sendText(exchange, 200, await registry.metrics(), registry.contentType);
      }
      default:
        throw noSuchPath();
    }
  }

  async #handleResource(
    exchange: Exchange,
    path: ResourcePath,
    raw: RawConnection | undefined,
  ): Promise<void> {
    const { user } = exchange;
    const { authorizer, resources } = this.#parts;
    const attributes = attributesOf(exchange, path);
    if (!(await authorizer.allows(user, attributes))) throw refusal(user, attributes);
    const review = findReview(path);
    if (review) return answerReview(review, exchange, path, authorizer);
    if (isCustomKindList(attributes)) return sendJson(exchange, 200, noCustomKinds);
    const resource = resources.find(path.group, path.version, path.plural);
    if (!resource || path.rest !== undefined) throw noSuchPath();
    if (resource.kind.plural === 'pods' && isStreamed(path.subresource)) {
      return this.#stream(exchange, path, path.subresource, raw);
    }
    if (raw) throw badRequest('this resource has nothing to upgrade to');
    const verb = verbFor(resource.kind, path, exchange.request.method ?? 'GET', exchange.url.searchParams);
    const admit = (object: unknown): void => admitNode(user, attributes, object);
    const permit = async (other: string): Promise<void> => {
      const asked = { ...attributes, verb: other };
      if (!(await authorizer.allows(user, asked))) throw refusal(user, asked);
    };
    await verb({ exchange, resource, path, admit, permit });
  }

  async #stream(
    exchange: Exchange,
    path: ResourcePath,
    subresource: string,
    raw: RawConnection | undefined,
  ): Promise<void> {
    const { request, response, url } = exchange;
    const at = { namespace: path.namespace, name: path.name ?? '' };
    const target = await findPodTarget(this.#parts.resources, at, subresource, url.searchParams);
    if (!target) return sendText(exchange, 200, '', 'text/plain');
    if (!raw) {
      if (subresource !== 'log') throw badRequest('Upgrade request required');
      return this.#parts.proxy.forward(target, request, response);
    }
    await this.#parts.proxy.upgrade(target, request, response, raw);
  }
}

/** What the root lists. */
function servedPaths(checks: readonly HealthCheck[]): string[] {
  return ['/metrics', '/version', ...healthPaths(checks), ...discoveryPaths(), ...openApiPaths()].sort();
}

/** There are no custom kinds. Newer kubectls ask for them to tell a kind nobody knows from one they need not check. */
const noCustomKinds = {
  kind: 'CustomResourceDefinitionList',
  apiVersion: 'apiextensions.k8s.io/v1',
  metadata: { resourceVersion: '1' },
  items: [],
};

function isCustomKindList({ group, plural, verb, name }: Attributes): boolean {
  const isThem = group === 'apiextensions.k8s.io' && plural === 'customresourcedefinitions';
  return isThem && verb === 'list' && name === undefined;
}

/** A request's target (RFC 9112, section 3.2): a path as it stands, also `//host`, or a whole URL; null for neither. */
function parseTarget(target: string): URL | null {
  return URL.parse(target.startsWith('/') ? `https://weft${target}` : target);
}

function attributesOf({ request, url }: Exchange, path: ResourcePath): Attributes {
  const { group, plural, subresource, namespace, name } = path;
  const fieldSelector = url.searchParams.get('fieldSelector') ?? '';
  const verb = requestVerb(request.method ?? 'GET', path, url.searchParams);
  return { verb, group, plural, subresource, namespace, name, fieldSelector };
}
