import { Agent, request as httpsRequest } from 'node:https';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Status } from '../kinds/meta.ts';
import { ApiError } from './api-error.ts';

export interface ClientOptions {
  /** URL of the API, e.g. `https://192.0.2.1:6443`. */
  readonly server: string;
  /** PEM of the CA that signed the server's certificate. */
  readonly ca: string;
  /** PEM of the client's certificate and key; or give `token`. */
  readonly cert?: string;
  readonly key?: string;
  readonly token?: string;
  readonly userAgent?: string;
  /** Longest wait for an answer's headers and body, watches excepted. Default 30,000. */
  readonly timeoutMs?: number;
}

export interface HttpRequest {
  readonly method: string;
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>> | undefined;
  readonly body?: unknown;
  readonly contentType?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

const otherAuthority =
  'its certificate is not signed by our CA: check the URL, or join this server with its token';
const certificateProblems: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'its certificate has expired: compare the clocks, or restart the server, which renews it',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet: compare the clocks',
  DEPTH_ZERO_SELF_SIGNED_CERT: otherAuthority,
  SELF_SIGNED_CERT_IN_CHAIN: otherAuthority,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: otherAuthority,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: otherAuthority,
  ERR_TLS_CERT_ALTNAME_INVALID:
    'its certificate is not for this address: use another URL of it, or name the address in apiNames there',
};

/** HTTPS to one API server: connections are kept and shared; every failure is an {@link ApiError}. */
export class HttpConnection {
  readonly #url: URL;
  #agent: Agent;
  /** Those of earlier certificates, as long as requests (watches) run over their connections. */
  #earlier: Agent[] = [];
  readonly #ca: string;
  readonly #headers: Record<string, string>;
  readonly #timeoutMs: number;

  constructor(options: ClientOptions) {
    this.#url = new URL(options.server);
    this.#timeoutMs = options.timeoutMs ?? 30_000;
    this.#ca = options.ca;
    this.#agent = makeAgent(options);
    this.#headers = { accept: 'application/json', 'user-agent': options.userAgent ?? 'weft' };
    if (options.token !== undefined) this.#headers['authorization'] = `Bearer ${options.token}`;
  }

  /** Shows another certificate from the next connection on; requests under way end on theirs. */
  useCertificate(cert: string, key: string): void {
    this.#earlier = [...this.#earlier, this.#agent].filter((agent) => connectionsOf(agent).length > 0);
    this.#agent = makeAgent({ ca: this.#ca, cert, key });
  }

  /**
   * Ends the connections from these addresses, which this machine has no more, and those not made yet: no packet of
   * theirs arrives, and nothing else would tell for a minute. While a machine has no address of its own, the kernel
   * begins connections with any other that it finds, a bridge's for instance. Requests on them fail.
   */
  dropConnectionsFrom(addresses: readonly string[]): void {
    for (const socket of [this.#agent, ...this.#earlier].flatMap(connectionsOf)) {
      const { connecting, localAddress } = socket;
      if (!connecting && localAddress !== undefined && !addresses.includes(localAddress)) continue;
      socket.destroy(new Error(`the address ${localAddress ?? addresses.join(', ')} is gone`));
    }
  }

  /** Ends idle connections; requests under way finish or fail by themselves. */
  close(): void {
    this.#agent.destroy();
  }

  /** Sends a request and reads the whole JSON answer. */
  async json(request: HttpRequest): Promise<unknown> {
    const timeout = AbortSignal.timeout(this.#timeoutMs);
    const signal = request.signal ? AbortSignal.any([request.signal, timeout]) : timeout;
    const response = await this.open({ ...request, signal });
    const text = await this.#readText(response);
    try {
      return JSON.parse(text) as unknown;
    } catch (cause) {
      const message = `${this.#url.origin}${request.path} answered something that is not JSON`;
      throw new ApiError(message, { code: response.statusCode ?? 0, reason: 'BadAnswer', cause });
    }
  }

  /** Sends a request and returns the answer as a stream; an answer of 400 and above is thrown. */
  async open(request: HttpRequest): Promise<IncomingMessage> {
    const response = await this.#send(request);
    const code = response.statusCode ?? 0;
    if (code >= 200 && code < 300) return response;
    throw statusError(code, await this.#readText(response), `${request.method} ${request.path}`);
  }

  #send(request: HttpRequest): Promise<IncomingMessage> {
    const body = request.body === undefined ? undefined : Buffer.from(JSON.stringify(request.body));
    const headers: Record<string, string | number> = { ...this.#headers };
    if (body) {
      headers['content-type'] = request.contentType ?? 'application/json';
      headers['content-length'] = body.length;
    }
    const path = this.#url.pathname.replace(/\/$/, '') + request.path + renderQuery(request.query);
    const { hostname, port } = this.#url;
    return new Promise((resolve, reject) => {
      const outgoing = httpsRequest({
        agent: this.#agent,
        method: request.method,
        host: hostname.replace(/^\[|\]$/g, ''),
        port: port === '' ? 443 : Number(port),
        path,
        headers,
        ...(request.signal && { signal: request.signal }),
      });
      outgoing.on('response', resolve);
      outgoing.on('error', (cause) => {
        // The server closed a kept connection just as we used it: a read may simply be sent again.
        const stale = outgoing.reusedSocket && (cause as NodeJS.ErrnoException).code === 'ECONNRESET';
        if (stale && request.method === 'GET') this.#send(request).then(resolve, reject);
        else reject(this.#connectionError(cause));
      });
      outgoing.end(body);
    });
  }

  async #readText(response: IncomingMessage): Promise<string> {
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of response) chunks.push(chunk as Buffer);
    } catch (cause) {
      throw this.#connectionError(cause);
    }
    return Buffer.concat(chunks).toString('utf8');
  }

  /** Says in one sentence why the server could not be talked to. */
  #connectionError(cause: unknown): ApiError {
    const { name, code = '', message } = cause as NodeJS.ErrnoException;
    const where = `the API at ${this.#url.origin}`;
    if ((cause as Error & { cause?: Error }).cause?.name === 'TimeoutError' || name === 'TimeoutError') {
      return new ApiError(`${where} did not answer in time`, { code: 0, reason: 'Timeout', cause });
    }
    if (name === 'AbortError') return new ApiError('aborted', { code: 0, reason: 'Aborted', cause });
    const problem = certificateProblems[code];
    if (problem !== undefined) {
      return new ApiError(`${where} is not trusted: ${problem}`, { code: 0, reason: 'Untrusted', cause });
    }
    return new ApiError(`${where} is unreachable: ${message}`, { code: 0, reason: 'Unreachable', cause });
  }
}

function connectionsOf({ sockets, freeSockets }: Agent): Socket[] {
  return [sockets, freeSockets].flatMap((byPlace) => Object.values(byPlace).flatMap((list) => list ?? []));
}

function makeAgent({ ca, cert, key }: Pick<ClientOptions, 'ca' | 'cert' | 'key'>): Agent {
  return new Agent({
    keepAlive: true,
    // Dead peers show within a minute, even on an idle watch.
    keepAliveMsecs: 15_000,
    ca,
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
  });
}

/** The error of an answer, from its Status object if it has one. */
export function statusError(code: number, body: string | Status, what: string): ApiError {
  const status = typeof body === 'string' ? parseStatus(body) : body;
  const text = typeof body === 'string' ? body.slice(0, 200).trim() : '';
  const message = status?.message ?? `${what}: the API answered ${code} ${text}`;
  return new ApiError(message, { code, reason: status?.reason ?? 'Unknown', status });
}

function parseStatus(text: string): Status | undefined {
  try {
    const value = JSON.parse(text) as Status | null;
    return value?.kind === 'Status' ? value : undefined;
  } catch {
    // Not every server in front of an API speaks JSON; the text itself then goes into the message.
    return undefined;
  }
}

function renderQuery(query: HttpRequest['query']): string {
  const pairs = Object.entries(query ?? {}).filter((pair): pair is [string, string] => pair[1] !== undefined);
  return pairs.length === 0 ? '' : '?' + new URLSearchParams(pairs).toString();
}
